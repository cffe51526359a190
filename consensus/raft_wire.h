/* consensus/raft_wire.h: what servers of the directory send each other, as bytes (little endian):
 *
 *     format u8, kind u8, 0 u16, from u64, to u64, from_life u64, to_life u64, number u64, term u64, then by kind:
 *     APPEND         previous index, its term, commit u64; count u32; each: term u64, type u8, size u32, bytes
 *     RESULT         rejected, last index u64
 *     VOTE           last index, its term u64, flags u8
 *     VOTE_RESULT    flags u8
 *     SNAPSHOT       index, its term, configuration's index u64; configuration's size, total, offset u32; a part
 *     TIMEOUT_NOW    last index, its term u64
 *     HELLO          nothing: this is my life, for you wrote to another; term 0
 *
 * libraft's core believes what it is given: an inflated count or an unknown type crashes it. So raft_wire_read takes
 * only what a correct server can have written, and everything in a letter it returns is safe to use. Whether it is true
 * is another matter: servers are authenticated, and trusted to run this program. */
#ifndef CONSENSUS_RAFT_WIRE_H
#define CONSENSUS_RAFT_WIRE_H

#include "consensus/raft_log.h"

#define RAFT_LETTER_ENTRIES_MAX 4096u
#define RAFT_LETTER_BATCH_MAX (256u << 10) /* bytes of entries; a single one may be larger */
#define RAFT_LETTER_PART_MAX (256u << 10)  /* bytes of a snapshot */
/** No letter is larger. */
#define RAFT_LETTER_SIZE_MAX (RAFT_ENTRY_SIZE_MAX + RAFT_LETTER_BATCH_MAX)
/** Of a term, above ours: 160 years of elections, but nothing that many letters bring to an end. */
#define RAFT_TERM_STEP_MAX (1ull << 24)

enum raft_letter_kind {
    RAFT_LETTER_APPEND = 1,
    RAFT_LETTER_RESULT,
    RAFT_LETTER_VOTE,
    RAFT_LETTER_VOTE_RESULT,
    RAFT_LETTER_SNAPSHOT,
    RAFT_LETTER_TIMEOUT_NOW,
    RAFT_LETTER_HELLO,
    RAFT_LETTER_KIND_END
};

enum raft_letter_flags {
    RAFT_LETTER_PRE_VOTE = 1,
    RAFT_LETTER_DISRUPT = 2, /* of VOTE: the leader asked for it */
    RAFT_LETTER_GRANTED = 2, /* of VOTE_RESULT */
};

struct raft_letter {
    enum raft_letter_kind kind;
    uint64_t from, to;           /* ids of servers */
    uint64_t from_life, to_life; /* which start of theirs; to_life 0: not known */
    uint64_t number;             /* counts the letters of this life to that server */
    uint64_t term;
    union {
        struct {
            uint64_t prev_index, prev_term, commit;
            uint32_t count;
            struct pdr_bytes entries; /* raft_wire_next_entry reads them */
        } append;
        struct {
            uint64_t rejected, last_index;
        } result;
        struct {
            uint64_t last_index, last_term;
            uint8_t flags;
        } vote; /* VOTE_RESULT and TIMEOUT_NOW, too, as far as they have them */
        struct {
            uint64_t index, index_term, conf_index;
            uint32_t conf_size, total, offset;
            struct pdr_bytes part; /* of the configuration with the state behind */
        } snapshot;
    };
};

/** A server's id, and the newest term it knows of: what is not for it, or absurd, is refused. */
struct raft_wire_reader {
    uint64_t self, term;
};

/** Slices of `out` are borrowed from `bytes`. On PDR_INVALID *why is a sentence, static. */
enum pdr_status raft_wire_read(const struct raft_wire_reader *reader, struct pdr_bytes bytes, struct raft_letter *out,
                               const char **why) PDR_MUST_CHECK;
/** The next of append.entries, cut off *rest. False at the end. */
bool raft_wire_next_entry(struct pdr_bytes *rest, struct raft_log_entry *out);

/** Appends the letter; of RAFT_LETTER_APPEND and RAFT_LETTER_SNAPSHOT with the slices it has. */
void raft_wire_write(struct raft_bytes *out, const struct raft_letter *letter);
/** Appends an entry, as append.entries has them. */
void raft_wire_write_entry(struct raft_bytes *out, const struct raft_log_entry *entry);

#endif
