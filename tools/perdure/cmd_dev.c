/* tools/perdure/cmd_dev.c: `perdure dev`: a cluster on loopback in one terminal, to be broken and mended by hand. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/perdure/dev.h"

#define END_MS 15000u /* then those that have not ended are killed */

const struct flag dev_flags[] = {
    {"nodes", "N", "how many, 1 to 9 (default: 3)"},
    {"data", "DIR", "where they keep their data, each in a directory of its own (default: ./perdure-dev)"},
    {"port", "PORT", "of the first; the others follow, and what links them is 100 above (default: 7077)"},
    {NULL, NULL, NULL}};

static bool read_number(const char *text, unsigned long least, unsigned long most, unsigned long *out)
{
    char *end;
    errno = 0;
    *out = strtoul(text, &end, 10);
    return errno == 0 && *text >= '0' && *text <= '9' && *end == 0 && *out >= least && *out <= most;
}

static int read_flags(const struct words *words, struct dev *dev)
{
    const struct command *command = command_find("dev");
    const char *nodes = words_flag(words, "nodes"), *data = words_flag(words, "data"),
               *port = words_flag(words, "port");
    unsigned long count = 3, first = 7077;
    if (nodes != NULL && !read_number(nodes, 1, DEV_NODES_MAX, &count)) {
        return command_misused(command, "--nodes takes 1 to %u, not \"%s\"", DEV_NODES_MAX, nodes);
    }
    if (port != NULL && !read_number(port, 1, 65535 - 2 * DEV_RELAY_PORTS, &first)) {
        return command_misused(command, "--port takes 1 to %u, not \"%s\"", 65535 - 2 * DEV_RELAY_PORTS, port);
    }
    dev->count = (unsigned)count;
    dev->port = (uint16_t)first;
    data = data != NULL ? data : "./perdure-dev";
    if (strlen(data) >= sizeof dev->data) {
        return command_misused(command, "the name of --data is too long");
    }
    memcpy(dev->data, data, strlen(data) + 1);
    return EXIT_DONE;
}

static int prepare(struct dev *dev)
{
    size_t size = sizeof dev->program;
    if (mkdir(dev->data, 0777) != 0 && errno != EEXIST) {
        fprintf(stderr, "perdure dev: %s cannot be made: %s\n", dev->data, strerror(errno));
        return EXIT_FAILED;
    }
    if (uv_exepath(dev->program, &size) != 0) {
        fprintf(stderr, "perdure dev: its own program is not to be found\n");
        return EXIT_FAILED;
    }
    for (unsigned i = 0; i < dev->count; i++) {
        struct dev_node *node = &dev->nodes[i];
        node->dev = dev;
        node->number = i + 1;
        snprintf(node->address, sizeof node->address, "127.0.0.1:%u", dev->port + i);
        snprintf(node->relay, sizeof node->relay, "127.0.0.1:%u", dev->port + DEV_RELAY_PORTS + i);
    }
    return EXIT_DONE;
}

/* Its end. */

static void close_if_over(struct dev *dev)
{
    if (dev->is_ending && dev_nodes_alive(dev) == 0 && !uv_is_closing((uv_handle_t *)&dev->child)) {
        uv_close((uv_handle_t *)&dev->child, NULL);
        uv_close((uv_handle_t *)&dev->interrupt, NULL);
        uv_close((uv_handle_t *)&dev->terminate, NULL);
        uv_close((uv_handle_t *)&dev->patience, NULL);
        dev_relays_close(dev);
        dev_prompt_close(dev);
    }
}

static void signal_all(struct dev *dev, int number)
{
    for (unsigned i = 0; i < dev->count; i++) {
        if (dev->nodes[i].pid != 0) {
            dev_node_signal(&dev->nodes[i], number);
        }
    }
}

static void lose_patience(uv_timer_t *timer)
{
    signal_all(timer->data, SIGKILL);
}

void dev_end(struct dev *dev)
{
    if (dev->is_ending) {
        return;
    }
    dev->is_ending = true;
    memset(dev->cut, 0, sizeof dev->cut); /* so that they can say farewell */
    dev_relays_changed(dev);
    signal_all(dev, SIGTERM);
    uv_timer_start(&dev->patience, lose_patience, END_MS, 0);
}

static void on_child(uv_signal_t *handle, int number)
{
    dev_nodes_reap(handle->data);
    close_if_over(handle->data);
}

/* The first in good order, the second at once. */
static void on_signal(uv_signal_t *handle, int number)
{
    struct dev *dev = handle->data;
    if (dev->is_ending) {
        signal_all(dev, SIGKILL);
    }
    dev_end(dev);
    close_if_over(dev);
}

static void listen_to(struct dev *dev, uv_signal_t *handle, int number, uv_signal_cb heard)
{
    uv_signal_init(&dev->loop, handle);
    handle->data = dev;
    uv_signal_start(handle, heard, number);
}

static int run(struct dev *dev)
{
    uv_loop_init(&dev->loop);
    uv_timer_init(&dev->loop, &dev->patience);
    dev->patience.data = dev;
    listen_to(dev, &dev->child, SIGCHLD, on_child);
    listen_to(dev, &dev->interrupt, SIGINT, on_signal);
    listen_to(dev, &dev->terminate, SIGTERM, on_signal);
    signal(SIGPIPE, SIG_IGN);
    bool is_open = dev_relays_open(dev);
    if (is_open) {
        dev_prompt_open(dev);
    } else {
        dev->has_failed = true;
        dev_prompt_open_nothing(dev);
        dev_end(dev);
    }
    close_if_over(dev);
    uv_run(&dev->loop, UV_RUN_DEFAULT);
    uv_loop_close(&dev->loop);
    free(dev->relays);
    free(dev->prompt);
    return dev->has_failed ? EXIT_FAILED : EXIT_DONE;
}

int cmd_dev(const struct words *words)
{
    struct dev *dev = calloc(1, sizeof *dev);
    if (dev == NULL) {
        abort();
    }
    int status = read_flags(words, dev);
    if (status == EXIT_DONE) {
        status = prepare(dev);
    }
    if (status == EXIT_DONE) {
        status = run(dev);
    }
    free(dev);
    return status;
}
