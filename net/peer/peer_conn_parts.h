/* net/peer/peer_conn_parts.h: for peer_conn.c and peer_receive.c alone. */
#ifndef NET_PEER_PEER_CONN_PARTS_H
#define NET_PEER_PEER_CONN_PARTS_H

#include "net/peer/peer_link.h"
#include "net/wire/buffer.h"

#define BATCH_BYTES (64u << 10) /* a batch ends with the frame that makes it so long: none waits for much behind it */

static inline const struct transport_ops *ops_of(const struct peer_conn *conn)
{
    return conn->peers->world.transport->ops;
}

static inline void peer_conn_mark_dirty(struct peer_conn *conn)
{
    if (list_alone(&conn->dirty_node)) {
        list_push_back(&conn->peers->dirty, &conn->dirty_node);
    }
}

/* peer_conn.c */

/** Of our own accord: the log tells, the peer is told, the link goes on without it. */
void peer_conn_give_up(struct peer_conn *conn, enum peer_refusal refusal, const char *why);
void peer_conn_end_handshake(struct peer_conn *conn);
void peer_conn_leave_strangers(struct peer_conn *conn);

/* peer_receive.c */

/** May end the connection; may free it, if it is for another core. */
void peer_conn_take(struct peer_conn *conn, struct pdr_bytes data);
/** It is held no more: takes what lies here, then reads on. */
void peer_conn_go_on(struct peer_conn *conn);

#endif
