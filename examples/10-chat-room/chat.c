/* examples/10-chat-room/chat.c: somebody in a chat room: says what is typed; shows what is said, who comes, who goes.
 *
 *     chat room/NAME MYNAME     the node is $PERDURE_NODE
 *
 * "/leave", or the end of the input, ends it. A line is a call under a session: it is said once, though the node dies
 * in the middle of it. That one is here is a notification, four times a second: one that is lost is made up for by the
 * next. Watching goes on by itself. */
#include <perdure/client.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#define HERE_MS 250
#define SOON_MS 50

struct chat {
    pdr_client *client;
    struct pdr_bytes room, name;
    uv_timer_t timer;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tty_t terminal;
        uv_pipe_t pipe;
    } input;
    char line[512];
    size_t size;
};

/* Its arguments: the name, and a text if there is one. */
static pdr_writer name_and(struct chat *chat, const struct pdr_bytes *text)
{
    pdr_writer args = {NULL, 0, 0, 0, false, false};
    pdr_write_array(&args, text == NULL ? 1 : 2);
    pdr_write_str(&args, chat->name);
    if (text != NULL) {
        pdr_write_str(&args, *text);
    }
    return args;
}

/* [here] */
static void am_here(uv_timer_t *timer)
{
    struct chat *chat = timer->data;
    pdr_writer args = name_and(chat, NULL);
    if (pdr_client_tell(chat->client, chat->room, "here", pdr_written(&args)) != PDR_OK) {
        uv_timer_start(timer, am_here, SOON_MS, HERE_MS); /* there is no connection just now */
    }
    pdr_writer_release(&args);
}
/* [/here] */

static void left(void *user, const struct pdr_outcome *outcome)
{
    struct chat *chat = user;
    pdr_client_close(chat->client, NULL, NULL);
}

static void leave(struct chat *chat)
{
    if (uv_is_closing(&chat->input.handle)) {
        return;
    }
    pdr_writer args = name_and(chat, NULL);
    uv_close((uv_handle_t *)&chat->timer, NULL);
    uv_close(&chat->input.handle, NULL);
    if (pdr_client_call(chat->client, chat->room, "leave", pdr_written(&args), NULL, left, chat) != PDR_OK) {
        pdr_client_close(chat->client, NULL, NULL);
    }
    pdr_writer_release(&args);
}

static void said(void *user, const struct pdr_outcome *outcome)
{
    if (outcome->status != PDR_OK) {
        fprintf(stderr, "not said: %.*s\n", (int)outcome->message.size, (const char *)outcome->message.data);
    }
}

static void say(struct chat *chat, struct pdr_bytes text)
{
    if (pdr_bytes_equal(text, pdr_str("/leave"))) {
        leave(chat);
        return;
    }
    pdr_writer args = name_and(chat, &text);
    if (pdr_client_call(chat->client, chat->room, "say", pdr_written(&args), NULL, said, NULL) != PDR_OK) {
        fprintf(stderr, "not said: %s\n", pdr_client_refusal(chat->client));
    }
    pdr_writer_release(&args);
}

/* [event] */
/* An event is {name: text}, or {name: whether they are there}. */
static void happened(void *user, pdr_value event, uint64_t seq)
{
    struct pdr_bytes rest = pdr_value_items(event), name, text;
    bool is_there;
    if (!pdr_value_bytes(pdr_value_next(&rest), &name)) {
        return;
    }
    pdr_value what = pdr_value_next(&rest);
    if (pdr_value_bytes(what, &text)) {
        printf("%.*s: %.*s\n", (int)name.size, (const char *)name.data, (int)text.size, (const char *)text.data);
    } else if (pdr_value_bool(what, &is_there)) {
        printf("* %.*s is %s\n", (int)name.size, (const char *)name.data, is_there ? "here" : "gone");
    }
    fflush(stdout);
}
/* [/event] */

static void not_watched(void *user, const struct pdr_outcome *outcome)
{
    if (outcome->status != PDR_CANCELLED) { /* our own close */
        fprintf(stderr, "chat: %.*s\n", (int)outcome->message.size, (const char *)outcome->message.data);
    }
}

static void lend_room(uv_handle_t *input, size_t suggested, uv_buf_t *buffer)
{
    struct chat *chat = input->data;
    *buffer = uv_buf_init(chat->line + chat->size, (unsigned)(sizeof chat->line - chat->size));
}

/* Says the lines that are whole; a longer one than there is room for, in parts. */
static void typed(uv_stream_t *input, ssize_t size, const uv_buf_t *buffer)
{
    struct chat *chat = input->data;
    if (size < 0) {
        leave(chat);
        return;
    }
    chat->size += (size_t)size;
    for (char *end; (end = memchr(chat->line, '\n', chat->size)) != NULL;) {
        size_t length = (size_t)(end - chat->line);
        say(chat, pdr_bytes(chat->line, length));
        chat->size -= length + 1;
        memmove(chat->line, end + 1, chat->size);
    }
    if (chat->size == sizeof chat->line) {
        say(chat, pdr_bytes(chat->line, chat->size));
        chat->size = 0;
    }
}

static void listen_to_input(struct chat *chat, uv_loop_t *loop)
{
    if (uv_guess_handle(0) == UV_TTY) {
        uv_tty_init(loop, &chat->input.terminal, 0, 0);
    } else {
        uv_pipe_init(loop, &chat->input.pipe, 0);
        uv_pipe_open(&chat->input.pipe, 0);
    }
    chat->input.handle.data = chat;
    uv_read_start(&chat->input.stream, lend_room, typed);
}

int main(int argc, char **argv)
{
    struct pdr_client_options options = {.session = true};
    struct pdr_watch_options all_that_is_kept = {.after = &(uint64_t){0}};
    struct chat chat = {0};
    uv_loop_t *loop = uv_default_loop();
    const char *why;
    if (argc != 3) {
        fprintf(stderr, "usage: chat room/NAME MYNAME\n");
        return 2;
    }
    chat.room = pdr_str(argv[1]);
    chat.name = pdr_str(argv[2]);
    if (pdr_client_open(loop, &options, &chat.client, &why) != PDR_OK) {
        fprintf(stderr, "chat: %s\n", why);
        return 1;
    }
    if (pdr_client_watch(chat.client, chat.room, &all_that_is_kept, happened, not_watched, NULL) != PDR_OK) {
        fprintf(stderr, "chat: %s\n", pdr_client_refusal(chat.client));
        return 1;
    }
    uv_timer_init(loop, &chat.timer);
    chat.timer.data = &chat;
    uv_timer_start(&chat.timer, am_here, 0, HERE_MS);
    listen_to_input(&chat, loop);
    uv_run(loop, UV_RUN_DEFAULT);
    uv_loop_close(loop);
    return 0;
}
