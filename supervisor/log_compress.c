/* Compresses rotated logs, one at a time, in a thread of libuv's. */
#include "log_compress.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "log.h"
#include "log_rotate.h"
#include "own.h"

enum { BLOCK = 64 << 10 };

/* The jobs are a list: the first is under way, the others wait. */
struct compress_job {
    struct compress_job *next;
    struct compressor *compressor; /* NULL: closed meanwhile */
    uv_work_t work;
    int from, to;
    struct stat file; /* of from: it may be renamed */
    int result;
    char *target; /* hidden, in the same folder */
    char path[];
};

/* --- in a thread */

static int compress_all(int from, gzFile to)
{
    OWN(free) char *block = malloc(BLOCK);
    ssize_t n;

    if (!block)
        return -ENOMEM;
    while ((n = read(from, block, BLOCK)) > 0)
        if (gzwrite(to, block, (unsigned)n) != n)
            return -EIO;
    return n < 0 ? -errno : 0;
}

static void compress_file(uv_work_t *work)
{
    struct compress_job *job = work->data;
    /* gzclose closes the descriptor. */
    gzFile to = gzdopen(job->to, "wb");

    if (!to) {
        (void)close(job->to);
        job->result = -ENOMEM;
        return;
    }
    job->result = compress_all(job->from, to);
    if (gzclose(to) != Z_OK && job->result == 0)
        job->result = -EIO;
}

/* --- on the loop */

static void job_free(struct compress_job *job)
{
    free(job->target);
    free(job);
}

/* The number that the file has now; 0 when it is gone. */
static int number_now(const struct compress_job *job)
{
    struct stat st;
    int form;

    for (int number = 1; (form = log_rotate_find(job->path, number)) > LOG_FORM_NONE; number++) {
        OWN(free) char *name = log_rotate_name(job->path, number, false);

        if (form == LOG_FORM_PLAIN && name && stat(name, &st) == 0 &&
            st.st_ino == job->file.st_ino && st.st_dev == job->file.st_dev)
            return number;
    }
    return 0;
}

/* The old file keeps its time, by which people and we tell what is in it. */
static int replace(const struct compress_job *job)
{
    const struct timespec times[] = { job->file.st_atim, job->file.st_mtim };
    int number = number_now(job);
    OWN(free) char *plain = log_rotate_name(job->path, number, false);
    OWN(free) char *compressed = log_rotate_name(job->path, number, true);

    if (!plain || !compressed)
        return -ENOMEM;
    if (!number)
        return -ENOENT;
    (void)utimensat(AT_FDCWD, job->target, times, 0);
    if (rename(job->target, compressed) < 0)
        return -errno;
    (void)unlink(plain);
    return 0;
}

static void work_on(struct compressor *compressor);

static void compressed(uv_work_t *work, int status)
{
    struct compress_job *job = work->data;
    struct compressor *compressor = job->compressor;
    int r = status < 0 ? status : job->result;

    (void)close(job->from);
    if (r == 0)
        r = replace(job);
    if (r < 0)
        (void)unlink(job->target);
    if (r < 0 && r != -ENOENT)
        log_error("cannot compress a log, going on", LOG_TEXT("log", job->path),
                  LOG_TEXT("why", strerror(-r)));
    if (!compressor) {
        job_free(job);
        return;
    }
    if (r < 0) {
        compressor->first = job->next;
        job_free(job);
    }
    /* Else the same log may have another one. */
    work_on(compressor);
}

/* Opens the oldest one that is plain. Returns 0, or -ENOENT when there is none. */
static int open_oldest(struct compress_job *job)
{
    int form, oldest = 0;
    OWN(free) char *name = NULL;

    for (int number = 1; (form = log_rotate_find(job->path, number)) > LOG_FORM_NONE; number++)
        if (form == LOG_FORM_PLAIN)
            oldest = number;
    name = oldest ? log_rotate_name(job->path, oldest, false) : NULL;
    job->from = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    return job->from < 0 || fstat(job->from, &job->file) < 0 ? -ENOENT : 0;
}

static int start(struct compress_job *job)
{
    int r = open_oldest(job);

    if (r < 0)
        return r;
    job->to = open(job->target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                   job->file.st_mode & (S_IRWXU | S_IRWXG | S_IRWXO));
    if (job->to < 0)
        return -errno;
    job->work.data = job;
    r = uv_queue_work(job->compressor->loop, &job->work, compress_file, compressed);
    if (r < 0)
        (void)close(job->to);
    return r;
}

static void work_on(struct compressor *compressor)
{
    struct compress_job *job;

    while ((job = compressor->first)) {
        job->from = -1;
        if (start(job) == 0)
            return;
        if (job->from >= 0)
            (void)close(job->from);
        /* Half of one, if it is there, was another opsd's. */
        (void)unlink(job->target);
        compressor->first = job->next;
        job_free(job);
    }
}

void compressor_init(struct compressor *compressor, uv_loop_t *loop)
{
    *compressor = (struct compressor){ .loop = loop };
}

void compressor_add(struct compressor *compressor, const char *path)
{
    struct compress_job *job, **last = &compressor->first;
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash - path) + 1 : 0;

    for (; *last; last = &(*last)->next)
        if (strcmp((*last)->path, path) == 0)
            return;
    job = calloc(1, sizeof *job + strlen(path) + 1);
    if (!job || asprintf(&job->target, "%.*s.%s.gz", folder, path, path + folder) < 0) {
        free(job);
        return;
    }
    memcpy(job->path, path, strlen(path) + 1);
    job->compressor = compressor;
    *last = job;
    if (compressor->first == job)
        work_on(compressor);
}

void compressor_close(struct compressor *compressor)
{
    struct compress_job *job = compressor->first, *next;

    if (!job)
        return;
    next = job->next;
    job->compressor = NULL;
    compressor->first = NULL;
    while ((job = next)) {
        next = job->next;
        job_free(job);
    }
}
