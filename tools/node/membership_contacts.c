/* tools/node/membership_contacts.c: whom to be linked with, before the directory has told and after; and what of it the
 * disk is to keep, so that a node finds its cluster again. */
#include <stdio.h>

#include "core/base/mem.h"
#include "tools/node/membership_parts.h"

#define GUEST_NS (30 * NS_PER_S) /* by then it is a member, or knocks again */

/* Guests. */

bool contacts_guest(void *user, const struct handshake_peer *who)
{
    struct membership *m = user;
    uint32_t at = 0;
    while (at < m->guest_count && m->guests[at].who.node != who->node) {
        at++;
    }
    if (at == GUESTS_MAX) {
        return false;
    }
    struct guest *guest = &m->guests[at];
    guest->who.node = who->node;
    snprintf(guest->who.address, sizeof guest->who.address, "%s", who->address);
    guest->incarnation = who->incarnation;
    guest->until_ns = clock_now_ns(m->node->world.clock) + GUEST_NS;
    m->guest_count += at == m->guest_count;
    return true;
}

static void drop_guests(struct membership *m)
{
    uint64_t now = clock_now_ns(m->node->world.clock);
    const struct cluster_rows *rows = &member_view(m->member)->rows;
    for (uint32_t i = 0; i < m->guest_count;) {
        if (m->guests[i].until_ns <= now || cluster_rows_member(rows, m->guests[i].who.node) != NULL) {
            m->guests[i] = m->guests[--m->guest_count];
            m->members_changed = true;
        } else {
            i++;
        }
    }
}

/* What the disk keeps. */

static void keep(struct membership *m);

static void keep_run(struct job *job)
{
    struct membership *m = LIST_ITEM(job, struct membership, job.job);
    m->options.hooks.keep(m->options.hooks.user, &m->writing);
}

static void keep_done(struct job *job)
{
    struct membership *m = LIST_ITEM(job, struct membership, job.job);
    list_remove(&m->job.node);
    m->is_writing = false;
    keep(m);
    node_job_over(m->node);
}

static void keep_discard(struct core_job *job) {} /* membership_free has it */

static void keep(struct membership *m)
{
    struct core *control = m->node->control;
    if (!m->must_keep || m->is_writing || m->options.hooks.keep == NULL) {
        return;
    }
    m->must_keep = false;
    m->is_writing = true;
    m->writing = m->wanted;
    m->wanted.boot = 0;
    m->wanted.has_contacts = false;
    m->job = (struct core_job){.job = {keep_run, keep_done, {0}}, .core = control, .discard = keep_discard};
    list_push_back(&control->jobs, &m->job.node);
    work_submit(control->world.work, control->world.loop, &m->job.job);
}

void contacts_registered(void *user, uint64_t boot)
{
    struct membership *m = user;
    m->wanted.boot = boot;
    m->must_keep = true;
    keep(m);
}

static void note_contact(struct membership *m, const struct cluster_member *member)
{
    struct membership_record *record = &m->wanted;
    if (record->contact_count < MEMBERSHIP_CONTACTS_MAX) {
        struct membership_contact *contact = &record->contacts[record->contact_count++];
        contact->node = member->node;
        snprintf(contact->address, sizeof contact->address, "%.*s", (int)member->address.size,
                 (const char *)member->address.data);
    }
}

/* Servers first: they know. */
static void note_contacts(struct membership *m, const struct row_list *members)
{
    m->wanted.contact_count = 0;
    memset(m->wanted.contacts, 0, sizeof m->wanted.contacts);
    for (int servers = 1; servers >= 0; servers--) {
        for (uint32_t i = 0; i < members->count; i++) {
            const struct cluster_member *member = &members->at[i]->entry.member;
            bool is_server = member->role != ROLE_SPARE;
            if (member->node != m->options.node && member->state != MEMBER_REMOVED && is_server == (servers == 1)) {
                note_contact(m, member);
            }
        }
    }
    if (memcmp(m->wanted.contacts, m->kept.contacts, sizeof m->kept.contacts) != 0) {
        memcpy(m->kept.contacts, m->wanted.contacts, sizeof m->kept.contacts);
        m->wanted.has_contacts = m->must_keep = true;
        keep(m);
    }
}

/* Links. */

static struct peer_member *add(struct peer_member *at, struct pdr_writer *texts, uint64_t node, uint64_t incarnation,
                               struct pdr_bytes address)
{
    at->node = node;
    at->incarnation = incarnation;
    at->address = (char *)texts->data + texts->size;
    pdr_write_raw(texts, address.data, address.size);
    pdr_write_raw(texts, "", 1);
    return at;
}

static void tell_links(struct membership *m, const struct row_list *members)
{
    const struct cluster_rows *rows = &member_view(m->member)->rows;
    size_t most = members->count + m->guest_count + m->options.contact_count, count = 0;
    struct peer_member *all = mem_new((most + 1) * sizeof *all);
    bool registered = member_is_registered(m->member);
    pdr_writer texts;
    pdr_writer_init(&texts, mem_grow(NULL, (most + 1) * MEMBERSHIP_ADDRESS_SIZE), (most + 1) * MEMBERSHIP_ADDRESS_SIZE,
                    (most + 1) * MEMBERSHIP_ADDRESS_SIZE);
    for (uint32_t i = 0; i < members->count; i++) {
        const struct cluster_member *member = &members->at[i]->entry.member;
        struct peer_member *at = add(&all[count++], &texts, member->node, member->incarnation, member->address);
        at->removed = member->state == MEMBER_REMOVED;
        at->knocks = !registered;
    }
    size_t links = registered ? count : 0; /* who is not in the directory itself is refused by others' cores */
    for (uint32_t i = 0; i < m->guest_count; i++) {
        const struct guest *guest = &m->guests[i];
        add(&all[count++], &texts, guest->who.node, guest->incarnation, pdr_str(guest->who.address));
    }
    for (uint32_t i = 0; i < m->options.contact_count && !registered; i++) {
        const struct membership_contact *contact = &m->options.contacts[i];
        if (cluster_rows_member(rows, contact->node) == NULL) {
            add(&all[count++], &texts, contact->node, 0, pdr_str(contact->address))->knocks = true;
        }
    }
    node_links_members(m->node, all, count, links);
    mem_free(texts.data);
    mem_free(all);
}

static uint64_t newest(const struct row_list *members)
{
    uint64_t index = 0;
    for (uint32_t i = 0; i < members->count; i++) {
        index = members->at[i]->entry.changed > index ? members->at[i]->entry.changed : index;
    }
    return index;
}

void contacts_tell(struct membership *m)
{
    const struct row_list *members = &member_view(m->member)->rows.of[ROW_MEMBER];
    if (m->guest_count > 0) {
        drop_guests(m);
    }
    if (m->rows_changed && newest(members) != m->members_index) {
        m->members_index = newest(members);
        m->members_changed = true;
        note_contacts(m, members);
    }
    if (m->members_changed) {
        m->members_changed = false;
        tell_links(m, members);
    }
}
