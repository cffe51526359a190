/* consensus/leader_elections.c: candidates' renewals wait for a quorum round; whose lease is over is taken out of its
 * election, by LAPSE. */
#include "consensus/leader_parts.h"

#include "core/base/endian.h"
#include "core/base/log.h"
#include "core/base/mem.h"

#define LOOK_NS (10 * NS_PER_MS) /* whose lease is over */
#define LAPSES 256u              /* proposed at a time */

/* A letter of renewals, until its round is over. */
struct renewal {
    struct list node; /* the leader's, while it leads */
    uint64_t number;  /* ours */
    uint64_t from, no;
    uint32_t count;
    uint64_t owners[];
};

void leader_elections_changed(struct leader *l, const struct cluster_election *election)
{
    candidacies_row(&l->candidacies, lease_grantor_moment(&l->grantor, leader_now(l)), election);
}

void leader_elections_init(struct leader *l)
{
    const struct row_list *rows = &leader_rows(l)->of[ROW_ELECTION];
    candidacies_init(&l->candidacies);
    list_init(&l->renewals);
    for (uint32_t i = 0; i < rows->count; i++) {
        leader_elections_changed(l, &rows->at[i]->entry.election);
    }
}

/* Renewals. */

static void answer(struct leader *l, const struct renewal *renewal, bool confirmed)
{
    uint8_t refused[8 * LETTER_OWNERS_MAX];
    uint32_t count = 0;
    uint64_t moment_ns = lease_grantor_moment(&l->grantor, leader_now(l));
    for (uint32_t i = 0; i < renewal->count; i++) {
        if (!candidacies_answered(&l->candidacies, renewal->owners[i], confirmed, moment_ns)) {
            put_le64(refused + (size_t)8 * count++, renewal->owners[i]);
        }
    }
    l->options.counts->not_renewed += count;
    l->options.counts->renewed += renewal->count - count;
    struct letter letter = {.kind = LETTER_KEPT,
                            .kept = {.no = renewal->no,
                                     .outcome = confirmed ? LETTER_DONE : LETTER_NOWHERE,
                                     .dir_index = directory_index(server_directory(l->options.server)),
                                     .refused = pdr_bytes(refused, confirmed ? (size_t)8 * count : 0)}};
    l->options.letter(l->options.user, renewal->from, &letter);
}

static struct renewal *take_renewal(struct leader *l, uint64_t number)
{
    struct list *at = l->renewals.next;
    while (LIST_ITEM(at, struct renewal, node)->number != number) {
        at = at->next;
    }
    list_remove(at);
    return LIST_ITEM(at, struct renewal, node);
}

static void round_over(void *user, const struct server_answer *outcome)
{
    struct errand *errand = user;
    struct leader *l = errand->leader;
    uint64_t number = errand->about;
    list_remove(&errand->node);
    mem_free(errand);
    if (l == NULL) {
        return; /* and its renewals went with it */
    }
    struct renewal *renewal = take_renewal(l, number);
    answer(l, renewal, outcome->outcome == LETTER_DONE);
    mem_free(renewal);
}

void leader_keep(struct leader *l, uint64_t from, const struct letter_keep *keep)
{
    uint32_t count = (uint32_t)(keep->owners.size / 8);
    struct renewal *renewal = mem_new(sizeof *renewal + count * sizeof *renewal->owners);
    renewal->number = ++l->renewal_number;
    renewal->from = from;
    renewal->no = keep->no;
    renewal->count = count;
    for (uint32_t i = 0; i < count; i++) {
        renewal->owners[i] = get_le64((const char *)keep->owners.data + (size_t)8 * i);
        candidacies_asked(&l->candidacies, renewal->owners[i]);
    }
    list_push_back(&l->renewals, &renewal->node);
    struct errand *errand = leader_errand(l, ERRAND_RENEWAL, renewal->number);
    server_confirm(l->options.server, round_over, errand);
}

/* The end of a lease. */

static bool has_passed(void *user, uint64_t moment_ns, uint64_t length_ns)
{
    const struct leader *l = user;
    return lease_grantor_passed(&l->grantor, moment_ns, length_ns);
}

void leader_elections_tick(struct leader *l)
{
    struct candidacy_place over[LAPSES];
    uint32_t room = l->options.settings.proposals > l->proposals ? l->options.settings.proposals - l->proposals : 0;
    if (l->candidacies.count == 0 || leader_now(l) - l->looked_ns < LOOK_NS) {
        return;
    }
    l->looked_ns = leader_now(l);
    room = room < LAPSES ? room : LAPSES;
    uint32_t count = candidacies_over(&l->candidacies, has_passed, l, over, room);
    for (uint32_t i = 0; i < count; i++) {
        struct command command = {.kind = COMMAND_LAPSE, .lapse = {over[i].slot, over[i].order}};
        LOG_DEBUG("election.lapsed", "slot=%u order=%llu", over[i].slot, (unsigned long long)over[i].order);
        leader_propose(l, &command, ERRAND_LAPSE, over[i].order, over[i].slot, false);
    }
}

struct leader_candidates leader_candidates(const struct leader *l)
{
    uint64_t end_ns = candidacies_first_end_ns(&l->candidacies), now_ns = l->grantor.counted_ns;
    return (struct leader_candidates){l->candidacies.count, now_ns > end_ns ? now_ns - end_ns : 0};
}

void leader_elections_release(struct leader *l)
{
    struct list *node;
    candidacies_release(&l->candidacies);
    while ((node = list_pop(&l->renewals)) != NULL) {
        mem_free(LIST_ITEM(node, struct renewal, node));
    }
}
