/*
 * The dashboard: the files of dashboard/, which are part of this program, as a browser gets them.
 *
 * They hold no data; what the page shows it asks of the API. A browser keeps them and asks each
 * time whether they are still the same, so a new binary has no old page.
 *
 * Sources: RFC 9110 (ETag, If-None-Match), W3C's Content Security Policy and Trusted Types.
 */
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "gateway.h"
#include "text.h"

struct file {
    const char *name, *type, *text;
};

#include "dashboard.h"

enum { FILES = sizeof files / sizeof *files, TAG_BYTES = 12, TAG_MAX = 2 * TAG_BYTES + 3 };

/* clang-format off */
static const struct { const char *name, *value; } headers[] = {
    /* Nothing but our own files, asked from here; no markup made of text, no frame around us. */
    { "Content-Security-Policy",
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
      "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
      "require-trusted-types-for 'script'; trusted-types 'none'" },
    { "Referrer-Policy",              "no-referrer" },
    { "Cross-Origin-Opener-Policy",   "same-origin" },
    { "Cross-Origin-Resource-Policy", "same-origin" },
    { "Cache-Control",                "private, no-cache" },
};
/* clang-format on */

/* Of each file, a quoted name which another text does not have. */
static char tags[FILES][TAG_MAX];

int dashboard_open(struct err *reterr)
{
    unsigned char digest[EVP_MAX_MD_SIZE];

    for (size_t i = 0; i < FILES; i++) {
        if (EVP_Digest(files[i].text, strlen(files[i].text), digest, NULL, EVP_sha256(), NULL) != 1)
            return err_set(reterr, -ENOMEM, "SHA-256 is not to be had");
        tags[i][0] = '"';
        *text_put_hex(tags[i] + 1, digest, TAG_BYTES) = '"';
    }
    return 0;
}

static void answer_file(struct exchange *x, size_t file)
{
    const char *kept = exchange_request_header(x, "If-None-Match");

    if (kept && strstr(kept, tags[file]))
        exchange_answer_constant(x, MHD_HTTP_NOT_MODIFIED, files[file].type, "");
    else
        exchange_answer_constant(x, MHD_HTTP_OK, files[file].type, files[file].text);
    exchange_header(x, "ETag", tags[file]);
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        exchange_header(x, headers[i].name, headers[i].value);
}

void dashboard(struct exchange *x)
{
    const char *name = x->name[0] ? x->name : "index.html";

    for (size_t i = 0; i < FILES; i++) {
        if (strcmp(files[i].name, name) == 0) {
            answer_file(x, i);
            return;
        }
    }
    exchange_error(x, MHD_HTTP_NOT_FOUND, "the dashboard has no file of this name");
}

void dashboard_redirect(struct exchange *x)
{
    exchange_answer_constant(x, MHD_HTTP_SEE_OTHER, "text/plain", "");
    /* Relative, for whoever serves us below another path. */
    exchange_header(x, "Location", "dashboard");
}
