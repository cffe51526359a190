/* tools/perdure/dev_relay.c: TCP relays in front of the nodes, for links between nodes alone: clients go to the nodes
 * themselves. Who has connected is found in the kernel's table: the socket's other end belongs to a process of ours.
 *
 * A pair that is cut: its connections stay, and nothing is read from either side; what was sent waits, as in a network
 * that lost the way. When it is healed all that goes on, or is found dead by those who gave it up meanwhile. */
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/perdure/dev.h"

#define ROOM (64u << 10)
#define BACKLOG 64

struct leg;

/** A connection through a relay: from the node that connected to the relay's node. */
struct route {
    struct route *next;
    struct dev_relay *relay;
    unsigned from; /* number of the node that connected; 0: nobody of ours */
    struct leg *legs[2];
    unsigned open; /* legs */
    bool is_closing;
};

struct leg {
    uv_tcp_t tcp;
    uv_connect_t connect;
    struct route *route;
    unsigned side; /* 0: the node that connected, 1: the relay's node */
    bool is_ready, is_writing;
    uv_write_t write; /* of what this leg has read, to the other */
    char room[ROOM];
};

struct dev_relay {
    uv_tcp_t tcp;
    struct dev_node *node;
    struct route *routes;
};

static bool is_cut(const struct route *route)
{
    const struct dev_node *node = route->relay->node;
    return route->from != 0 && node->dev->cut[route->from - 1][node->number - 1];
}

/* Who is it? */

/* The socket whose own end is that port of loopback, and whose other end is the relay's. 0: none. */
static unsigned long socket_inode(uint16_t own, uint16_t other)
{
    FILE *table = fopen("/proc/net/tcp", "re");
    char line[512];
    unsigned long inode = 0;
    while (table != NULL && inode == 0 && fgets(line, sizeof line, table) != NULL) {
        unsigned local_port, other_port;
        unsigned long found;
        if (sscanf(line, " %*d: %*8x:%x %*8x:%x %*x %*x:%*x %*x:%*x %*x %*d %*d %lu", &local_port, &other_port,
                   &found) == 3 &&
            local_port == own && other_port == other) {
            inode = found;
        }
    }
    if (table != NULL) {
        fclose(table);
    }
    return inode;
}

static bool has_socket(pid_t pid, unsigned long inode)
{
    char folder[64], wanted[64], target[64], path[400];
    snprintf(folder, sizeof folder, "/proc/%d/fd", (int)pid);
    snprintf(wanted, sizeof wanted, "socket:[%lu]", inode);
    DIR *dir = opendir(folder);
    bool has = false;
    for (struct dirent *entry; dir != NULL && !has && (entry = readdir(dir)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        ssize_t size = readlink(path, target, sizeof target - 1);
        target[size > 0 ? size : 0] = 0;
        has = strcmp(target, wanted) == 0;
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return has;
}

static unsigned whose(const struct dev *dev, const uv_tcp_t *accepted)
{
    struct sockaddr_in peer, here;
    int peer_size = sizeof peer, here_size = sizeof here;
    if (uv_tcp_getpeername(accepted, (struct sockaddr *)&peer, &peer_size) != 0 ||
        uv_tcp_getsockname(accepted, (struct sockaddr *)&here, &here_size) != 0) {
        return 0;
    }
    unsigned long inode = socket_inode(ntohs(peer.sin_port), ntohs(here.sin_port));
    for (unsigned i = 0; i < dev->count && inode != 0; i++) {
        if (dev->nodes[i].pid != 0 && has_socket(dev->nodes[i].pid, inode)) {
            return i + 1;
        }
    }
    return 0;
}

/* Its end. */

static void leg_closed(uv_handle_t *handle)
{
    struct leg *leg = handle->data;
    struct route *route = leg->route;
    free(leg);
    if (--route->open > 0) {
        return;
    }
    struct route **at = &route->relay->routes;
    while (*at != route) {
        at = &(*at)->next;
    }
    *at = route->next;
    free(route);
}

static void route_close(struct route *route)
{
    for (unsigned i = 0; i < 2 && !route->is_closing; i++) {
        uv_close((uv_handle_t *)&route->legs[i]->tcp, leg_closed);
    }
    route->is_closing = true;
}

/* Bytes: one piece at a time each way, so that who does not read holds up who writes. */

static void leg_room(uv_handle_t *handle, size_t wanted, uv_buf_t *out)
{
    struct leg *leg = handle->data;
    *out = uv_buf_init(leg->room, sizeof leg->room);
}

static void leg_go_on(struct leg *leg);

static void leg_written(uv_write_t *write, int status)
{
    struct leg *leg = write->data;
    leg->is_writing = false;
    if (status != 0) {
        route_close(leg->route);
    } else {
        leg_go_on(leg);
    }
}

static void leg_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *bytes)
{
    struct leg *leg = stream->data;
    if (size < 0) {
        route_close(leg->route);
        return;
    }
    if (size > 0) {
        uv_buf_t piece = uv_buf_init(bytes->base, (unsigned)size);
        uv_read_stop(stream);
        leg->write.data = leg;
        leg->is_writing = true;
        uv_write(&leg->write, (uv_stream_t *)&leg->route->legs[1 - leg->side]->tcp, &piece, 1, leg_written);
    }
}

static void leg_go_on(struct leg *leg)
{
    struct route *route = leg->route;
    if (route->is_closing || !route->legs[0]->is_ready || !route->legs[1]->is_ready || leg->is_writing) {
        return;
    }
    if (is_cut(route)) {
        uv_read_stop((uv_stream_t *)&leg->tcp);
    } else {
        uv_read_start((uv_stream_t *)&leg->tcp, leg_room, leg_read);
    }
}

void dev_relays_changed(struct dev *dev)
{
    for (unsigned i = 0; i < dev->count; i++) {
        for (struct route *route = dev->relays[i].routes; route != NULL; route = route->next) {
            if (route->from == 0 && !route->is_closing) {
                route->from = whose(dev, &route->legs[0]->tcp); /* the kernel's table is no snapshot */
            }
            leg_go_on(route->legs[0]);
            leg_go_on(route->legs[1]);
        }
    }
}

/* Its beginning. */

static void connected(uv_connect_t *connect, int status)
{
    struct leg *leg = connect->data;
    if (status != 0) {
        route_close(leg->route);
        return;
    }
    leg->is_ready = true;
    leg_go_on(leg->route->legs[0]);
    leg_go_on(leg);
}

static struct leg *leg_new(struct route *route, unsigned side)
{
    struct leg *leg = calloc(1, sizeof *leg);
    if (leg == NULL) {
        abort();
    }
    leg->route = route;
    leg->side = side;
    uv_tcp_init(&route->relay->node->dev->loop, &leg->tcp);
    leg->tcp.data = leg;
    route->legs[side] = leg;
    route->open++;
    return leg;
}

static void arrived(uv_stream_t *stream, int status)
{
    struct dev_relay *relay = stream->data;
    struct dev_node *node = relay->node;
    struct route *route = status == 0 ? calloc(1, sizeof *route) : NULL;
    struct sockaddr_in address;
    if (route == NULL) {
        return;
    }
    route->relay = relay;
    route->next = relay->routes;
    relay->routes = route;
    struct leg *from = leg_new(route, 0), *to = leg_new(route, 1);
    if (uv_accept(stream, (uv_stream_t *)&from->tcp) != 0) {
        route_close(route);
        return;
    }
    from->is_ready = true;
    route->from = whose(node->dev, &from->tcp);
    uv_tcp_nodelay(&from->tcp, 1);
    uv_tcp_nodelay(&to->tcp, 1);
    uv_ip4_addr("127.0.0.1", node->dev->port + (int)node->number - 1, &address);
    to->connect.data = to;
    if (uv_tcp_connect(&to->connect, &to->tcp, (const struct sockaddr *)&address, connected) != 0) {
        route_close(route);
    }
}

static bool relay_open(struct dev_relay *relay, struct dev_node *node)
{
    struct sockaddr_in address;
    int port = node->dev->port + (int)(DEV_RELAY_PORTS + node->number) - 1;
    relay->node = node;
    uv_tcp_init(&node->dev->loop, &relay->tcp);
    relay->tcp.data = relay;
    uv_ip4_addr("127.0.0.1", port, &address);
    int result = uv_tcp_bind(&relay->tcp, (const struct sockaddr *)&address, 0);
    result = result == 0 ? uv_listen((uv_stream_t *)&relay->tcp, BACKLOG, arrived) : result;
    if (result != 0) {
        fprintf(stderr, "perdure dev: the relay of node %u cannot listen on 127.0.0.1:%d: %s; --port moves all ports\n",
                node->number, port, uv_strerror(result));
    }
    return result == 0;
}

bool dev_relays_open(struct dev *dev)
{
    bool is_open = true;
    dev->relays = calloc(dev->count, sizeof *dev->relays);
    if (dev->relays == NULL) {
        abort();
    }
    for (unsigned i = 0; i < dev->count; i++) {
        is_open = relay_open(&dev->relays[i], &dev->nodes[i]) && is_open;
    }
    return is_open;
}

void dev_relays_close(struct dev *dev)
{
    for (unsigned i = 0; i < dev->count; i++) {
        for (struct route *route = dev->relays[i].routes; route != NULL; route = route->next) {
            route_close(route);
        }
        uv_close((uv_handle_t *)&dev->relays[i].tcp, NULL);
    }
}
