#ifndef OPS_ACTOR_H
#define OPS_ACTOR_H
/*
 * Who acts by a command, as the audit log has it (ops.audit): "opsctl " and the login of whoever
 * typed it, also behind sudo, which says so in SUDO_USER (sudo(8)).
 */
enum { ACTOR_MAX = 64 };

/* Returns text; a user without a name is his number. */
const char *actor_name(char text[static ACTOR_MAX]);

#endif
