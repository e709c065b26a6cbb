/* Packets with descriptors between supervisor and guard (unix(7), SCM_RIGHTS). */
#include "guard_message.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(GUARD_DESCRIPTORS_MAX * sizeof(int))];
};

static int add_text(struct guard_message *message, const char *text)
{
    size_t n = strlen(text);

    if (message->length + n > GUARD_MESSAGE_MAX)
        return -EMSGSIZE;
    memcpy(message->text + message->length, text, n + 1);
    message->length += n;
    return 0;
}

void guard_message_begin(struct guard_message *message, const char *verb)
{
    message->length = message->fd_count = message->next_fd = 0;
    (void)add_text(message, verb);
}

int guard_message_add(struct guard_message *message, const char *name, int fd)
{
    size_t before = message->length;

    if ((fd >= 0 && message->fd_count == GUARD_DESCRIPTORS_MAX) || add_text(message, "\n") < 0 ||
        add_text(message, name) < 0) {
        message->length = before;
        message->text[before] = '\0';
        return -EMSGSIZE;
    }
    if (fd >= 0)
        message->fds[message->fd_count++] = fd;
    return 0;
}

int guard_message_send(int link, const struct guard_message *message)
{
    struct iovec text = { (void *)message->text, message->length };
    struct msghdr header = { .msg_iov = &text, .msg_iovlen = 1 };
    union control control = { 0 };
    struct cmsghdr *rights = &control.align;

    if (message->fd_count) {
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(message->fd_count * sizeof(int));
        memcpy(CMSG_DATA(rights), message->fds, message->fd_count * sizeof(int));
        header.msg_control = &control;
        header.msg_controllen = CMSG_SPACE(message->fd_count * sizeof(int));
    }
    while (sendmsg(link, &header, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

int guard_message_receive(int link, struct guard_message *ret, int *ret_cut)
{
    struct iovec text = { ret->text, GUARD_MESSAGE_MAX };
    union control control;
    struct msghdr header = {
        .msg_iov = &text,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control,
    };
    const struct cmsghdr *rights;
    ssize_t n;

    n = recvmsg(link, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n == 0 || (n < 0 && errno == ECONNRESET))
        return -EPIPE;
    if (n < 0)
        return 0;
    ret->text[n] = '\0';
    ret->length = (size_t)n;
    ret->fd_count = ret->next_fd = 0;
    rights = CMSG_FIRSTHDR(&header);
    if (rights && rights->cmsg_type == SCM_RIGHTS) {
        ret->fd_count = (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(ret->fds, CMSG_DATA(rights), ret->fd_count * sizeof(int));
    }
    *ret_cut = (header.msg_flags & MSG_CTRUNC) != 0;
    return 1;
}

int guard_message_next(struct guard_message *message)
{
    return message->next_fd < message->fd_count ? message->fds[message->next_fd++] : -1;
}
