/*
 * The dashboard: the files of dashboard/, which are part of this program, as a browser gets them.
 *
 * They hold no data; what the page shows it asks of the API. A browser keeps them and asks each
 * time whether they are still the same, so a new binary has no old page.
 *
 * Sources: RFC 9110 (ETag, If-None-Match), W3C's Content Security Policy and Trusted Types.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "gateway.h"

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

/* A quoted name of the text, which another text does not have. False: there is no memory for it. */
static bool tag_of(const char *text, char tag[static TAG_MAX])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    size_t n = 0;

    if (EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL) != 1)
        return false;
    tag[n++] = '"';
    for (size_t i = 0; i < TAG_BYTES; i++, n += 2)
        (void)snprintf(tag + n, 3, "%02x", digest[i]);
    tag[n++] = '"';
    tag[n] = '\0';
    return true;
}

static void answer_file(struct exchange *x, const struct file *file)
{
    const char *kept = exchange_request_header(x, "If-None-Match");
    char tag[TAG_MAX];
    bool has_tag = tag_of(file->text, tag);

    if (has_tag && kept && strstr(kept, tag))
        exchange_answer_constant(x, MHD_HTTP_NOT_MODIFIED, file->type, "");
    else
        exchange_answer_constant(x, MHD_HTTP_OK, file->type, file->text);
    if (has_tag)
        exchange_header(x, "ETag", tag);
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        exchange_header(x, headers[i].name, headers[i].value);
}

void dashboard(struct exchange *x)
{
    const char *name = x->name[0] ? x->name : "index.html";

    for (size_t i = 0; i < FILES; i++) {
        if (strcmp(files[i].name, name) == 0) {
            answer_file(x, &files[i]);
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
