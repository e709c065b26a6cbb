/*
 * numbered: a worker that prints numbered lines and keeps books on them, to hold a supervisor to.
 *
 * What it printed stands in FOLDER/NAME:INSTANCE.lives, one record for each life, written before
 * and after each line; so a line that is in no log, twice in it, or in another order shows. Two
 * copies of one instance at a time stand in FOLDER/violations: each holds a lock on
 * FOLDER/NAME:INSTANCE.lock for its life, and what it leaves behind when it crashes (-l) goes on
 * holding it.
 *
 *     numbered [-c MIN:MAX] [-e CODE | -s SIGNAL] [-d] [-l] FOLDER
 *
 *     -c  ends by itself after so many milliseconds   -e, -s  how, then and at SIGUSR1
 *     -d  is deaf to SIGINT and SIGTERM               -l      leaves a child in a session of its
 * own
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { OUT, ERR, STREAMS };
enum { TURN_MS = 20, BURST_MAX = 8, PADDING_MAX = 180, EXITED = 1000 };

/* One life as the file has it; opsd_books.py reads the same fields. */
struct life {
    int64_t pid;
    int64_t began;  /* CLOCK_MONOTONIC, ns */
    int64_t last;   /* seen alive */
    int64_t ending; /* EXITED + code, or -signal; 0: somebody else ended it */
    int64_t tried[STREAMS];
    int64_t written[STREAMS];
};

struct worker {
    char key[128];
    int books;
    off_t at; /* of its record */
    int64_t number;
    struct life life;
};

static volatile sig_atomic_t told_to_stop, told_to_end;

static void on_signal(int number)
{
    if (number == SIGUSR1)
        told_to_end = 1;
    else
        told_to_stop = 1;
}

static void die(const char *what)
{
    dprintf(STDERR_FILENO, "numbered: %s: %s\n", what, strerror(errno));
    exit(98);
}

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int open_beside(const char *folder, const char *name, const char *ending, int flags)
{
    char path[512];
    int fd;

    snprintf(path, sizeof path, "%s/%s%s", folder, name, ending);
    fd = open(path, flags | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        die(path);
    return fd;
}

static void take_lock(const struct worker *w, const char *folder)
{
    int lock = open_beside(folder, w->key, ".lock", O_RDWR);

    if (flock(lock, LOCK_EX | LOCK_NB) == 0)
        return;
    dprintf(open_beside(folder, "violations", "", O_WRONLY | O_APPEND),
            "%s: %d runs beside what still holds the lock\n", w->key, getpid());
    exit(99);
}

static void record(struct worker *w)
{
    w->life.last = now_ns();
    if (pwrite(w->books, &w->life, sizeof w->life, w->at) != (ssize_t)sizeof w->life)
        die("the books");
}

static void open_books(struct worker *w, const char *folder)
{
    struct stat st;

    w->books = open_beside(folder, w->key, ".lives", O_RDWR);
    if (fstat(w->books, &st) < 0)
        die("the books");
    w->number = st.st_size / (off_t)sizeof w->life;
    w->at = w->number * (off_t)sizeof w->life;
    w->life = (struct life){ .pid = getpid(), .began = now_ns() };
    record(w);
}

/* A line goes out in one write and is shorter than PIPE_BUF, so it is printed whole or not at all.
 * The padding's length follows from the number: half a line is seen. */
static void print_line(struct worker *w, int stream)
{
    static const char dots[PADDING_MAX + 1] = { [0 ... PADDING_MAX - 1] = '.' };
    char line[512];
    int64_t n = ++w->life.tried[stream];
    int length = snprintf(line, sizeof line, "%s %lld %lld %.*s\n", w->key, (long long)w->number,
                          (long long)n, (int)(n * 37 % PADDING_MAX), dots);

    record(w);
    while (write(stream == OUT ? STDOUT_FILENO : STDERR_FILENO, line, (size_t)length) < 0) {
        if (errno != EINTR)
            die("write");
        if (told_to_stop || told_to_end) {
            w->life.tried[stream]--;
            record(w);
            return;
        }
    }
    w->life.written[stream] = n;
    record(w);
}

static void leave_child(void)
{
    if (fork() != 0)
        return;
    setsid();
    signal(SIGUSR1, SIG_DFL);
    for (;;)
        pause();
}

static void end_with(struct worker *w, int ending)
{
    w->life.ending = ending;
    record(w);
    if (ending >= EXITED)
        _exit(ending - EXITED);
    signal(-ending, SIG_DFL);
    raise(-ending);
}

static void live(struct worker *w, int64_t until, int ending)
{
    const struct timespec turn = { .tv_nsec = TURN_MS * 1000000 };

    for (unsigned turns = 1; !told_to_stop; turns++) {
        for (int left = 1 + rand() % BURST_MAX; left && !told_to_stop && !told_to_end; left--)
            print_line(w, OUT);
        if (turns % 4 == 0 && !told_to_stop && !told_to_end)
            print_line(w, ERR);
        if (told_to_end || now_ns() >= until)
            end_with(w, ending);
        nanosleep(&turn, NULL);
    }
    end_with(w, EXITED);
}

static void listen_to_signals(bool deaf)
{
    struct sigaction heard = { .sa_handler = on_signal }; /* no SA_RESTART: write() has to end */
    struct sigaction asked = { .sa_handler = deaf ? SIG_IGN : on_signal };

    sigaction(SIGUSR1, &heard, NULL);
    sigaction(SIGINT, &asked, NULL);
    sigaction(SIGTERM, &asked, NULL);
}

int main(int argc, char **argv)
{
    struct worker w = { .books = -1 };
    int option, least = 0, most = 0, ending = EXITED;
    bool deaf = false, leaves_child = false;

    while ((option = getopt(argc, argv, "c:e:s:dl")) != -1) {
        if (option == 'c' && sscanf(optarg, "%d:%d", &least, &most) != 2)
            return 97;
        if (option == 'e')
            ending = EXITED + atoi(optarg);
        if (option == 's')
            ending = -atoi(optarg);
        deaf |= option == 'd';
        leaves_child |= option == 'l';
    }
    if (optind + 1 != argc || !getenv("name") || !getenv("NODE_APP_INSTANCE"))
        return 97;
    snprintf(w.key, sizeof w.key, "%s:%s", getenv("name"), getenv("NODE_APP_INSTANCE"));
    listen_to_signals(deaf);
    take_lock(&w, argv[optind]);
    open_books(&w, argv[optind]);
    if (leaves_child)
        leave_child();
    srand((unsigned)(w.life.began ^ w.life.pid));
    live(&w,
         most ? w.life.began + (least + rand() % (most - least + 1)) * INT64_C(1000000) : INT64_MAX,
         ending);
}
