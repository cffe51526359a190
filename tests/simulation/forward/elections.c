/* tests/simulation/forward/elections.c: clients that stand in elections of the real directory, by the real
 * pdr_campaign, each with a clock of its own that runs up to 1 % fast or slow.
 *
 * Judged at each event, by true time: no two think that they lead one election, and a new leader's token is above all
 * that were before it. Clients resign, die, and come back through another node; what nodes suffer is the world's
 * business.
 *
 * When faults are over, soon the dead have lapsed, and each election that somebody stands in has a leader. That takes
 * one leader of the directory that leads for as long as the longest lease, since each counts anew: a way on which
 * letters are often later than Raft's election timeout is a fault as others are, and ends with them. */
#include "core/base/mem.h"
#include "tests/simulation/forward/world.h"
#include "tests/simulation/sim_client.h"
#include "consensus/leader.h"
#include "consensus/member.h"

#define ELECTORS 4u
#define ELECTIONS 2u
#define LOOK_NS (10 * NS_PER_MS)
#define MARGIN_MS 1u /* less would be the default: what drift and delay cost must do */

struct elector;

/** One elector in one election. */
struct seat {
    struct elector *elector;
    uint32_t election;
    pdr_campaign *campaign; /* NULL: it does not stand */
};

struct elector {
    struct electors *all;
    struct sim_client client;
    uint32_t host;
    struct seat seats[ELECTIONS];
    struct sim_event act;
    struct message message;
    bool is_posted;
};

struct electors {
    struct world *world;
    struct elector electors[ELECTORS];
    struct {
        struct seat *leader; /* who thinks that it leads */
        uint64_t token;      /* the newest */
    } elections[ELECTIONS];
    bool rests;
    struct sim_event look; /* at the directory's leaders, since faults are over */
    struct {
        const struct leader *leader;
        uint64_t since_ns;
    } reigns[SITES_MAX];
    uint32_t reign_count;
    uint64_t reign_ns; /* the longest */
    bool is_led;       /* the directory, and by who leads it these stand: */
    struct leader_candidates candidates;
    uint64_t elected, lost;
};

static void on_elected(void *user, uint64_t token)
{
    struct seat *seat = user;
    struct electors *all = seat->elector->all;
    struct sim *sim = &all->world->sim;
    uint32_t e = seat->election;
    const struct seat *other = all->elections[e].leader;
    sim_note(sim, "elected", seat->elector->host, token);
    SIM_CHECK(sim, other == NULL,
              "clients at hosts %u and %u both think that they lead election %u, the new one by token %llu",
              other != NULL ? other->elector->host : 0, seat->elector->host, e, (unsigned long long)token);
    SIM_CHECK(sim, token > all->elections[e].token, "election %u: token %llu after %llu", e, (unsigned long long)token,
              (unsigned long long)all->elections[e].token);
    all->elections[e].leader = seat;
    all->elections[e].token = token;
    all->elected++;
}

static void leads_no_more(struct seat *seat)
{
    struct electors *all = seat->elector->all;
    if (all->elections[seat->election].leader == seat) {
        all->elections[seat->election].leader = NULL;
    }
}

static void on_lost(void *user, uint64_t token, const char *why)
{
    struct seat *seat = user;
    sim_note(&seat->elector->all->world->sim, "lost", seat->elector->host, token);
    seat->elector->all->lost++;
    leads_no_more(seat);
}

static void on_ended(void *user, const struct pdr_outcome *outcome)
{
    struct seat *seat = user;
    SIM_CHECK(&seat->elector->all->world->sim, outcome->status == PDR_CANCELLED, "a candidate was refused: %.*s",
              (int)outcome->message.size, (const char *)outcome->message.data);
    seat->campaign = NULL;
    leads_no_more(seat);
}

static void stand(struct seat *seat)
{
    static const uint32_t leases[] = {600, 1500, 4000, 8000};
    static const struct pdr_campaign_events events = {on_elected, on_lost, on_ended};
    struct sim *sim = &seat->elector->all->world->sim;
    const char name[] = {'e', (char)('0' + seat->election)};
    struct pdr_campaign_options options = {.lease_ms = leases[sim_draw(sim, 4)], .margin_ms = MARGIN_MS};
    SIM_CHECK(sim,
              pdr_campaign_begin(seat->elector->client.real, pdr_bytes(name, 2), pdr_bytes("\x01", 1), &options,
                                 &events, seat, &seat->campaign) == PDR_OK,
              "a candidate is not taken: %s", pdr_client_refusal(seat->elector->client.real));
}

static void resign(struct seat *seat)
{
    (void)!pdr_campaign_end(seat->campaign, NULL, NULL);
    seat->campaign = NULL;
    leads_no_more(seat);
}

/* On the client's loop. */
static void act_now(struct message *message)
{
    struct elector *elector = LIST_ITEM(message, struct elector, message);
    struct sim *sim = &elector->all->world->sim;
    struct seat *seat = &elector->seats[sim_draw(sim, ELECTIONS)];
    elector->is_posted = false;
    if (seat->campaign == NULL) {
        stand(seat);
    } else if (sim_chance(sim, 20)) {
        resign(seat);
    }
}

static void open_client(struct elector *elector)
{
    struct world *w = elector->all->world;
    do { /* a session is no candidate's */
        if (elector->client.real != NULL) {
            sim_client_close(&elector->client);
        }
        sim_client_open(&elector->client, &w->sim, w->net, elector->host,
                        w->sites[sim_draw(&w->sim, w->site_count)].node.address, true);
    } while (elector->client.has_session);
}

/* It dies, and is begun anew elsewhere. */
static void replace_client(struct elector *elector)
{
    for (uint32_t i = 0; i < ELECTIONS; i++) {
        leads_no_more(&elector->seats[i]);
    }
    sim_client_close(&elector->client);
    for (uint32_t i = 0; i < ELECTIONS; i++) {
        elector->seats[i].campaign = NULL;
    }
    open_client(elector);
}

/* From all but one site, or from all: so a leader's time runs out, or it hears of one side only. */
static void cut_off(struct elector *elector)
{
    struct world *w = elector->all->world;
    uint32_t spared = (uint32_t)sim_draw(&w->sim, 2 * w->site_count);
    for (uint32_t i = 0; i < w->site_count; i++) {
        if (i != spared) {
            sim_net_cut(w->net, elector->host, w->sites[i].node.host);
        }
    }
}

static void act(struct sim_event *event)
{
    struct elector *elector = LIST_ITEM(event, struct elector, act);
    struct electors *all = elector->all;
    struct sim *sim = &all->world->sim;
    if (all->rests) {
        return;
    }
    if (!elector->is_posted && sim_chance(sim, 6)) {
        replace_client(elector);
    } else if (sim_chance(sim, 6)) {
        cut_off(elector);
    } else if (!elector->is_posted) {
        elector->is_posted = true;
        loop_post(&elector->client.loop.loop, &elector->message);
    }
    sim_after(sim, event, sim_between(sim, 20 * NS_PER_MS, 900 * NS_PER_MS));
}

void elections_open(struct world *w)
{
    struct electors *all = mem_new(sizeof *all);
    char name[16];
    all->world = w;
    w->electors = all;
    for (uint32_t i = 0; i < ELECTORS; i++) {
        struct elector *elector = &all->electors[i];
        snprintf(name, sizeof name, "e%u", i);
        elector->all = all;
        elector->host = sim_net_host(w->net, name);
        elector->message.deliver = act_now;
        for (uint32_t k = 0; k < ELECTIONS; k++) {
            elector->seats[k] = (struct seat){.elector = elector, .election = k};
        }
        open_client(elector);
        elector->act = (struct sim_event){.fire = act, .name = "elector", .subject = i};
        sim_after(&w->sim, &elector->act, sim_draw(&w->sim, 2 * NS_PER_S));
    }
}

/* Faults are over. */

static const struct leader *leader_at(const struct world *w, uint32_t site)
{
    const struct sim_node *n = &w->sites[site].node;
    const struct member *member = n->state == SIM_NODE_UP ? membership_member(n->node) : NULL;
    return member != NULL ? member_leading(member) : NULL;
}

static void look(struct sim_event *event)
{
    struct electors *all = LIST_ITEM(event, struct electors, look);
    struct world *w = all->world;
    all->is_led = false;
    for (uint32_t i = 0; i < w->site_count; i++) {
        const struct leader *leader = leader_at(w, i);
        if (leader != all->reigns[i].leader) {
            all->reigns[i].leader = leader;
            all->reigns[i].since_ns = w->sim.now_ns;
            all->reign_count += leader != NULL;
        }
        if (leader != NULL) {
            uint64_t reign_ns = w->sim.now_ns - all->reigns[i].since_ns;
            all->reign_ns = reign_ns > all->reign_ns ? reign_ns : all->reign_ns;
            all->candidates = leader_candidates(leader);
            all->is_led = true;
        }
    }
    sim_after(&w->sim, event, LOOK_NS);
}

void elections_rest(struct world *w)
{
    struct electors *all = w->electors;
    all->rests = true;
    sim_net_ease(w->net);
    all->look = (struct sim_event){.fire = look, .name = "look"};
    sim_after(&w->sim, &all->look, LOOK_NS);
}

bool elections_are_settled(const struct world *w)
{
    const struct electors *all = w->electors;
    uint32_t living = 0;
    for (uint32_t e = 0; e < ELECTIONS; e++) {
        uint32_t before = living;
        for (uint32_t i = 0; i < ELECTORS; i++) {
            living += all->electors[i].seats[e].campaign != NULL;
        }
        if (living > before && all->elections[e].leader == NULL) {
            return false;
        }
    }
    return all->is_led && all->candidates.count == living;
}

void elections_judge(struct world *w, uint64_t waited_ns)
{
    const struct electors *all = w->electors;
    SIM_CHECK(
        &w->sim, elections_are_settled(w),
        "nobody leads, or the dead stand, %llu s after faults were over: %u candidates, one of them %llu ms behind "
        "its lease; the directory had %u leaders since, one of them for %llu ms (liveness)",
        waited_ns / NS_PER_S, all->candidates.count, all->candidates.late_ns / NS_PER_MS, all->reign_count,
        all->reign_ns / NS_PER_MS);
}

uint32_t elections_host(struct world *w)
{
    return w->electors->electors[sim_draw(&w->sim, ELECTORS)].host;
}

void elections_close(struct world *w)
{
    struct electors *all = w->electors;
    sim_cancel(&w->sim, &all->look);
    for (uint32_t i = 0; i < ELECTORS; i++) {
        struct elector *elector = &all->electors[i];
        sim_cancel(&w->sim, &elector->act);
        sim_client_close(&elector->client);
    }
    w->elected = all->elected;
    w->lost = all->lost;
    mem_free(all);
    w->electors = NULL;
}
