#ifndef OPS_BANNED_H
#define OPS_BANNED_H
/*
 * Functions that we do not call, as names that do not compile. The Makefile includes this file
 * into every object; what replaces them is said beside each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BANNED(name) banned_##name##_see_shared_banned_h

/* No limit: snprintf, buf_printf. */
#undef strcpy
#define strcpy BANNED(strcpy)
#undef strcat
#define strcat BANNED(strcat)
#undef sprintf
#define sprintf BANNED(sprintf)
#undef vsprintf
#define vsprintf BANNED(vsprintf)
/* Silent truncation or no end: memcpy with a checked length. */
#undef strncpy
#define strncpy BANNED(strncpy)
#undef strncat
#define strncat BANNED(strncat)
/* Errors cannot be seen: text_to_int. */
#undef atoi
#define atoi BANNED(atoi)
#undef atol
#define atol BANNED(atol)
/* Static storage: strtok_r, gmtime_r, localtime_r. */
#undef strtok
#define strtok BANNED(strtok)
#undef gmtime
#define gmtime BANNED(gmtime)
#undef localtime
#define localtime BANNED(localtime)
#undef ctime
#define ctime BANNED(ctime)
/* A shell in between: fork and exec with a vector. */
#undef system
#define system BANNED(system)
#undef popen
#define popen BANNED(popen)

#endif
