/* consensus/member_load.c: what this node's shards do, to whoever leads; and what all nodes do, from there, for people.
 * Neither is sent again if it is lost: there is a newer one in a second, and who asked sees that it is not known. */
#include "consensus/member_parts.h"

#include "core/base/endian.h"

#define LOAD_SIZE 12u
#define SEEN_NS (5 * NS_PER_S) /* what the leader has said may be shown for so long */

void member_load(struct member *m, const struct load_report *report)
{
    struct letter letter = {.kind = LETTER_LOAD, .load = {.incarnation = m->options.incarnation, .no = ++m->load_no}};
    uint8_t room[LETTER_HOT_BYTES_MAX];
    uint64_t leader = member_leader(m);
    if (leader != 0 && member_is_registered(m) && !m->is_leaving && !m->is_ending) {
        loads_write(report, &letter.load, room);
        member_send(m, leader, &letter);
    }
}

void member_ask_loads(struct member *m)
{
    struct letter letter = {.kind = LETTER_LOADS_ASK, .loads_ask = {m->load_no}};
    uint64_t leader = member_leader(m);
    if (leader != 0 && m->leader == NULL) {
        member_send(m, leader, &letter);
    }
}

bool member_load_of(const struct member *m, uint64_t node, uint64_t *load)
{
    struct pdr_bytes loads = pdr_written(&m->loads);
    *load = 0;
    if (m->leader != NULL) {
        return leader_load_of(m->leader, node, load);
    }
    for (size_t at = 0; at + LOAD_SIZE <= loads.size && member_now(m) - m->loads_ns < SEEN_NS; at += LOAD_SIZE) {
        const uint8_t *said = (const uint8_t *)loads.data + at;
        if (get_le64(said) == node) {
            *load = get_le32(said + 8);
            return true;
        }
    }
    return false;
}

static void tell_all(struct member *m, uint64_t to)
{
    const struct row_list *members = &m->view.rows.of[ROW_MEMBER];
    struct letter letter = {.kind = LETTER_LOADS};
    pdr_writer loads;
    pdr_writer_init(&loads, NULL, 0, LETTER_LOADS_BYTES_MAX);
    for (uint32_t i = 0; i < members->count && loads.size + LOAD_SIZE <= LETTER_LOADS_BYTES_MAX; i++) {
        uint64_t node = members->at[i]->entry.member.node, load;
        uint8_t room[LOAD_SIZE];
        if (leader_load_of(m->leader, node, &load)) {
            put_le64(room, node);
            put_le32(room + 8, (uint32_t)load);
            pdr_write_raw(&loads, room, sizeof room);
        }
    }
    letter.loads.loads = loads.failed ? pdr_bytes(NULL, 0) : pdr_written(&loads);
    member_send(m, to, &letter);
    pdr_writer_release(&loads);
}

void loads_receive(struct member *m, uint64_t from, const struct letter *letter)
{
    if (letter->kind == LETTER_LOADS && from == member_leader(m)) {
        pdr_writer_clear(&m->loads);
        pdr_write_raw(&m->loads, letter->loads.loads.data, letter->loads.loads.size);
        m->loads_ns = member_now(m);
    } else if (m->leader != NULL && letter->kind == LETTER_LOADS_ASK) {
        tell_all(m, from);
    } else if (m->leader != NULL && letter->kind == LETTER_LOAD) {
        leader_load(m->leader, from, &letter->load);
    }
}
