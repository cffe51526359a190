/* net/client/client_uv.c: pdr_client_open: a client as a guest on the program's own libuv loop. */
#include "core/env/clock.h"
#include "core/env/loop_attach_uv.h"
#include "net/client/client.h"
#include "net/transport/transport_uv.h"

static void nobody(void *user) {}

static void release(struct loop *loop, struct transport *transport, void (*closed)(void *user), void *user)
{
    transport->ops->free(transport);
    loop_detach(loop, closed != NULL ? closed : nobody, user);
}

static enum pdr_status no_resources(const char **why)
{
    *why = "the system has no more descriptors or memory for a client; raise the limit of open files (ulimit -n)";
    return PDR_OVERLOADED;
}

static uint64_t draw_seed(void)
{
    uint64_t seed = 0;
    if (uv_random(NULL, NULL, &seed, sizeof seed, 0, NULL) != 0) {
        seed = uv_hrtime(); /* it spreads attempts to connect, no more */
    }
    return seed;
}

enum pdr_status pdr_client_open(struct uv_loop_s *uv, const struct pdr_client_options *options, pdr_client **out,
                                const char **why)
{
    static _Thread_local char text[384]; /* the transport's sentence, which goes with it */
    struct loop *loop = loop_attach(uv, clock_os());
    if (loop == NULL) {
        return no_resources(why);
    }
    struct transport *transport = transport_uv_new_on(uv);
    if (transport == NULL) {
        loop_detach(loop, nobody, NULL);
        return no_resources(why);
    }
    enum pdr_status status = client_open_on(loop, transport, options, draw_seed(), out, why);
    if (status != PDR_OK) {
        snprintf(text, sizeof text, "%s", *why);
        *why = text;
        release(loop, transport, nobody, NULL);
        return status;
    }
    client_set_release(*out, release);
    return PDR_OK;
}
