/*
 * create_s3_bucket: makes the bucket S3_BUCKET, unless it is there.
 *
 * A bucket that belongs to another account is a failure: nothing could be stored in it. The
 * service's own words are AWS's (docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html);
 * MinIO has the same.
 */
#include <ctype.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "buf.h"
#include "limits.h"
#include "text.h"
#include "worker.h"

/* Where AWS wants no LocationConstraint. */
#define FIRST_REGION "us-east-1"

enum { BUCKET_LEAST = 3, BUCKET_MOST = 63, HASH_HEADER_MAX = 128, CODE_MAX = 64, BODY_MAX = 512 };

static bool bucket_is_good(const char *bucket)
{
    size_t n = strlen(bucket);

    for (const char *p = bucket; *p; p++)
        if (!islower((unsigned char)*p) && !isdigit((unsigned char)*p) && !strchr("-.", *p))
            return false;
    return n >= BUCKET_LEAST && n <= BUCKET_MOST;
}

/* libcurl sends this header by itself from 8.0 on; S3 and MinIO want it always. */
static int hash_header(const char *body, char header[static HASH_HEADER_MAX])
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    char *end = stpcpy(header, "x-amz-content-sha256: ");

    if (EVP_Digest(body, strlen(body), hash, &n, EVP_sha256(), NULL) != 1)
        return -EIO;
    (void)text_put_hex(end, hash, n);
    return 0;
}

/* body NULL: a HEAD request. */
static int ask(struct run *run, const char *body, struct http_reply *ret)
{
    OWN_BUF struct buf url = { 0 };
    char signature[128], header[HASH_HEADER_MAX];
    const char *const headers[] = { header, "Content-Type: application/xml", NULL };
    int r;

    buf_init(&url, HTTP_URL_MAX);
    r = buf_printf(&url, "%s/%s", setting_text("S3_ENDPOINT"), setting_text("S3_BUCKET"));
    if (r == 0)
        r = hash_header(body ? body : "", header);
    if (r < 0)
        return run_failed(run, r, strerror(-r));
    (void)snprintf(signature, sizeof signature, "aws:amz:%s:s3", setting_text("S3_REGION"));
    r = http_call(run->http,
                  &(struct http_request){ .method = body ? "PUT" : "HEAD",
                                          .url = url.p,
                                          .user = setting_text("S3_ACCESS_KEY"),
                                          .password = setting_text("S3_SECRET_KEY"),
                                          .headers = headers,
                                          .body = body,
                                          .repeatable = true,
                                          .aws_sigv4 = signature },
                  ret);
    return r < 0 ? run_failed(run, r, http_error(run->http)) : 0;
}

/* <Error><Code>X</Code>, without a parser for the one word that counts. */
static const char *code_of(const struct http_reply *reply, char code[static CODE_MAX])
{
    const char *from = strstr(reply->body, "<Code>");
    size_t n;

    code[0] = '\0';
    if (from) {
        from += strlen("<Code>");
        n = strspn(from, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
        if (n < CODE_MAX)
            (void)snprintf(code, CODE_MAX, "%.*s", (int)n, from);
    }
    return code;
}

static int there(void)
{
    (void)printf("bucket %s is there already\n", setting_text("S3_BUCKET"));
    return 0;
}

static int judge(struct run *run, const struct http_reply *reply)
{
    char code[CODE_MAX];
    struct err why;

    if (reply->status == 200) {
        (void)printf("bucket %s created\n", setting_text("S3_BUCKET"));
        return 0;
    }
    (void)code_of(reply, code);
    if (strcmp(code, "BucketAlreadyOwnedByYou") == 0)
        return there();
    if (strcmp(code, "BucketAlreadyExists") == 0)
        return run_failed(run, -EEXIST,
                          "S3_BUCKET: a bucket of this name belongs to another account");
    if (reply->status == 0)
        (void)err_set(&why, 0, "S3_ENDPOINT: %s", reply->error.text);
    else
        (void)err_set(&why, 0, "the object store refuses: HTTP %d %s", reply->status, code);
    return run_failed(run, strcmp(code, "OperationAborted") == 0 ? -EAGAIN : -EIO, why.text);
}

static int create(struct run *run)
{
    OWN_REPLY struct http_reply reply = { 0 };
    const char *region = setting_text("S3_REGION");
    char body[BODY_MAX] = "";
    int r;

    if (strcmp(region, FIRST_REGION) != 0)
        (void)snprintf(
            body, sizeof body,
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
            "<LocationConstraint>%.64s</LocationConstraint>"
            "</CreateBucketConfiguration>",
            region);
    r = ask(run, body, &reply);
    return r < 0 ? r : judge(run, &reply);
}

static int create_s3_bucket(struct run *run)
{
    OWN_REPLY struct http_reply reply = { 0 };
    int r;

    if (run->argc)
        return run_failed(run, -EDOM, "create_s3_bucket takes no arguments");
    if (!bucket_is_good(setting_text("S3_BUCKET")))
        return run_failed(run, -EBADMSG,
                          "S3_BUCKET: want 3 to 63 lower-case letters, digits, - and .");
    r = ask(run, NULL, &reply);
    if (r < 0)
        return r;
    if (reply.status == 200)
        return there();
    if (run->dry_run) {
        (void)printf("bucket %s would be created\n", setting_text("S3_BUCKET"));
        return 0;
    }
    /* A HEAD has no body that would say why: creating says it. */
    return create(run);
}

const struct worker worker = {
    .app = "main",
    .name = "create_s3_bucket",
    .about = "make the bucket S3_BUCKET, unless it is there",
    .kind = WORKER_COMMAND,
    .needs = WORKER_NEEDS("S3_ENDPOINT", "S3_BUCKET", "S3_REGION", "S3_ACCESS_KEY",
                          "S3_SECRET_KEY"),
    .in_flight = 1,
    .run = create_s3_bucket,
};
