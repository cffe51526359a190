/* net/reply.h: stage 7 of 7. A call of a connection has ended: its outcome becomes a frame. */
#ifndef NET_REPLY_H
#define NET_REPLY_H

#include "core/call.h"

/** `finish` of calls that a connection made; call->owner is the struct conn, call->tag the msgid. */
void reply_finish(struct call *call);
/** `finish` of notifications: nobody waits. */
void reply_none(struct call *call);

#endif
