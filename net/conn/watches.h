/* net/conn/watches.h: what a connection listens to: `_sys/conn.watch`, `_sys/conn.unwatch`.
 *
 * Events go out as notifications `[2, "TYPE/KEY", [event]]`, or `[event, number]` for who asks. A peer that does not
 * read is not waited for, and its buffer does not grow: beyond a limit the connection leaves the actor, and joins it
 * again behind the last event that it wrote, when the buffer has emptied. What the actor no longer keeps by then is
 * missed, and `_sys/conn.missed [address, first, last]` says so. */
#ifndef NET_CONN_WATCHES_H
#define NET_CONN_WATCHES_H

#include "net/conn/conn.h"

/** `_sys/conn.watch [address, {"after", "seq"}]`. */
void conn_watches_watch(struct conn *conn, const struct frame *frame);
/** `_sys/conn.unwatch [address]`. */
void conn_watches_unwatch(struct conn *conn, const struct frame *frame);

/** The peer has read: who fell behind goes on. */
void conn_watches_go_on(struct conn *conn);
/** The stream is gone. The connection must stay until conn->watch_count is 0. */
void conn_watches_end(struct conn *conn);
/** conns_free. */
void conn_watches_free(struct conn *conn);

#endif
