/* The systemd unit that starts opsd with the machine. */
#include "startup.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "own.h"

/* What systemd.unit(5) allows in a name, but for the dash. */
static bool is_name_character(char c)
{
    return isalnum((unsigned char)c) || strchr(":_.", c);
}

int startup_name(const char *folder, struct buf *to)
{
    const char *last = strrchr(folder, '/');
    int r = buf_add_text(to, "ops-");

    for (const char *c = last ? last + 1 : folder; *c && r == 0; c++)
        r = buf_add(to, is_name_character(*c) ? c : "-", 1);
    return r;
}

bool startup_is_name(const char *name)
{
    for (const char *c = name; *c; c++)
        if (!is_name_character(*c) && *c != '-')
            return false;
    return name[0] && name[0] != '.' && strlen(name) < 200;
}

/* What follows is a line of its own in every unit, and tells whose it is. */
static int add_mark(struct buf *to, const char *home)
{
    return buf_printf(to, "# of the opsd in %s\n", home);
}

bool startup_is_of(const char *unit, const char *home)
{
    OWN_BUF struct buf mark = { 0 };

    buf_init(&mark, SIZE_MAX);
    return add_mark(&mark, home) == 0 && strstr(unit, mark.p);
}

/* A word of a command line: quoted, with systemd's specifiers (%) and, where those are replaced,
 * variables ($) doubled. */
static int add_word(struct buf *to, const char *word, bool variables)
{
    int r = buf_add_text(to, "\"");

    for (const char *c = word; *c && r == 0; c++) {
        if (*c == '"' || *c == '\\')
            r = buf_add_text(to, "\\");
        else if (*c == '%' || (*c == '$' && variables))
            r = buf_add(to, c, 1);
        if (r == 0)
            r = buf_add(to, c, 1);
    }
    return r < 0 ? r : buf_add_text(to, "\"");
}

/* A path that is all of a setting's value: no quotes there, only specifiers. */
static int add_plain(struct buf *to, const char *path)
{
    int r = 0;

    for (const char *c = path; *c && r == 0; c++) {
        r = *c == '%' ? buf_add_text(to, "%%") : buf_add(to, c, 1);
    }
    return r;
}

static int add_command(struct buf *to, const struct startup *s)
{
    const char *const words[] = { s->opsd, "--foreground", "--home",
                                  s->home, "--manifest",   s->manifest };
    int r = buf_add_text(to, "ExecStart=");

    for (size_t i = 0; i < sizeof words / sizeof *words && r == 0; i++) {
        r = i ? buf_add_text(to, " ") : 0;
        if (r == 0)
            r = words[i][0] == '-' ? buf_add_text(to, words[i]) : add_word(to, words[i], true);
    }
    return r < 0 ? r : buf_add_text(to, "\n");
}

static int add_environment(struct buf *to, const char *path)
{
    OWN(free) char *setting = NULL;
    int r;

    if (!path)
        return 0;
    if (asprintf(&setting, "PATH=%s", path) < 0)
        return -ENOMEM;
    r = buf_add_text(to, "Environment=");
    if (r == 0)
        r = add_word(to, setting, false);
    return r < 0 ? r : buf_add_text(to, "\n");
}

static int add_folder(struct buf *to, const char *folder)
{
    int r = buf_add_text(to, "WorkingDirectory=");

    if (r == 0)
        r = add_plain(to, folder);
    return r < 0 ? r : buf_add_text(to, "\n");
}

/* An empty line, a comment or another setting must not come in by a path's newline. */
static int check(const struct startup *s, struct err *reterr)
{
    const char *const values[] = { s->opsd, s->home, s->manifest, s->folder, s->path };

    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        for (const char *c = values[i]; c && *c; c++)
            if (iscntrl((unsigned char)*c))
                return err_set(reterr, -EINVAL,
                               "a control character in %s: a unit cannot hold that", values[i]);
    return 0;
}

static int add_service(struct buf *to, const struct startup *s)
{
    int r = buf_add_text(to, "[Service]\n"
                             "Type=notify\n"
                             "NotifyAccess=main\n");

    if (r == 0)
        r = add_command(to, s);
    if (r == 0)
        r = add_folder(to, s->folder);
    if (r == 0 && s->user)
        r = buf_printf(to, "User=%s\n", s->user);
    if (r == 0)
        r = add_environment(to, s->path);
    if (r < 0)
        return r;
    return buf_add_text(to, "Delegate=yes\n"
                            "KillMode=process\n"
                            "Restart=always\n"
                            "RestartSec=1\n"
                            "RestartPreventExitStatus=0\n"
                            "# Every worker gets its kill_timeout.\n"
                            "TimeoutStopSec=15min\n"
                            "LimitNOFILE=524288\n"
                            "TasksMax=infinity\n");
}

int startup_unit(const struct startup *s, struct buf *to, struct err *reterr)
{
    int r = check(s, reterr);

    if (r < 0)
        return r;
    r = add_mark(to, s->home);
    if (r == 0)
        r = buf_add_text(to, "[Unit]\n"
                             "Description=opsd of ");
    if (r == 0)
        r = add_plain(to, s->folder);
    if (r == 0)
        r = buf_add_text(to, "\n");
    if (r == 0 && s->user)
        r = buf_add_text(to, "Wants=network-online.target\n"
                             "After=network-online.target\n");
    if (r == 0)
        r = buf_add_text(to, "StartLimitIntervalSec=0\n\n");
    if (r == 0)
        r = add_service(to, s);
    if (r == 0)
        r = buf_printf(to, "\n[Install]\nWantedBy=%s\n",
                       s->user ? "multi-user.target" : "default.target");
    return r < 0 ? err_set(reterr, r, "cannot write the unit: %s", strerror(-r)) : 0;
}
