/* consensus/member_feed.c: the node's copy of the directory: pages of the feed, asked for when somebody says that
 * there is more, from our own server if it has them. */
#include "consensus/member_parts.h"

#include "core/base/log.h"

/* Who is asked may only be slow, or the way to him: so that the same page is not sent again and again, each question
 * without an answer is waited for twice as long as the one before. */
#define ASK_NS (200 * NS_PER_MS)
#define ASK_NS_MAX (4 * NS_PER_S)

static void look_at_self(struct member *m)
{
    const struct cluster_member *self = cluster_rows_member(&m->view.rows, m->options.id);
    m->is_registered = self != NULL && self->incarnation == m->options.incarnation && self->boot == m->options.boot;
}

static void lease_changed(struct member *m, bool rows)
{
    if (rows) {
        look_at_self(m);
    }
    uint64_t until = lease_holder_until(&m->holder, m->view.index);
    bool lease = until != m->lease_until;
    m->lease_until = until;
    if (rows || lease) {
        m->hooks.changed(m->hooks.user, rows, lease);
    }
}

void feed_own(struct member *m)
{
    bool any = false, more = true;
    const struct directory *directory = server_directory(m->server);
    while (more && directory_index(directory) > m->view.index) {
        struct directory_page page;
        struct fault fault;
        pdr_writer writer;
        bool changed = false;
        pdr_writer_init(&writer, NULL, 0, LETTER_PAGE_BYTES_MAX);
        more = directory_feed(directory, m->view.cursor, LETTER_PAGE_BYTES, &writer, &page) &&
               cluster_view_take(&m->view, pdr_written(&writer), &changed, &fault) == PDR_OK && !page.complete;
        any = any || changed;
        pdr_writer_release(&writer);
    }
    lease_changed(m, any);
}

/* Of one who is asked anew nothing is known yet. */
static void be_patient(struct member *m, uint64_t whom)
{
    bool again = whom != 0 && whom == m->feed_asked && m->feed_wait_ns != 0;
    m->feed_wait_ns = !again ? ASK_NS : m->feed_wait_ns < ASK_NS_MAX / 2 ? 2 * m->feed_wait_ns : ASK_NS_MAX;
    m->feed_asked = whom;
    m->feed_due_ns = member_now(m) + m->feed_wait_ns;
}

static void ask(struct member *m)
{
    uint64_t whom = member_whom(m);
    struct letter letter = {.kind = LETTER_ASK, .ask = {m->view.cursor}};
    be_patient(m, whom);
    if (whom != 0) {
        member_send(m, whom, &letter);
    }
}

void feed_reach(struct member *m, uint64_t dir_index)
{
    m->target = dir_index > m->target ? dir_index : m->target;
    uint64_t leader = member_leader(m);
    bool waits = m->feed_due_ns != 0 && (leader == 0 || m->feed_asked == leader);
    if (m->view.index < m->target && !waits) {
        ask(m);
    }
}

void feed_take(struct member *m, struct pdr_bytes page)
{
    struct fault fault;
    bool changed = false;
    uint64_t index = m->view.index, cursor = m->view.cursor;
    enum pdr_status status = cluster_view_take(&m->view, page, &changed, &fault);
    if (status != PDR_OK) {
        LOG_DEBUG("directory.page_refused", "field=%s what=\"%s\"", fault.field != NULL ? fault.field : "-",
                  fault.what);
    }
    lease_changed(m, changed);
    if (m->view.index == index && m->view.cursor == cursor) {
        return; /* of one who knows no more than we do: after a while another is asked */
    }
    m->feed_due_ns = m->feed_wait_ns = 0;
    if (m->view.cursor > m->view.index) {
        ask(m); /* the page was not the last of its answer */
    } else {
        feed_reach(m, 0);
    }
}

void feed_serve(struct member *m, uint64_t from, uint64_t since)
{
    struct directory_page page;
    pdr_writer writer;
    pdr_writer_init(&writer, NULL, 0, LETTER_PAGE_BYTES_MAX);
    if (directory_feed(server_directory(m->server), since, LETTER_PAGE_BYTES, &writer, &page)) {
        struct letter letter = {.kind = LETTER_PAGE, .page = {pdr_written(&writer)}};
        member_send(m, from, &letter);
    }
    pdr_writer_release(&writer);
}

uint64_t feed_due_ns(const struct member *m)
{
    return m->feed_due_ns == 0 ? UINT64_MAX : m->feed_due_ns;
}

/* Without a row it does not even know where the leader is that others speak of: it asks whom it can reach. */
static void ask_around(struct member *m)
{
    struct letter letter = {.kind = LETTER_ASK, .ask = {0}};
    uint64_t whom = member_contact(m);
    if (whom != 0) {
        m->feed_due_ns = member_now(m) + ASK_NS;
        member_send(m, whom, &letter);
    }
}

void feed_tick(struct member *m)
{
    if (m->view.index == 0 && m->feed_due_ns == 0) {
        ask_around(m);
    }
    if (m->feed_due_ns != 0 && member_now(m) >= m->feed_due_ns) {
        m->feed_due_ns = 0;
        feed_reach(m, 0);
    }
    lease_changed(m, false);
}
