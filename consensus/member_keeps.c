/* consensus/member_keeps.c: renewals of candidates, to whoever leads: one letter is under way at a time, and takes all
 * that came while the one before it was. Nothing of it is written anywhere, so asking again is safe. */
#include "consensus/member_parts.h"

#include "core/base/endian.h"
#include "core/base/mem.h"

#define ANSWER_NS (300 * NS_PER_MS) /* more than a leader that has a quorum needs */
#define AGAIN_NS (25 * NS_PER_MS)   /* nobody is known to lead */

struct keep {
    struct list node;
    uint64_t owner, deadline_ns;
    member_was_kept answered;
    void *user;
};

void member_keep(struct member *m, uint64_t owner, uint64_t deadline_ms, member_was_kept answered, void *user)
{
    struct keep *keep = mem_new(sizeof *keep);
    *keep = (struct keep){
        .owner = owner, .deadline_ns = member_now(m) + deadline_ms * NS_PER_MS, .answered = answered, .user = user};
    list_push_back(&m->keeps, &keep->node);
}

static void finish(struct keep *keep, const struct member_kept *kept)
{
    member_was_kept answered = keep->answered;
    void *user = keep->user;
    list_remove(&keep->node);
    mem_free(keep);
    answered(user, kept);
}

static void end_late(struct list *list, uint64_t now_ns)
{
    struct list late, *at = list->next;
    list_init(&late);
    while (at != list) {
        struct keep *keep = LIST_ITEM(at, struct keep, node);
        at = at->next;
        if (now_ns >= keep->deadline_ns) {
            list_remove(&keep->node);
            list_push_back(&late, &keep->node);
        }
    }
    while (!list_empty(&late)) {
        finish(LIST_ITEM(late.next, struct keep, node), &(struct member_kept){.outcome = LETTER_NOWHERE});
    }
}

/* The letter's renewals wait again: no answer came, or from one that does not lead. */
static void again(struct member *m)
{
    list_splice(&m->kept, &m->keeps);
    list_splice(&m->keeps, &m->kept);
    m->keep_no = 0;
}

static void send_keeps(struct member *m, uint64_t whom)
{
    uint8_t owners[8 * LETTER_OWNERS_MAX];
    uint32_t count = 0;
    while (!list_empty(&m->keeps) && count < LETTER_OWNERS_MAX) {
        struct keep *keep = LIST_ITEM(list_pop(&m->keeps), struct keep, node);
        put_le64(owners + (size_t)8 * count++, keep->owner);
        list_push_back(&m->kept, &keep->node);
    }
    struct letter letter = {.kind = LETTER_KEEP, .keep = {++m->last_no, pdr_bytes(owners, (size_t)8 * count)}};
    m->keep_no = m->last_no;
    m->keep_due_ns = member_now(m) + ANSWER_NS;
    member_send(m, whom, &letter);
}

void keeps_tick(struct member *m)
{
    uint64_t now_ns = member_now(m);
    if (m->keep_no != 0 && now_ns >= m->keep_due_ns) {
        again(m);
    }
    if (m->keep_no == 0 && !list_empty(&m->keeps) && now_ns >= m->keep_again_ns) {
        end_late(&m->keeps, now_ns);
        uint64_t whom = list_empty(&m->keeps) ? 0 : member_whom(m);
        m->keep_again_ns = whom == 0 ? now_ns + AGAIN_NS : 0;
        if (whom != 0) {
            send_keeps(m, whom);
        }
    }
}

uint64_t keeps_due_ns(const struct member *m)
{
    if (m->keep_no != 0) {
        return m->keep_due_ns;
    }
    return list_empty(&m->keeps) ? UINT64_MAX : m->keep_again_ns;
}

static bool is_among(uint64_t owner, struct pdr_bytes owners)
{
    for (size_t i = 0; i + 8 <= owners.size; i += 8) {
        if (get_le64((const char *)owners.data + i) == owner) {
            return true;
        }
    }
    return false;
}

void keeps_answered(struct member *m, const struct letter_kept *kept)
{
    struct list these;
    if (m->keep_no == 0 || kept->no != m->keep_no) {
        return; /* a late one */
    }
    if (kept->outcome != LETTER_DONE) {
        member_hint(m, kept->leader);
        m->keep_again_ns = member_now(m) + AGAIN_NS;
        again(m);
        return;
    }
    feed_reach(m, kept->dir_index);
    list_init(&these);
    list_splice(&these, &m->kept);
    m->keep_no = 0;
    while (!list_empty(&these)) {
        struct keep *keep = LIST_ITEM(these.next, struct keep, node);
        finish(keep, &(struct member_kept){LETTER_DONE, !is_among(keep->owner, kept->refused), kept->dir_index});
    }
}

void keeps_serve(struct member *m, uint64_t from, const struct letter_keep *keep)
{
    if (m->leader != NULL) {
        leader_keep(m->leader, from, keep);
        return;
    }
    uint64_t leader = member_leader(m);
    struct letter letter = {.kind = LETTER_KEPT,
                            .kept = {.no = keep->no,
                                     .outcome = LETTER_NOWHERE,
                                     .leader = leader == m->options.id || leader == from ? 0 : leader}};
    member_send(m, from, &letter);
}

void keeps_free(struct member *m)
{
    struct list *node;
    while ((node = list_pop(&m->keeps)) != NULL || (node = list_pop(&m->kept)) != NULL) {
        mem_free(LIST_ITEM(node, struct keep, node));
    }
}
