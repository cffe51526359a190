/* tools/node/sys_dead.c: dead letters listed, page by page, from the store; redelivered and discarded by the core that
 * has their actor (core/shard/dead.c). An id is ADDRESS#NUMBER; pages go shard by shard, then by address and age. */
#include "tools/node/sys_dead.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/cluster_map.h"
#include "core/shard/tell_row.h"
#include "core/store/keys.h"

#define PAGE_MAX 1000
#define PAGE_BYTES (256u << 10) /* then the page ends, however few it has: one letter may have a MiB */
#define ID_MAX (KEYS_ADDRESS_MAX + 24u)

struct page {
    struct core_job job;
    struct call *call;
    struct node *node;
    struct pdr_bytes prefix;
    uint32_t limit, count;
    uint32_t shard;        /* at which the reading is */
    struct pdr_bytes from; /* the first key of `shard` that is wanted, without its head */
    uint8_t from_data[TELL_NUMBER_KEY_MAX + 1];
    pdr_writer letters;
    char next[ID_MAX]; /* the last one's, if there are more */
    bool more;
    enum pdr_status status;
};

/* Ids. */

static size_t write_id(char *out, struct pdr_bytes address, uint64_t number)
{
    return (size_t)snprintf(out, ID_MAX, "%.*s#%llu", (int)address.size, (const char *)address.data,
                            (unsigned long long)number);
}

static bool read_id(struct pdr_bytes id, struct pdr_ref *ref, struct pdr_bytes *address, uint64_t *number)
{
    const char *text = id.data;
    size_t at = id.size;
    while (at > 0 && text[at - 1] != '#') {
        at--;
    }
    if (at < 2 || at == id.size || id.size - at > 20) {
        return false;
    }
    *number = 0;
    for (size_t i = at; i < id.size; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        *number = *number * 10 + (uint64_t)(text[i] - '0');
    }
    *address = pdr_bytes(text, at - 1);
    return pdr_ref_parse(*address, ref, NULL) == PDR_OK;
}

/* A page. */

static void put(pdr_writer *out, const char *key, struct pdr_bytes text)
{
    pdr_write_cstr(out, key);
    if (text.size > 0) {
        pdr_write_str(out, text);
    } else {
        pdr_write_nil(out);
    }
}

static void put_letter(struct page *page, struct pdr_bytes address, uint64_t number, const struct tell_row *row)
{
    pdr_writer *out = &page->letters;
    struct pdr_bytes id = pdr_bytes(page->next, write_id(page->next, address, number));
    pdr_write_map(out, 9);
    put(out, "id", id);
    put(out, "actor", address);
    put(out, "method", row->method);
    pdr_write_cstr(out, "args");
    pdr_write_value(out, row->args);
    put(out, "from", row->sender);
    put(out, "code", row->code);
    put(out, "message", row->text);
    pdr_write_cstr(out, "when");
    pdr_write_int(out, row->when_ms);
    pdr_write_cstr(out, "attempts");
    pdr_write_uint(out, row->attempts);
}

static bool starts_with(struct pdr_bytes text, struct pdr_bytes prefix)
{
    return text.size >= prefix.size && (prefix.size == 0 || memcmp(text.data, prefix.data, prefix.size) == 0);
}

static bool each_letter(void *user, struct pdr_bytes key, struct pdr_bytes value)
{
    struct page *page = user;
    struct pdr_bytes address;
    uint64_t number;
    struct tell_row row;
    key = pdr_bytes((const uint8_t *)key.data + KEYS_HEAD_SIZE, key.size - KEYS_HEAD_SIZE);
    if (!tell_dead_parse(key, &address, &number) || tell_row_read(value, &row) != PDR_OK) {
        return true; /* of another version; it can't be shown */
    }
    if (!starts_with(address, page->prefix)) {
        return false; /* behind the prefix: we began at it */
    }
    if (page->count >= page->limit || page->letters.size >= PAGE_BYTES) {
        page->more = true;
        return false;
    }
    page->count++;
    put_letter(page, address, number, &row);
    return true;
}

static void page_run(struct job *job)
{
    struct page *page = LIST_ITEM(job, struct page, job.job);
    struct store *store = page->node->store;
    struct store_cursor *cursor = store->ops->cursor_new(store);
    page->status = cursor == NULL ? PDR_OVERLOADED : PDR_OK;
    for (; page->shard < CLUSTER_SHARDS && page->status == PDR_OK && !page->more; page->shard++) {
        uint8_t from[KEYS_HEAD_SIZE + KEYS_ROW_KEY_MAX], unused[KEYS_HEAD_SIZE], to[KEYS_HEAD_SIZE];
        size_t size = keys_row(from, page->shard, 0, KEYS_DEAD, page->from);
        keys_table_range(unused, to, page->shard, 0, KEYS_DEAD);
        page->status =
            store->ops->cursor_scan(cursor, pdr_bytes(from, size), pdr_bytes(to, sizeof to), each_letter, page);
        page->from = page->prefix;
    }
    if (cursor != NULL) {
        store->ops->cursor_free(cursor);
    }
}

static void page_free(struct page *page)
{
    pdr_writer_release(&page->letters);
    mem_free(page);
}

static void page_done(struct job *job)
{
    struct page *page = LIST_ITEM(job, struct page, job.job);
    struct node *node = page->node;
    struct call *call = page->call;
    pdr_writer *out = &call->reply;
    list_remove(&page->job.node);
    if (page->status != PDR_OK || page->letters.failed) {
        call_fail(call, page->status != PDR_OK ? page->status : PDR_OVERLOADED, "the store could not be read");
    } else {
        pdr_write_map(out, 2);
        pdr_write_cstr(out, "letters");
        pdr_write_array(out, page->count);
        pdr_write_raw(out, page->letters.data, page->letters.size);
        put(out, "next", page->more ? pdr_str(page->next) : pdr_bytes(NULL, 0));
    }
    page_free(page);
    call_finish(call);
    node_job_over(node);
}

static void page_discard(struct core_job *job)
{
    struct page *page = LIST_ITEM(job, struct page, job);
    call_discard(page->call);
    page_free(page);
}

/* Where the page begins: at the prefix, or right behind the cursor. */
static bool set_start(struct page *page, struct pdr_bytes cursor)
{
    struct pdr_ref ref;
    struct pdr_bytes address;
    uint64_t number;
    page->from = page->prefix;
    if (cursor.size == 0) {
        return true;
    }
    if (!read_id(cursor, &ref, &address, &number)) {
        return false;
    }
    page->shard = cluster_shard(CLUSTER_SHARDS, pdr_ref_hash(ref.key));
    page->from = tell_dead_key(page->from_data, address, number);
    page->from_data[page->from.size++] = 0; /* the least key after it */
    return true;
}

void sys_dead(struct node *node, struct call *call)
{
    struct pdr_bytes items = pdr_value_items(call->args), cursor = {NULL, 0};
    pdr_value prefix = pdr_value_next(&items), after = pdr_value_next(&items), limit = pdr_value_next(&items);
    struct page *page = mem_new(sizeof *page);
    int64_t n = 100;
    page->prefix = pdr_bytes(NULL, 0);
    pdr_value_bytes(prefix, &page->prefix);
    pdr_value_bytes(after, &cursor);
    pdr_value_int(limit, &n);
    pdr_writer_init(&page->letters, NULL, 0, 0);
    if (n < 1 || n > PAGE_MAX || page->prefix.size > KEYS_ADDRESS_MAX || !set_start(page, cursor)) {
        page_free(page);
        call_fail(call, PDR_INVALID, "dead takes a prefix, a cursor (the last page's \"next\") and a limit of 1 to %d",
                  PAGE_MAX);
        call_finish(call);
        return;
    }
    page->job = (struct core_job){.job = {page_run, page_done, {0}}, .core = node->control, .discard = page_discard};
    page->call = call;
    page->node = node;
    page->limit = (uint32_t)n;
    list_push_back(&node->control->jobs, &page->job.node);
    work_submit(node->world.work, node->world.control_loop, &page->job.job);
}

/* One letter: a call to its actor's core, whose outcome is ours. */

static void letter_answered(struct call *letter)
{
    struct call *call = letter->owner;
    struct core *control = letter->home;
    list_remove(&call->node);
    if (letter->status != PDR_OK) {
        call->retry_ms = letter->retry_ms;
        call_fail(call, letter->status, "%s", letter->text);
    }
    call_free(&control->calls, letter);
    call_finish(call);
}

static void ask(struct node *node, struct call *call, enum tell_role role)
{
    static const uint8_t no_args[] = {0x90};
    struct pdr_bytes items = pdr_value_items(call->args), id = {NULL, 0}, address;
    struct pdr_ref ref;
    uint64_t number;
    struct call *letter = NULL;
    pdr_value first = pdr_value_next(&items);
    if (!pdr_value_bytes(first, &id) || !read_id(id, &ref, &address, &number)) {
        call_fail(call, PDR_INVALID, "an id of a dead letter is TYPE/KEY#NUMBER; `perdure ps --dead` lists them");
    } else {
        struct core *control = node->control;
        letter = call_new(&control->calls, control, &ref, address, call->method, pdr_bytes(no_args, sizeof no_args),
                          pdr_bytes(NULL, 0), NULL, 0, 0);
        if (letter == NULL) {
            call_fail(call, PDR_OVERLOADED, "the machine has no memory for this call");
        }
    }
    if (letter == NULL) {
        call_finish(call);
        return;
    }
    call->is_read = false;
    letter->tell.role = (uint8_t)role;
    letter->tell.number = number;
    letter->deadline_ns = call->deadline_ns;
    letter->finish = letter_answered;
    letter->owner = call;
    list_push_back(&node->letters, &call->node);
    route(&node->router, node->control, letter);
}

void sys_redeliver(struct node *node, struct call *call)
{
    ask(node, call, TELL_REDELIVER);
}

void sys_discard(struct node *node, struct call *call)
{
    ask(node, call, TELL_DISCARD);
}

void sys_dead_init(struct node *node)
{
    list_init(&node->letters);
}

void sys_dead_free(struct node *node)
{
    struct list *letter;
    while ((letter = list_pop(&node->letters)) != NULL) {
        call_discard(LIST_ITEM(letter, struct call, node));
    }
}
