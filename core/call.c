/* core/call.c: the envelope: made with one copy of everything in it, and reused. */
#include "core/call.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/base/check.h"
#include "core/base/hash_bytes.h"
#include "core/base/mem.h"

#define SPARE_MAX 4096u

void call_pool_init(struct call_pool *pool)
{
    list_init(&pool->spare);
    pool->spare_count = 0;
    pool->live = 0;
}

void call_pool_release(struct call_pool *pool)
{
    struct list *node;
    while ((node = list_pop(&pool->spare)) != NULL) {
        mem_free(LIST_ITEM(node, struct call, node));
    }
    pool->spare_count = 0;
}

static struct call *take(struct call_pool *pool)
{
    struct list *node = list_pop(&pool->spare);
    if (node != NULL) {
        pool->spare_count--;
        return LIST_ITEM(node, struct call, node);
    }
    return mem_try(sizeof(struct call));
}

static struct pdr_bytes copy(uint8_t **at, struct pdr_bytes from)
{
    struct pdr_bytes slice = pdr_bytes(*at, from.size);
    if (from.size > 0) {
        memcpy(*at, from.data, from.size);
    }
    *at += from.size;
    return slice;
}

struct call *call_new(struct call_pool *pool, struct core *home, const struct pdr_ref *ref, struct pdr_bytes address,
                      struct pdr_bytes method, struct pdr_bytes args, struct pdr_bytes caller, const uint64_t *chain,
                      uint32_t chain_count, uint64_t link)
{
    uint32_t links = chain_count + (link != 0);
    size_t size = links * sizeof(uint64_t) + address.size + method.size + args.size + caller.size;
    struct call *call = take(pool);
    if (call == NULL) {
        return NULL;
    }
    call->data = size <= CALL_INLINE_SIZE ? call->inline_data : mem_try(size);
    if (call->data == NULL) {
        mem_free(call);
        return NULL;
    }
    pool->live++;
    list_init(&call->node);
    timer_init(&call->timer, NULL);
    call->state = CALL_MADE;
    call->kind = CALL_ACTOR;
    call->is_read = call->is_reminder = call->is_watch = call->is_measured = call->is_leased = call->is_direct = false;
    call->is_again = call->session.on = call->session.is_final = false;
    uint8_t *at = call->data;
    if (links > 0) {
        uint64_t *ids = call->data; /* first, for alignment */
        if (chain_count > 0) {
            memcpy(ids, chain, chain_count * sizeof(uint64_t));
        }
        if (link != 0) {
            ids[chain_count] = link;
        }
        at += links * sizeof(uint64_t);
    }
    call->chain = call->data;
    call->chain_count = links;
    call->address = copy(&at, address);
    call->method = copy(&at, method);
    call->args = copy(&at, args);
    call->caller = copy(&at, caller);
    call->path_size = 0;
    call->type_size = (uint32_t)ref->type.size;
    call->key_hash = pdr_ref_hash(ref->key);
    call->deadline_ns = 0;
    call->durability = PDR_DURABILITY_DEFAULT;
    call->at = home;
    call->activation = NULL;
    list_init(&call->gate.node);
    call->tell = (struct call_tell){.role = TELL_NONE};
    call->status = PDR_OK;
    call->retry_ms = 0;
    call->code[0] = call->text[0] = 0;
    call->home = home;
    call->finish = NULL;
    call->owner = NULL;
    call->from_node = 0;
    call->tag = 0;
    pdr_writer_init(&call->reply, call->reply_data, CALL_REPLY_INLINE, 0);
    return call;
}

/* The three lie side by side; where one ends and the next begins is the seed. */
uint32_t call_print(const struct call *call)
{
    struct pdr_bytes all = pdr_bytes(call->address.data, call->address.size + call->method.size + call->args.size);
    uint64_t hash = hash_bytes(all, (uint64_t)call->address.size << 32 | call->method.size);
    return (uint32_t)(hash ^ hash >> 32);
}

void call_free(struct call_pool *pool, struct call *call)
{
    CHECK(pool->live > 0);
    pool->live--;
    pdr_writer_release(&call->reply);
    if (call->data != call->inline_data) {
        mem_free(call->data);
    }
    if (pool->spare_count >= SPARE_MAX) {
        mem_free(call);
        return;
    }
    list_push_front(&pool->spare, &call->node);
    pool->spare_count++;
}

void text_cut(char *text)
{
    size_t size = strlen(text), start = size;
    while (start > 0 && ((uint8_t)text[start - 1] & 0xc0) == 0x80) {
        start--; /* over continuation bytes, to the first one of the character */
    }
    if (start > 0 && (uint8_t)text[start - 1] >= 0xc0) {
        uint8_t first = (uint8_t)text[start - 1];
        size_t want = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
        size = size - (start - 1) < want ? start - 1 : size;
    }
    text[size] = 0;
}

enum pdr_status call_fail(struct call *call, enum pdr_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int size = vsnprintf(call->text, sizeof call->text, format, args);
    va_end(args);
    if (size >= (int)sizeof call->text) {
        text_cut(call->text);
    }
    call->status = status;
    return status;
}

void call_set_path(struct call *call, size_t size)
{
    call->path_size = (uint32_t)(call->caller.size - size);
    call->caller = pdr_bytes((const char *)call->caller.data + call->path_size, size);
}

static struct pdr_bytes next_of(struct pdr_bytes *path)
{
    const char *end = memchr(path->data, 0, path->size);
    size_t size = end != NULL ? (size_t)(end - (const char *)path->data) : path->size;
    struct pdr_bytes address = pdr_bytes(path->data, size);
    size_t step = size + (end != NULL);
    *path = pdr_bytes((const char *)path->data + step, path->size - step);
    return address;
}

/* What comes before the actor that is called again is no part of the circle. */
static struct pdr_bytes circle_of(const struct call *call)
{
    struct pdr_bytes rest = call_path(call);
    while (rest.size > 0) {
        struct pdr_bytes from = rest;
        if (pdr_bytes_equal(next_of(&rest), call->address)) {
            return from;
        }
    }
    return call_path(call); /* it begins before what the path has room for */
}

enum pdr_status call_fail_deadlock(struct call *call)
{
    struct pdr_bytes circle = circle_of(call), rest = circle;
    char text[sizeof call->text] = "";
    size_t size = 0;
    uint32_t count = 1;
    while (rest.size > 0) {
        struct pdr_bytes address = next_of(&rest);
        count++;
        if (size < sizeof text) {
            size += (size_t)snprintf(text + size, sizeof text - size, "%.*s -> ", (int)address.size,
                                     (const char *)address.data);
        }
    }
    pdr_writer_clear(&call->reply);
    pdr_write_array(&call->reply, count);
    while (circle.size > 0) {
        pdr_write_str(&call->reply, next_of(&circle));
    }
    pdr_write_str(&call->reply, call->address);
    return call_fail(call, PDR_DEADLOCK, "the call would wait for itself: %s%.*s", text, (int)call->address.size,
                     (const char *)call->address.data);
}

size_t call_heap_size(const struct call *call)
{
    size_t size = call->reply.on_heap ? call->reply.capacity : 0;
    if (call->data != call->inline_data) {
        size += call->args.size + call->address.size + call->method.size + call->caller.size + call->path_size;
    }
    return size;
}
