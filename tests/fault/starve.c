/*
 * Preloaded into opsd, this has it find no memory for another process: its fork fails with ENOMEM
 * for as long as the file STARVE exists. What the kernel does then cannot be had otherwise without
 * taking the whole machine's memory.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ARGUMENTS = 6 };

/* Each argument of a system call is one word, whatever it means. */
long syscall(long number, ...)
{
    long (*real)(long, ...) = dlsym(RTLD_NEXT, "syscall");
    const char *file = getenv("STARVE");
    long a[ARGUMENTS];
    va_list values;

    va_start(values, number);
    for (int i = 0; i < ARGUMENTS; i++)
        a[i] = va_arg(values, long);
    va_end(values);
    if ((number == SYS_clone || number == SYS_clone3) && file && access(file, F_OK) == 0) {
        errno = ENOMEM;
        return -1;
    }
    return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
