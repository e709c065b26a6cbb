#ifndef OPS_TEST_H
#define OPS_TEST_H
/* What every unit test begins with: cmocka.h names types of the four headers before it and
 * includes none of them. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#endif
