#ifndef OPS_PATH_H
#define OPS_PATH_H
/*
 * Absolute paths as texts. Pure: what a symbolic link makes of them is not asked.
 */

/* A copy without needless slashes and dots, for the caller to free; `..` stays, since what it leads
 * to depends on symbolic links. NULL when memory ran out. */
char *path_tidy(const char *path);

/* What comes after the folder and a slash when path lies below folder, "" when it is the folder;
 * else NULL. Both are tidy. */
const char *path_below(const char *path, const char *folder);

#endif
