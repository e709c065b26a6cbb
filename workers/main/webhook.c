/* Agreed between the gateway and whoever sets the webhook: kinds, secret, and how /healthz is
 * known. */
#include "webhook.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "text.h"

const char *const webhook_kinds[] = { "message", "callback_query", "my_chat_member", NULL };

int webhook_check_secret(const char *secret, struct err *reterr)
{
    enum { SECRET_MAX = 256 };
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    size_t n = strlen(secret);

    if (n >= 1 && n <= SECRET_MAX && strspn(secret, allowed) == n)
        return 0;
    return err_set(reterr, -EBADMSG,
                   "WEBHOOK_SECRET: want 1 to 256 characters of A-Z a-z 0-9 _ -, such as the "
                   "output of: openssl rand -hex 32");
}

const char *webhook_mark(const char *secret, char text[static WEBHOOK_MARK_MAX])
{
    static const char about[] = "gateway health";
    unsigned char digest[EVP_MAX_MD_SIZE] = { 0 };
    unsigned int n = 0;

    /* Fails only when memory runs out; the mark is then one that nobody recognises. */
    (void)HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)about,
               sizeof about - 1, digest, &n);
    (void)text_put_hex(text, digest, WEBHOOK_MARK_MAX / 2);
    return text;
}
