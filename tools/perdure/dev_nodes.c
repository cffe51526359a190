/* tools/perdure/dev_nodes.c: nodes as child processes. Each is in a process group of its own, so that Ctrl-C is for us
 * alone, and dies with us, however we end. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/perdure/dev.h"

const char *dev_state_name(enum dev_state state)
{
    static const char *const names[] = {[DEV_DOWN] = "down",
                                        [DEV_STARTING] = "starting",
                                        [DEV_UP] = "up",
                                        [DEV_PAUSED] = "paused",
                                        [DEV_ENDING] = "ending"};
    return names[state];
}

/* Children. */

pid_t dev_spawn(const char *const *argv, int out, int err)
{
    pid_t parent = getpid(), pid = fork();
    if (pid != 0) {
        if (pid < 0) {
            fprintf(stderr, "perdure dev: no process can be started: %s\n", strerror(errno));
        }
        return pid;
    }
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) { /* it ended before we could ask to die with it */
        _exit(1);
    }
    int nothing = open("/dev/null", O_RDONLY);
    if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
        dup2(err, STDERR_FILENO) < 0) {
        _exit(1);
    }
    execv(argv[0], (char *const *)argv);
    _exit(127);
}

/* What they say. */

static void put_line(struct dev_lines *lines)
{
    struct dev_node *node = lines->node;
    lines->text[lines->size] = 0;
    lines->size = 0;
    if (lines != &node->ready) {
        dev_tell(node->dev, "n%u | %s", node->number, lines->text);
    } else if (strstr(lines->text, " listens on ") != NULL && node->state == DEV_STARTING) {
        node->state = DEV_UP;
        dev_tell(node->dev, "n%u is up: %s", node->number, node->address);
        dev_prompt_look(node->dev);
    }
}

static void lines_closed(uv_handle_t *handle)
{
    struct dev_lines *lines = handle->data;
    lines->is_open = false;
    dev_prompt_look(lines->node->dev);
}

static void lines_room(uv_handle_t *handle, size_t wanted, uv_buf_t *out)
{
    struct dev_lines *lines = handle->data;
    *out = uv_buf_init(lines->room, sizeof lines->room);
}

static void lines_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *bytes)
{
    struct dev_lines *lines = stream->data;
    for (ssize_t i = 0; i < size; i++) {
        if (bytes->base[i] == '\n' || lines->size == sizeof lines->text - 1) {
            put_line(lines);
        }
        if (bytes->base[i] != '\n') {
            lines->text[lines->size++] = bytes->base[i];
        }
    }
    if (size < 0) {
        if (lines->size > 0) {
            put_line(lines);
        }
        uv_close((uv_handle_t *)stream, lines_closed);
    }
}

static void lines_open(struct dev_lines *lines, struct dev_node *node, int descriptor)
{
    lines->node = node;
    lines->size = 0;
    lines->is_open = true;
    uv_pipe_init(&node->dev->loop, &lines->pipe, 0);
    lines->pipe.data = lines;
    uv_pipe_open(&lines->pipe, descriptor);
    uv_read_start((uv_stream_t *)&lines->pipe, lines_room, lines_read);
}

/* Nodes. */

static bool make_pipe(int ends[2])
{
    if (pipe2(ends, O_CLOEXEC) == 0) {
        return true;
    }
    fprintf(stderr, "perdure dev: no pipe can be made: %s\n", strerror(errno));
    return false;
}

static pid_t spawn_node(struct dev_node *node, int out, int err)
{
    const struct dev *dev = node->dev;
    char data[1000], name[8], join[64], secret[1000];
    snprintf(data, sizeof data, "%s/n%u", dev->data, node->number);
    snprintf(name, sizeof name, "n%u", node->number);
    snprintf(join, sizeof join, "%s", dev->nodes[0].relay); /* the link by which it joins can be cut, too */
    snprintf(secret, sizeof secret, "%s/n1/secret", dev->data);
    const char *argv[20] = {dev->program, "start",       "--data",      data,        "--name",    name,
                            "--listen",   node->address, "--advertise", node->relay, "--threads", "1"};
    char expect[8];
    snprintf(expect, sizeof expect, "%u", dev->count);
    argv[12] = "--expect";
    argv[13] = expect;
    if (node->number > 1) { /* the first founds the cluster, and makes its secret */
        argv[14] = "--join";
        argv[15] = join;
        argv[16] = "--secret";
        argv[17] = secret;
    }
    return dev_spawn(argv, out, err);
}

bool dev_node_is_gone(const struct dev_node *node)
{
    return node->pid == 0 && !node->log.is_open && !node->ready.is_open;
}

bool dev_node_start(struct dev_node *node)
{
    int out[2], err[2];
    if (!dev_node_is_gone(node)) {
        dev_tell(node->dev, "n%u runs already", node->number);
        return false;
    }
    if (!make_pipe(out)) {
        return false;
    }
    if (!make_pipe(err)) {
        close(out[0]);
        close(out[1]);
        return false;
    }
    pid_t pid = spawn_node(node, out[1], err[1]);
    close(out[1]);
    close(err[1]);
    if (pid < 0) {
        close(out[0]);
        close(err[0]);
        return false;
    }
    node->pid = pid;
    node->state = DEV_STARTING;
    node->wanted_down = false;
    lines_open(&node->ready, node, out[0]);
    lines_open(&node->log, node, err[0]);
    return true;
}

bool dev_node_signal(struct dev_node *node, int number)
{
    if (node->pid == 0) {
        dev_tell(node->dev, "n%u is down", node->number);
        return false;
    }
    node->wanted_down = node->wanted_down || number == SIGTERM || number == SIGKILL;
    if (number == SIGTERM) {
        node->state = DEV_ENDING;
        kill(node->pid, SIGCONT); /* one that is paused would never hear it */
    } else if (number == SIGSTOP) {
        node->state = DEV_PAUSED;
    } else if (number == SIGCONT && node->state == DEV_PAUSED) {
        node->state = DEV_UP;
    }
    return kill(node->pid, number) == 0;
}

static void node_ended(struct dev_node *node, int status)
{
    struct dev *dev = node->dev;
    bool was_asked = node->wanted_down;
    node->pid = 0;
    node->state = DEV_DOWN;
    if (WIFSIGNALED(status)) {
        dev_tell(dev, "n%u was ended by signal %d", node->number, WTERMSIG(status));
    } else {
        dev_tell(dev, "n%u ended with status %d", node->number, WEXITSTATUS(status));
    }
    dev->has_failed = dev->has_failed || !was_asked;
    dev_prompt_look(dev);
}

void dev_nodes_reap(struct dev *dev)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (dev_prompt_ended(dev, pid, status)) {
            continue;
        }
        for (unsigned i = 0; i < dev->count; i++) {
            if (dev->nodes[i].pid == pid) {
                node_ended(&dev->nodes[i], status);
            }
        }
    }
}

unsigned dev_nodes_alive(const struct dev *dev)
{
    unsigned count = 0;
    for (unsigned i = 0; i < dev->count; i++) {
        count += dev->nodes[i].pid != 0;
    }
    return count;
}
