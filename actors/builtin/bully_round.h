/* actors/builtin/bully_round.h: what a participant of bully/GROUP.N remembers, and a round of the election. */
#ifndef ACTORS_BUILTIN_BULLY_ROUND_H
#define ACTORS_BUILTIN_BULLY_ROUND_H

#include <perdure/actor.h>

#define BULLY_MEMBERS_MAX 8192

enum bully_mode { BULLY_OUT, BULLY_NORMAL, BULLY_ASKING, BULLY_WAITING, BULLY_WINNING };
enum bully_phase { BULLY_HALT, BULLY_NEWCOORD, BULLY_READY, BULLY_PHASES };

struct bully_set {
    uint64_t bits[BULLY_MEMBERS_MAX / 64 + 1];
    uint32_t count;
};

/* An activation's memory. */
struct bully {
    enum bully_mode mode;
    uint32_t self, count, timeout_ms, heartbeat_ms;
    uint32_t coordinator; /* 0: none */
    int64_t epoch;        /* of the last round of which it knows that it ended */
    int64_t attempt;      /* of its own round */
    bool expires;         /* the timer is set */
    int64_t due_ms;       /* when, on the wall clock */
    uint32_t put_off;     /* that it was late, and set again, so often in a row */
    bool has_heard;       /* a higher one, about an election, since it was set */
    bool starts;          /* an election, when it expires */

    /* a message to many */
    uint32_t next, end; /* how many it has gone to, and how many there are */
    uint32_t unanswered, window;

    /* WINNING */
    enum bully_phase phase;
    struct bully_set up, acked;

    /* WAITING */
    uint32_t halted_by; /* 0: nobody */
    int64_t halt_attempt, next_epoch;
    bool has_newcoord;

    uint32_t beats_missed, pinged;
    int64_t sent, received;
};

/** Begins an election. In a volatile turn only: its messages are not written down. */
void bully_start(pdr_turn *turn, struct bully *b);
/** Sets the one timer of a round. */
void bully_expire_in(pdr_turn *turn, struct bully *b, uint64_t delay_ms);

/* Methods: messages, and the timers. */
int bully_election(pdr_turn *turn, const pdr_args *args);
int bully_answer(pdr_turn *turn, const pdr_args *args);
int bully_halt(pdr_turn *turn, const pdr_args *args);
int bully_newcoord(pdr_turn *turn, const pdr_args *args);
int bully_ready(pdr_turn *turn, const pdr_args *args);
int bully_ack(pdr_turn *turn, const pdr_args *args);
int bully_expire(pdr_turn *turn, const pdr_args *args);
int bully_beat(pdr_turn *turn, const pdr_args *args);
int bully_ping(pdr_turn *turn, const pdr_args *args);
int bully_pong(pdr_turn *turn, const pdr_args *args);

#endif
