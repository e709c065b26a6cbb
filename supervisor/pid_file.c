/* A worker's process id for programs that want it in a file. */
#include "pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "fleet.h"
#include "log.h"
#include "own.h"
#include "text.h"

enum { PID_FILE_MAX = 64 };

/* In front of the extension; the dot of a folder, or one that begins the name, begins none. */
static char *with_number(const char *path, int number)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
    char *numbered;
    int r;

    if (!dot || dot <= slash + 1)
        dot = path + strlen(path);
    r = asprintf(&numbered, "%.*s-%d%s", (int)(dot - path), path, number, dot);
    return r < 0 ? NULL : numbered;
}

char *pid_file_path(const struct instance *i)
{
    if (!i->app->pid_file || i->run)
        return NULL;
    if (sources_instances(&i->fleet->sources, i->app) > 1)
        return with_number(i->app->pid_file, i->number);
    return strdup(i->app->pid_file);
}

static void warn(const struct instance *i, const char *what, const char *path, int r)
{
    log_warn(what, LOG_TEXT("worker", i->app->name), LOG_INT("instance", i->number),
             LOG_TEXT("path", path), LOG_TEXT("why", strerror(-r)));
}

static void make_folder(const char *path)
{
    OWN(free) char *folder = strdup(path);
    char *slash = folder ? strrchr(folder, '/') : NULL;

    if (!slash || slash == folder)
        return;
    *slash = '\0';
    /* Whether it is there now is seen when the file is made. */
    (void)file_make_dirs(folder, 0755);
}

/* Not synced: after a crash of the machine the number means nothing. */
static int write_new(const char *path, pid_t pid)
{
    OWN(close) int fd = -1;

    /* Whatever stands there, also a link that somebody else made, is not written through. */
    (void)unlink(path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    return dprintf(fd, "%d\n", (int)pid) < 0 ? -errno : 0;
}

static int replace(const char *path, pid_t pid)
{
    OWN(free) char *temporary = NULL;
    int r;

    if (asprintf(&temporary, "%s.new", path) < 0)
        return -ENOMEM;
    r = write_new(temporary, pid);
    if (r == 0 && rename(temporary, path) < 0)
        r = -errno;
    if (r < 0)
        (void)unlink(temporary);
    return r;
}

void pid_file_write(const struct instance *i)
{
    OWN(free) char *path = pid_file_path(i);
    int r;

    if (!path || !i->pid)
        return;
    make_folder(path);
    r = replace(path, i->pid);
    if (r < 0)
        warn(i, "cannot write its pid_file, going on", path, r);
}

static bool is_ours(const struct instance *i, const char *path)
{
    OWN(free) char *text = NULL;
    int64_t pid;

    if (file_read(path, PID_FILE_MAX, &text, NULL) < 0 || !text)
        return false;
    text[strcspn(text, "\n")] = '\0';
    return text_to_int(text, 1, INT32_MAX, &pid) == 0 && pid == i->pid;
}

static void remove_if_ours(const struct instance *i, const char *path)
{
    if (path && is_ours(i, path) && unlink(path) < 0 && errno != ENOENT)
        warn(i, "cannot remove its pid_file, going on", path, -errno);
}

/* It was written for what the process was started with, and may have been one of more, or of fewer,
 * then. */
void pid_file_remove(const struct instance *i)
{
    const struct app *app = i->ran ? i->ran : i->app;
    OWN(free) char *numbered = NULL;

    if (!app->pid_file || !i->pid || i->run)
        return;
    numbered = with_number(app->pid_file, i->number);
    remove_if_ours(i, app->pid_file);
    remove_if_ours(i, numbered);
}
