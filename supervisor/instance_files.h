#ifndef OPS_INSTANCE_FILES_H
#define OPS_INSTANCE_FILES_H
/*
 * What an instance has to itself: its pipes, its notify socket, the name of its status file.
 */
#include <stdbool.h>

#include "instance.h"

/* Opens what is not open yet, and takes up other log files when the manifest names others. Returns
 * 0 or a negative errno; what was opened stays for the next try. */
int instance_open_files(struct instance *instance, struct err *reterr);

/* Closes and forgets all; while a process of it runs, the names stay. */
void instance_close_files(struct instance *instance);

/* What its status file and its control group are called: NAME-NUMBER, NAME-NUMBER~VARIANT where a
 * reload has two of them, or ~run-ID for a run by hand, of which several may go on at once. The
 * caller frees it; NULL when memory ran out. */
char *instance_file_name(const struct instance *instance);

/* Such a name in its parts. */
struct instance_file {
    const char *name; /* not ended with '\0'; borrowed */
    size_t name_length;
    int number; /* of a run by hand, its id */
    int variant;
    bool by_hand;
};

/* Takes a name apart. Returns false when it is none of that form. */
bool instance_file_parse(const char *file, struct instance_file *ret);

/* True when the name is of that instance, whichever variant of it. */
bool instance_file_fits(const struct instance_file *file, const struct instance *instance);

/* What the guard keeps of the instance for an opsd that comes after a crash, by a suffix of its
 * name: has it keep a copy, or no longer; takes one that is kept (-1: none). */
void instance_keep(struct instance *instance, const char *suffix, int fd);
void instance_keep_no_more(struct instance *instance, const char *suffix);
int instance_take_kept(struct instance *instance, const char *suffix);

#endif
