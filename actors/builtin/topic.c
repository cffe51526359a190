/* topic/NAME: what is published goes to all who listen: clients that watch the topic hear an event, actors that have
 * subscribed are told.
 *
 * publish [value] -> how many actors are told; subscribe [address, method] -> true, or false if it had; unsubscribe
 * [address] -> true, or false if it had not; subscribers -> [[address, method], ...]. */
#include <perdure/actor.h>

#define SUBSCRIBERS_MAX 1024

static bool is_address(struct pdr_bytes address)
{
    struct pdr_ref ref;
    const char *why;
    return pdr_ref_parse(address, &ref, &why) == PDR_OK;
}

static int count_subscribers(pdr_turn *turn, int *count)
{
    struct pdr_bytes none = {NULL, 0}, address, method;
    pdr_scan *scan = pdr_scan_open(turn, none, none);
    int status = PDR_OK;
    for (*count = 0; scan != NULL && (status = pdr_scan_next(scan, &address, &method)) == PDR_OK; ++*count) {
    }
    return status == PDR_NOT_FOUND ? PDR_OK : status;
}

static int subscribe(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes none = {NULL, 0}, old;
    struct pdr_bytes address = pdr_arg_bytes(args, 0, none), method = pdr_arg_bytes(args, 1, none);
    int count;
    if (!is_address(address) || method.size == 0 || method.size > PDR_METHOD_SIZE_MAX) {
        return pdr_fail_status(turn, PDR_INVALID, "subscribe takes an address, TYPE/KEY, and the name of a method");
    }
    bool had = pdr_get(turn, address, &old) == PDR_OK;
    int status = count_subscribers(turn, &count);
    if (status == PDR_OK && !had && count >= SUBSCRIBERS_MAX) {
        return pdr_fail_status(turn, PDR_OVERLOADED, "a topic has at most %d subscribers (limit topic_subscribers)",
                               SUBSCRIBERS_MAX);
    }
    status = status == PDR_OK ? pdr_put(turn, address, method) : status;
    return status == PDR_OK ? pdr_reply_bool(turn, !had) : status;
}

static int unsubscribe(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes none = {NULL, 0}, old, address = pdr_arg_bytes(args, 0, none);
    if (!is_address(address)) {
        return pdr_fail_status(turn, PDR_INVALID, "unsubscribe takes an address, TYPE/KEY");
    }
    int status = pdr_get(turn, address, &old);
    if (status == PDR_NOT_FOUND) {
        return pdr_reply_bool(turn, false);
    }
    status = status == PDR_OK ? pdr_delete(turn, address) : status;
    return status == PDR_OK ? pdr_reply_bool(turn, true) : status;
}

/* Tells one subscriber. */
static int tell(pdr_turn *turn, struct pdr_bytes address, struct pdr_bytes method, struct pdr_bytes message)
{
    char name[PDR_METHOD_SIZE_MAX + 1];
    memcpy(name, method.data, method.size);
    name[method.size] = 0;
    return pdr_tell(turn, address, name, message);
}

static int publish(pdr_turn *turn, const pdr_args *args)
{
    static const uint8_t nil[] = {0xc0};
    struct pdr_bytes none = {NULL, 0}, address, method;
    pdr_value value = pdr_arg_count(args) > 0 ? pdr_arg(args, 0) : pdr_bytes(nil, sizeof nil);
    pdr_writer message;
    int64_t told = 0;
    int status = pdr_emit(turn, value);
    pdr_writer_init(&message, NULL, 0, 0);
    pdr_write_array(&message, 1);
    pdr_write_value(&message, value);
    pdr_scan *scan = status == PDR_OK ? pdr_scan_open(turn, none, none) : NULL;
    while (scan != NULL && (status = pdr_scan_next(scan, &address, &method)) == PDR_OK) {
        status = tell(turn, address, method, pdr_written(&message));
        if (status != PDR_OK) {
            break;
        }
        told++;
    }
    pdr_writer_release(&message);
    return status == PDR_OK || status == PDR_NOT_FOUND ? pdr_reply_int(turn, told) : status;
}

static int subscribers(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes none = {NULL, 0}, address, method;
    pdr_writer reply;
    int count, status = count_subscribers(turn, &count);
    if (status != PDR_OK) {
        return status;
    }
    pdr_writer_init(&reply, NULL, 0, 0);
    pdr_write_array(&reply, (uint32_t)count);
    pdr_scan *scan = pdr_scan_open(turn, none, none);
    while (scan != NULL && (status = pdr_scan_next(scan, &address, &method)) == PDR_OK) {
        pdr_write_array(&reply, 2);
        pdr_write_str(&reply, address);
        pdr_write_str(&reply, method);
    }
    status = status == PDR_NOT_FOUND ? pdr_reply(turn, pdr_written(&reply)) : status;
    pdr_writer_release(&reply);
    return status;
}

PDR_ACTOR(topic, PDR_METHOD("publish", publish), PDR_METHOD("subscribe", subscribe),
          PDR_METHOD("unsubscribe", unsubscribe), PDR_READER("subscribers", subscribers))
