/*
 * Preloaded into opsd, this has exec hang, as on the file system of a server that is gone: of
 * programs whose path ends with SLOW_EXEC, for as long as the file SLOW_WHILE exists.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int is_slow(const char *path)
{
    const char *name = getenv("SLOW_EXEC"), *file = getenv("SLOW_WHILE");
    size_t n = name ? strlen(name) : 0, m = strlen(path);

    return n && file && m >= n && strcmp(path + m - n, name) == 0 && access(file, F_OK) == 0;
}

int execve(const char *path, char *const argv[], char *const env[])
{
    while (is_slow(path))
        (void)nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    return (int)syscall(SYS_execve, path, argv, env);
}
