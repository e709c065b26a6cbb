/*
 * `opsctl startup` and `unstartup`: opsd as a service of systemd, of the machine when root asks, of
 * the user otherwise. They need no opsd.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file.h"
#include "json.h"
#include "opsctl.h"
#include "own.h"
#include "spawn.h"
#include "startup.h"

enum { UNIT_BYTES_MAX = 64 << 10, COMMAND_WORDS_MAX = 6 };

#define SYSTEM_UNITS "/etc/systemd/system"

struct service {
    const struct session *s;
    bool of_user;    /* not of the machine */
    char *folder;    /* the manifest's */
    struct buf name; /* with .service */
    struct buf path; /* of the unit's file */
};

static void service_done(struct service *service)
{
    free(service->folder);
    buf_done(&service->name);
    buf_done(&service->path);
}

/* --- which unit */

static int add_units_folder(struct buf *to, const struct service *service)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    const char *root = service->s->args->root;
    int r = root ? buf_add_text(to, root) : 0;

    if (r < 0 || !service->of_user)
        return r < 0 ? r : buf_add_text(to, SYSTEM_UNITS);
    if (config && config[0] == '/')
        return buf_printf(to, "%s/systemd/user", config);
    return buf_printf(to, "%s/.config/systemd/user", home ? home : "");
}

static int name_service(struct service *service)
{
    const char *name = service->s->args->name;
    int r;

    buf_init(&service->name, UNIT_BYTES_MAX);
    buf_init(&service->path, UNIT_BYTES_MAX);
    r = name ? buf_add_text(&service->name, name) : startup_name(service->folder, &service->name);
    if (r == 0)
        r = buf_add_text(&service->name, ".service");
    if (r == 0)
        r = add_units_folder(&service->path, service);
    if (r == 0)
        r = buf_printf(&service->path, "/%s", service->name.p);
    return r < 0 ? complain(EXIT_FAILED, "%s", strerror(-r)) : EXIT_DONE;
}

static int find_service(struct session *s, struct service *ret)
{
    const char *slash;
    int r = session_find_home(s);

    *ret = (struct service){ .s = s, .of_user = geteuid() != 0 };
    if (r != EXIT_DONE)
        return r;
    if (s->args->name && !startup_is_name(s->args->name))
        return complain(EXIT_USAGE, "--name: want letters, digits and :-_. only");
    if (!s->home.manifest)
        return complain(EXIT_FAILED, "no ecosystem.json in this folder or above it: "
                                     "go to the project's folder");
    slash = strrchr(s->home.manifest, '/');
    ret->folder = strndup(s->home.manifest,
                          slash > s->home.manifest ? (size_t)(slash - s->home.manifest) : 1);
    return ret->folder ? name_service(ret) : complain(EXIT_FAILED, "out of memory");
}

/* Another project's unit is left alone. Returns EXIT_DONE with *ret_there, or an exit code. */
static int look_at_unit(const struct service *service, bool *ret_there)
{
    OWN(free) char *text = NULL;
    int r = file_read(service->path.p, UNIT_BYTES_MAX, &text, NULL);

    *ret_there = r == 0;
    if (r == -ENOENT || r == -ENOTDIR)
        return EXIT_DONE;
    if (r < 0)
        return complain(EXIT_FAILED, "%s: %s", service->path.p, strerror(-r));
    if (!startup_is_of(text, service->s->home.path))
        return complain(EXIT_FAILED, "%s belongs to something else; choose another --name",
                        service->path.p);
    return EXIT_DONE;
}

/* --- systemctl */

struct systemctl {
    const char *words[COMMAND_WORDS_MAX];
    size_t count;
};

static struct systemctl systemctl_begin(const struct service *service)
{
    struct systemctl command = { .words = { "systemctl" }, .count = 1 };

    if (service->of_user)
        command.words[command.count++] = "--user";
    if (service->s->args->root) {
        command.words[command.count++] = "--root";
        command.words[command.count++] = service->s->args->root;
    }
    return command;
}

static bool has_systemctl(void)
{
    OWN(free) char *path = spawn_find_program("systemctl", environ);

    return path;
}

/* What it says goes to stderr: stdout is for what was asked. Returns its exit code, or -errno. */
static int systemctl_run(struct systemctl command, const char *verb, const char *unit)
{
    posix_spawn_file_actions_t actions;
    int status, r;
    pid_t pid;

    command.words[command.count++] = verb;
    command.words[command.count] = unit;
    (void)fflush(NULL);
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    r = posix_spawnp(&pid, "systemctl", &actions, NULL, (char *const *)command.words, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    if (r)
        return -r;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -ECANCELED;
}

/* A root folder that is not running has nobody to tell. */
static int reload(const struct service *service)
{
    return service->s->args->root ? 0
                                  : systemctl_run(systemctl_begin(service), "daemon-reload", NULL);
}

/* --- startup */

/* Who runs opsd: whose the home is; before there is one, who asks, also through sudo(8). Returns a
 * copy, or NULL. */
static char *user_of(const struct session *s)
{
    const char *sudo = getenv("SUDO_USER");
    const struct passwd *user;
    struct stat st;
    uid_t uid = geteuid();

    if (stat(s->home.path, &st) == 0)
        uid = st.st_uid;
    else if (sudo && sudo[0])
        return strdup(sudo);
    user = getpwuid(uid);
    return user ? strdup(user->pw_name) : NULL;
}

static int write_text(const struct service *service, struct buf *to)
{
    const struct session *s = service->s;
    char beside[PATH_MAX];
    OWN(free) char *opsd = spawn_find_program(spawn_find_opsd(beside), environ);
    OWN(free) char *user = service->of_user ? NULL : user_of(s);
    struct startup startup = { .opsd = opsd,
                               .home = s->home.path,
                               .manifest = s->home.manifest,
                               .folder = service->folder,
                               .user = user,
                               .path = getenv("PATH") };
    struct err why;

    if (!opsd)
        return complain(EXIT_FAILED, "opsd: %s; install it beside opsctl or in PATH",
                        strerror(errno));
    if (!user && !service->of_user)
        return complain(EXIT_FAILED, "%s: its owner is no known user", s->home.path);
    if (startup_unit(&startup, to, &why) < 0)
        return complain(EXIT_FAILED, "%s", why.text);
    return EXIT_DONE;
}

/* For somebody who has to do it by hand. */
static int print_unit(const struct service *service, const struct buf *unit, const char *why)
{
    const char *user = service->of_user ? " --user" : "";

    if (!service->s->args->json)
        (void)fputs(unit->p, stdout);
    return complain(EXIT_FAILED,
                    "%s; where systemd runs, put the unit above into %s, then:\n"
                    "systemctl%s daemon-reload\n"
                    "systemctl%s enable --now %s",
                    why, service->path.p, user, user, service->name.p);
}

static int install(const struct service *service, const struct buf *unit, bool was_there)
{
    OWN(free) char *folder = strdup(service->path.p);
    int r;

    if (!folder)
        return complain(EXIT_FAILED, "out of memory");
    *strrchr(folder, '/') = '\0';
    r = file_make_dirs(folder, 0755);
    if (r == 0)
        r = file_replace(service->path.p, unit->p, unit->len, 0644);
    if (r < 0)
        return complain(EXIT_FAILED, "%s: %s", service->path.p, strerror(-r));
    r = reload(service);
    if (r == 0)
        r = systemctl_run(systemctl_begin(service), "enable", service->name.p);
    if (r == 0)
        return EXIT_DONE;
    if (!was_there)
        (void)unlink(service->path.p);
    return print_unit(service, unit, "systemctl failed");
}

static int report(const struct service *service, const char *done)
{
    OWN(json) cJSON *document = NULL;

    if (!service->s->args->json) {
        (void)printf("%s: %s\n", service->path.p, done);
        return EXIT_DONE;
    }
    document = cJSON_CreateObject();
    if (!document || !json_put_text(document, "unit", service->path.p) ||
        !json_put_text(document, "name", service->name.p))
        return complain(EXIT_FAILED, "out of memory");
    return print_json(document);
}

static int start_up(const struct service *service)
{
    OWN_BUF struct buf unit = { 0 };
    bool there;
    int r;

    buf_init(&unit, UNIT_BYTES_MAX);
    r = write_text(service, &unit);
    if (r != EXIT_DONE)
        return r;
    if (!has_systemctl())
        return print_unit(service, &unit, "there is no systemctl here");
    r = look_at_unit(service, &there);
    if (r == EXIT_DONE)
        r = install(service, &unit, there);
    if (r != EXIT_DONE)
        return r;
    r = report(service, "opsd starts with the machine from now on");
    if (!service->s->args->json)
        (void)printf("to have systemd run it now: opsctl kill; systemctl%s start %s\n",
                     service->of_user ? " --user" : "", service->name.p);
    if (service->of_user && !service->s->args->json)
        (void)printf("to have it run while you are not logged in: loginctl enable-linger\n");
    return r;
}

int command_startup(struct session *s)
{
    struct service service;
    int r = find_service(s, &service);

    if (r == EXIT_DONE)
        r = start_up(&service);
    service_done(&service);
    return r;
}

/* --- unstartup */

static int take_back(const struct service *service)
{
    bool there;
    int r = look_at_unit(service, &there);

    if (r != EXIT_DONE)
        return r;
    if (!there)
        return report(service, "there is no such unit");
    if (has_systemctl() && systemctl_run(systemctl_begin(service), "disable", service->name.p) != 0)
        return complain(EXIT_FAILED, "systemctl failed; nothing was removed");
    if (unlink(service->path.p) < 0)
        return complain(EXIT_FAILED, "%s: %s", service->path.p, strerror(errno));
    if (has_systemctl())
        (void)reload(service);
    return report(service, "removed; what runs goes on running");
}

int command_unstartup(struct session *s)
{
    struct service service;
    int r = find_service(s, &service);

    if (r == EXIT_DONE)
        r = take_back(&service);
    service_done(&service);
    return r;
}
