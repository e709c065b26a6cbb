/*
 * Connections: who may have one more, and how long one may take.
 *
 * libmicrohttpd's own time limit is one of silence, which a client that sends a byte now and then
 * never meets; here the whole request, and the reading of the answer, has one.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "gateway.h"
#include "instant.h"
#include "log.h"

struct peer {
    TAILQ_ENTRY(peer) link;
    int fd; /* a borrow */
    struct in6_addr address;
    uint64_t since_ms;
    bool ticking; /* in the list `ticking`, else in `still` */
};
TAILQ_HEAD(peer_list, peer);

/* Both in the order of since_ms. */
static struct {
    struct peer_list ticking, still;
    int count;
    uv_timer_t second;
} all;

/* IPv4 addresses as IPv6 writes them (RFC 4291, 2.5.5.2). */
static struct in6_addr address_of(const struct sockaddr *address)
{
    struct in6_addr found = { 0 };

    if (address->sa_family == AF_INET6)
        return ((const struct sockaddr_in6 *)address)->sin6_addr;
    if (address->sa_family == AF_INET) {
        found.s6_addr[10] = found.s6_addr[11] = 0xff;
        memcpy(&found.s6_addr[12], &((const struct sockaddr_in *)address)->sin_addr, 4);
    }
    return found;
}

static bool is_loopback(const struct in6_addr *address)
{
    return IN6_IS_ADDR_LOOPBACK(address) ||
           (IN6_IS_ADDR_V4MAPPED(address) && address->s6_addr[12] == 127);
}

static int count_from(const struct peer_list *list, const struct in6_addr *address)
{
    const struct peer *peer;
    int count = 0;

    TAILQ_FOREACH (peer, list, link)
        count += IN6_ARE_ADDR_EQUAL(&peer->address, address);
    return count;
}

enum MHD_Result peers_admit(void *unused, const struct sockaddr *address, socklen_t length)
{
    struct in6_addr from = address_of(address);

    (void)unused;
    (void)length;
    return is_loopback(&from) || count_from(&all.ticking, &from) + count_from(&all.still, &from) <
                                     CONNECTIONS_PER_ADDRESS_MAX
               ? MHD_YES
               : MHD_NO;
}

/* libmicrohttpd sees the end of the stream and closes it. */
static void end(struct peer *peer)
{
    (void)shutdown(peer->fd, SHUT_RDWR);
    peer_clock(peer, false);
}

static void end_overdue(uv_timer_t *timer)
{
    uint64_t now_ms = monotonic_now_ms();
    struct peer *peer;

    (void)timer;
    while ((peer = TAILQ_FIRST(&all.ticking)) && now_ms - peer->since_ms >= EXCHANGE_MS)
        end(peer);
}

int peers_open(uv_loop_t *loop)
{
    enum { LOOK_MS = 500 };

    TAILQ_INIT(&all.ticking);
    TAILQ_INIT(&all.still);
    (void)uv_timer_init(loop, &all.second);
    return uv_timer_start(&all.second, end_overdue, LOOK_MS, LOOK_MS);
}

void peers_close(void)
{
    uv_close((uv_handle_t *)&all.second, NULL);
}

static struct peer_list *list_of(const struct peer *peer)
{
    return peer->ticking ? &all.ticking : &all.still;
}

struct peer *peer_new(int fd, const struct sockaddr *address)
{
    struct peer *peer = calloc(1, sizeof *peer);

    if (!peer)
        return NULL;
    peer->fd = fd;
    peer->address = address_of(address);
    peer->since_ms = monotonic_now_ms();
    peer->ticking = true;
    TAILQ_INSERT_TAIL(&all.ticking, peer, link);
    if (++all.count > CONNECTIONS_MAX)
        end(TAILQ_FIRST(&all.ticking));
    return peer;
}

void peer_clock(struct peer *peer, bool runs)
{
    if (!peer)
        return;
    TAILQ_REMOVE(list_of(peer), peer, link);
    peer->ticking = runs;
    peer->since_ms = monotonic_now_ms();
    TAILQ_INSERT_TAIL(list_of(peer), peer, link);
}

void peer_free(struct peer *peer)
{
    if (!peer)
        return;
    TAILQ_REMOVE(list_of(peer), peer, link);
    all.count--;
    free(peer);
}

int peers_count(void)
{
    return all.count;
}
