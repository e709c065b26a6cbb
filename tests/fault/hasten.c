/*
 * Preloaded into a worker, this gives its HTTP requests HASTEN_TIMEOUT_MS in place of the real
 * limit, which is long for good reason (shared/limits.h) and too long for a test to wait.
 */
#include <curl/curl.h>
#include <dlfcn.h>
#include <stdarg.h>
#include <stdlib.h>

#undef curl_easy_setopt

/* Every value that an option takes is one word: a long, a pointer or a curl_off_t. */
CURLcode curl_easy_setopt(CURL *easy, CURLoption option, ...)
{
    CURLcode (*real)(CURL *, CURLoption, ...) = dlsym(RTLD_NEXT, "curl_easy_setopt");
    const char *timeout_ms = getenv("HASTEN_TIMEOUT_MS");
    va_list values;
    void *value;

    va_start(values, option);
    value = va_arg(values, void *);
    va_end(values);
    if (option == CURLOPT_TIMEOUT_MS && timeout_ms)
        return real(easy, option, atol(timeout_ms));
    return real(easy, option, value);
}
