#ifndef OPS_VERSION_H
#define OPS_VERSION_H
/*
 * The version of the whole project, said in one place.
 */
#define OPS_VERSION "0.1.0"

#endif
