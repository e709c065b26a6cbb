/* The sentence that goes with an error code. */
#include "err.h"

#include <stdarg.h>
#include <stdio.h>

int err_set(struct err *reterr, int code, const char *format, ...)
{
    va_list arguments;

    if (reterr) {
        va_start(arguments, format);
        (void)vsnprintf(reterr->text, sizeof reterr->text, format, arguments);
        va_end(arguments);
    }
    return code;
}
