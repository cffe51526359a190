/* tools/perdure/dev_prompt.c: lines, from a person or a script, one after the other: the next begins when what the last
 * one asked for is so. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/node/units.h"
#include "tools/perdure/dev.h"

#define PROMPT "dev> "
#define WIPE "\r\033[K"
#define WORDS_MAX 70u
#define QUEUED_MAX 10000u /* lines */

enum awaited { FREE, STARTED, ENDED, CHILD, TIME };

struct line {
    struct line *next;
    char text[];
};

struct dev_prompt {
    struct dev *dev;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_pipe_t pipe;
        uv_tty_t tty;
    } in;
    bool is_open, is_interactive, is_over, is_shown; /* over: no more lines come */
    char room[DEV_LINE_MAX], text[DEV_LINE_MAX];
    size_t size;
    struct line *first, **last;
    unsigned queued;
    enum awaited awaited;
    bool nodes[DEV_NODES_MAX]; /* of STARTED and ENDED */
    bool is_beginning;         /* the line is ours: what fails ends all */
    pid_t child;
    uv_timer_t timer;
};

/* ---- the terminal ---- */

static void show_prompt(struct dev_prompt *p)
{
    if (p->is_interactive && p->awaited == FREE && p->first == NULL && !p->is_shown && !p->dev->is_ending) {
        printf(PROMPT);
        fflush(stdout);
        p->is_shown = true;
    }
}

void dev_tell(struct dev *dev, const char *format, ...)
{
    struct dev_prompt *p = dev->prompt;
    va_list arguments;
    if (p->is_shown) {
        printf(WIPE);
    }
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n%s", p->is_shown ? PROMPT : "");
    fflush(stdout);
}

/* ---- commands ---- */

static int fail(struct dev *dev, const char *format, const char *what)
{
    char text[300];
    snprintf(text, sizeof text, format, what); /* NOLINT(clang-diagnostic-format-nonliteral) */
    dev_tell(dev, "%s", text);
    dev->has_failed = true;
    return -1;
}

static struct dev_node *node_of(struct dev *dev, const char *word)
{
    const char *digits = *word == 'n' ? word + 1 : word;
    if (*digits >= '1' && *digits <= '9' && digits[1] == 0 && (unsigned)(*digits - '0') <= dev->count) {
        return &dev->nodes[*digits - '1'];
    }
    fail(dev, "there is no node %.100s", word);
    return NULL;
}

/* start, kill, stop, pause, resume: of each node that is named. */
static void to_nodes(struct dev_prompt *p, char **words, unsigned count, int number, enum awaited awaited)
{
    memset(p->nodes, 0, sizeof p->nodes);
    for (unsigned i = 1; i < count; i++) {
        struct dev_node *node = node_of(p->dev, words[i]);
        if (node == NULL) {
            continue;
        }
        bool is_done = number == 0 ? dev_node_start(node) : dev_node_signal(node, number);
        p->nodes[node->number - 1] = is_done;
        p->dev->has_failed = p->dev->has_failed || !is_done;
    }
    p->awaited = awaited;
}

static void list_nodes(struct dev *dev)
{
    for (unsigned i = 0; i < dev->count; i++) {
        const struct dev_node *node = &dev->nodes[i];
        char cuts[64] = "";
        size_t used = 0;
        for (unsigned k = 0; k < dev->count; k++) {
            used += dev->cut[i][k] ? (size_t)snprintf(cuts + used, sizeof cuts - used, " n%u", k + 1) : 0;
        }
        dev_tell(dev, "n%u  %-8s  pid %-7d  %s%s%s", node->number, dev_state_name(node->state), (int)node->pid,
                 node->address, used > 0 ? "  cut off from" : "", cuts);
    }
}

static void cut(struct dev *dev, char **words, unsigned count)
{
    const struct dev_node *one = count > 1 ? node_of(dev, words[1]) : NULL;
    if (count < 3 || one == NULL) {
        fail(dev, "%s", "cut takes a node, and those that it is to be cut off from");
        return;
    }
    for (unsigned i = 2; i < count; i++) {
        const struct dev_node *other = node_of(dev, words[i]);
        if (other != NULL && other != one) {
            dev->cut[one->number - 1][other->number - 1] = dev->cut[other->number - 1][one->number - 1] = true;
        }
    }
    dev_relays_changed(dev);
}

static void heal(struct dev *dev)
{
    memset(dev->cut, 0, sizeof dev->cut);
    dev_relays_changed(dev);
}

static void wake(uv_timer_t *timer)
{
    struct dev_prompt *p = timer->data;
    p->awaited = FREE;
    dev_prompt_look(p->dev);
}

static void sleep_for(struct dev_prompt *p, const char *word)
{
    uint64_t time_ms = 0;
    if (word == NULL || !units_parse_duration(word, &time_ms)) {
        fail(p->dev, "sleep takes a time, such as 500ms, not \"%.100s\"", word != NULL ? word : "");
        return;
    }
    p->awaited = TIME;
    uv_timer_start(&p->timer, wake, time_ms, 0);
}

static const struct dev_node *target_of(const struct dev *dev)
{
    if (dev->target != 0) {
        return &dev->nodes[dev->target - 1];
    }
    for (unsigned i = 0; i < dev->count; i++) {
        if (dev->nodes[i].state == DEV_UP) {
            return &dev->nodes[i];
        }
    }
    return &dev->nodes[0];
}

/* A command of perdure, to one of the nodes. */
static void run_client(struct dev_prompt *p, char **words, unsigned count)
{
    const char *argv[WORDS_MAX + 4] = {p->dev->program};
    for (unsigned i = 0; i < count; i++) {
        argv[i + 1] = words[i];
    }
    argv[count + 1] = strcmp(words[0], "pin") == 0 ? "--at" : "--node";
    argv[count + 2] = target_of(p->dev)->address;
    fflush(stdout);
    p->child = dev_spawn(argv, STDOUT_FILENO, STDERR_FILENO);
    p->awaited = p->child > 0 ? CHILD : FREE;
    p->dev->has_failed = p->dev->has_failed || p->child <= 0;
}

static void print_help(struct dev *dev)
{
    dev_tell(dev, "nodes             who runs, and where\n"
                  "start N...        starts nodes that are down\n"
                  "stop N...         ends them in good order; without N: ends all, and this\n"
                  "kill N...         kills them (SIGKILL)\n"
                  "pause N...        stops their processes (SIGSTOP); resume N... lets them go on\n"
                  "cut N M...        cuts the links between node N and the others named; heal mends all\n"
                  "use N             commands of perdure talk to that node; use any: to one that is up\n"
                  "sleep TIME        for scripts\n"
                  "status, call TYPE/KEY METHOD..., drain N and so on: as perdure has them");
}

static bool is_client(const char *word)
{
    static const char *const others[] = {"start", "dev", "restore", "help", NULL};
    for (unsigned i = 0; others[i] != NULL; i++) {
        if (strcmp(word, others[i]) == 0) {
            return false;
        }
    }
    return command_find(word) != NULL;
}

static void use(struct dev *dev, const char *word)
{
    const struct dev_node *node = word != NULL && strcmp(word, "any") != 0 ? node_of(dev, word) : NULL;
    dev->target = node != NULL ? node->number : 0;
}

static void obey(struct dev_prompt *p, char **words, unsigned count)
{
    static const struct {
        const char *name;
        int number;
        enum awaited awaited;
    } acts[] = {{"start", 0, STARTED},
                {"stop", SIGTERM, ENDED},
                {"kill", SIGKILL, ENDED},
                {"pause", SIGSTOP, FREE},
                {"resume", SIGCONT, FREE}};
    const char *word = words[0];
    if (count == 1 && (strcmp(word, "stop") == 0 || strcmp(word, "quit") == 0 || strcmp(word, "exit") == 0)) {
        dev_end(p->dev);
        return;
    }
    for (unsigned i = 0; i < sizeof acts / sizeof *acts; i++) {
        if (strcmp(word, acts[i].name) == 0) {
            to_nodes(p, words, count, acts[i].number, acts[i].awaited);
            return;
        }
    }
    if (strcmp(word, "help") == 0) {
        print_help(p->dev);
    } else if (strcmp(word, "nodes") == 0) {
        list_nodes(p->dev);
    } else if (strcmp(word, "cut") == 0) {
        cut(p->dev, words, count);
    } else if (strcmp(word, "heal") == 0) {
        heal(p->dev);
    } else if (strcmp(word, "use") == 0) {
        use(p->dev, count > 1 ? words[1] : NULL);
    } else if (strcmp(word, "sleep") == 0) {
        sleep_for(p, count > 1 ? words[1] : NULL);
    } else if (is_client(word)) {
        run_client(p, words, count);
    } else {
        fail(p->dev, "there is no command \"%.100s\"; help lists them", word);
    }
}

/* Words with blanks between them; what is in single quotes is one. */
static unsigned split(char *text, char **words)
{
    unsigned count = 0;
    for (char *at = text; *at != 0 && *at != '#' && count < WORDS_MAX;) {
        at += strspn(at, " \t\r");
        if (*at == 0 || *at == '#') {
            break;
        }
        bool is_quoted = *at == '\'';
        at += is_quoted;
        words[count++] = at;
        at += strcspn(at, is_quoted ? "'" : " \t\r");
        if (*at != 0) {
            *at++ = 0;
        }
    }
    return count;
}

/* ---- one after the other ---- */

static bool is_so(const struct dev_prompt *p)
{
    for (unsigned i = 0; i < p->dev->count; i++) {
        const struct dev_node *node = &p->dev->nodes[i];
        if (p->nodes[i] && (p->awaited == STARTED ? node->state == DEV_STARTING : !dev_node_is_gone(node))) {
            return false;
        }
    }
    return true;
}

static bool has_failed_to_start(const struct dev_prompt *p)
{
    for (unsigned i = 0; i < p->dev->count; i++) {
        if (p->nodes[i] && p->dev->nodes[i].state == DEV_DOWN) {
            return true;
        }
    }
    return false;
}

static void run_next(struct dev_prompt *p)
{
    struct line *line = p->first;
    char *words[WORDS_MAX];
    p->first = line->next;
    p->last = p->first == NULL ? &p->first : p->last;
    p->queued--;
    p->is_shown = false;
    p->is_beginning = line->text[0] == '!';
    unsigned count = split(line->text + p->is_beginning, words);
    if (count > 0) {
        obey(p, words, count);
    }
    free(line);
}

void dev_prompt_look(struct dev *dev)
{
    struct dev_prompt *p = dev->prompt;
    for (;;) {
        if ((p->awaited == STARTED || p->awaited == ENDED) && is_so(p)) {
            bool is_lost = p->awaited == STARTED && has_failed_to_start(p);
            p->awaited = FREE;
            if (p->is_beginning && is_lost) {
                dev_end(dev);
            }
        }
        if (p->awaited != FREE || dev->is_ending || p->first == NULL) {
            break;
        }
        run_next(p);
    }
    if (p->awaited == FREE && p->first == NULL && p->is_over) {
        dev_end(dev);
    }
    show_prompt(p);
}

bool dev_prompt_ended(struct dev *dev, pid_t pid, int status)
{
    struct dev_prompt *p = dev->prompt;
    if (pid != p->child) {
        return false;
    }
    p->child = 0;
    p->awaited = FREE;
    dev->has_failed = dev->has_failed || !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    dev_prompt_look(dev);
    return true;
}

static void queue(struct dev_prompt *p, const char *text, size_t size)
{
    struct line *line = p->queued < QUEUED_MAX ? malloc(sizeof *line + size + 1) : NULL;
    if (line == NULL) {
        fail(p->dev, "%s", "there are too many lines");
        return;
    }
    memcpy(line->text, text, size);
    line->text[size] = 0;
    line->next = NULL;
    *p->last = line;
    p->last = &line->next;
    p->queued++;
}

static void take(struct dev_prompt *p, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '\n' || p->size == sizeof p->text) {
            queue(p, p->text, p->size);
            p->size = 0;
        }
        if (bytes[i] != '\n') {
            p->text[p->size++] = bytes[i];
        }
    }
}

/* ---- where lines come from ---- */

static void in_room(uv_handle_t *handle, size_t wanted, uv_buf_t *out)
{
    struct dev_prompt *p = handle->data;
    *out = uv_buf_init(p->room, sizeof p->room);
}

static void in_over(struct dev_prompt *p)
{
    if (p->size > 0) {
        queue(p, p->text, p->size);
        p->size = 0;
    }
    p->is_over = true;
}

static void in_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *bytes)
{
    struct dev_prompt *p = stream->data;
    if (size > 0) {
        take(p, bytes->base, (size_t)size);
    } else if (size < 0) {
        uv_read_stop(stream);
        in_over(p);
    }
    dev_prompt_look(p->dev);
}

/* A file is there at once, and cannot be polled. */
static void read_file(struct dev_prompt *p)
{
    ssize_t size;
    while ((size = read(STDIN_FILENO, p->room, sizeof p->room)) > 0) {
        take(p, p->room, (size_t)size);
    }
    in_over(p);
}

static void open_input(struct dev_prompt *p)
{
    uv_handle_type type = uv_guess_handle(STDIN_FILENO);
    if (type == UV_TTY && uv_tty_init(&p->dev->loop, &p->in.tty, STDIN_FILENO, 1) == 0) {
        p->is_open = p->is_interactive = true;
    } else if (type == UV_NAMED_PIPE && uv_pipe_init(&p->dev->loop, &p->in.pipe, 0) == 0) {
        p->is_open = true;
        uv_pipe_open(&p->in.pipe, STDIN_FILENO);
    } else {
        read_file(p);
        return;
    }
    p->in.handle.data = p;
    uv_read_start(&p->in.stream, in_room, in_read);
}

void dev_prompt_open_nothing(struct dev *dev)
{
    struct dev_prompt *p = calloc(1, sizeof *p);
    if (p == NULL) {
        abort();
    }
    dev->prompt = p;
    p->dev = dev;
    p->last = &p->first;
    uv_timer_init(&dev->loop, &p->timer);
    p->timer.data = p;
}

void dev_prompt_open(struct dev *dev)
{
    char start[64] = "!start";
    dev_prompt_open_nothing(dev);
    struct dev_prompt *p = dev->prompt;
    queue(p, "!start 1", 8); /* it founds the cluster; the others join it */
    for (unsigned i = 2; i <= dev->count; i++) {
        snprintf(start + strlen(start), sizeof start - strlen(start), " %u", i);
    }
    if (dev->count > 1) {
        queue(p, start, strlen(start));
    }
    open_input(p);
    dev_prompt_look(dev);
}

void dev_prompt_close(struct dev *dev)
{
    struct dev_prompt *p = dev->prompt;
    uv_timer_stop(&p->timer);
    uv_close((uv_handle_t *)&p->timer, NULL);
    if (p->is_open) {
        uv_close(&p->in.handle, NULL);
        p->is_open = false;
    }
    if (p->child > 0) {
        kill(p->child, SIGKILL);
    }
    while (p->first != NULL) {
        struct line *line = p->first;
        p->first = line->next;
        free(line);
    }
}
