/*
 * Feeds files to a fuzz target, one after the other: what the fuzzer once found stays found, also
 * with a compiler that has no fuzzer (`make test` builds each fuzz_X.c with this).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "own.h"

enum { INPUT_BYTES_MAX = 8 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int main(int argc, char **argv)
{
    if (argc < 2) {
        (void)fputs("usage: replay FILE...\n", stderr);
        return 2;
    }
    for (int i = 1; i < argc; i++) {
        OWN(free) char *bytes = NULL;
        size_t n;
        int r = file_read(argv[i], INPUT_BYTES_MAX, &bytes, &n);

        if (r < 0) {
            (void)fprintf(stderr, "%s: %s\n", argv[i], strerror(-r));
            return 1;
        }
        (void)LLVMFuzzerTestOneInput((const uint8_t *)bytes, n);
    }
    (void)printf("%d files replayed\n", argc - 1);
    return 0;
}
