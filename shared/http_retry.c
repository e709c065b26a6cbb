/* The retry rule of http_call, apart from the waiting itself. */
#include "http_retry.h"

#include "limits.h"

bool http_status_is_final(int status)
{
    return status != 0 && status != 429 && status < 500;
}

int64_t http_retry_delay(int tries, int64_t retry_after_ms, uint32_t random)
{
    int64_t delay = HTTP_RETRY_FIRST_MS;
    int i;

    if (tries >= HTTP_TRIES_MAX || retry_after_ms > HTTP_RETRY_AFTER_MOST_MS)
        return -1;
    if (retry_after_ms > 0)
        return retry_after_ms;
    for (i = 1; i < tries && delay < HTTP_RETRY_MOST_MS; i++)
        delay *= 2;
    if (delay > HTTP_RETRY_MOST_MS)
        delay = HTTP_RETRY_MOST_MS;
    return delay - random % (delay / 2 + 1);
}
