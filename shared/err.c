/* The sentence that goes with an error code. */
#include "err.h"

#include <stdarg.h>
#include <stdio.h>

#include "text.h"

int err_set(struct err *reterr, int code, const char *format, ...)
{
    va_list arguments;

    if (reterr) {
        va_start(arguments, format);
        (void)vsnprintf(reterr->text, sizeof reterr->text, format, arguments);
        va_end(arguments);
        text_end_whole(reterr->text);
    }
    return code;
}
