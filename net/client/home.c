/* net/client/home.c: the connection that is always there or being made: to the first of the given nodes that answers,
 * and when that is lost, to it again, to the others, and to the members of the map, in turns. */
#include <stdio.h>

#include "core/env/clock.h"
#include "net/client/client_parts.h"

/* Addresses: a round is what was given, then the members of the map. */

static uint32_t member_count(const struct pdr_client *c)
{
    return c->map == NULL ? 0 : c->map->node_count;
}

static uint32_t round_length(const struct pdr_client *c)
{
    return c->nodes.count + member_count(c);
}

/* Members begin with a drawn one: the clients of a lost node shall not all go to the same. */
static const char *candidate(struct pdr_client *c, uint32_t n)
{
    if (n < c->nodes.count) {
        return nodes_at(&c->nodes, n);
    }
    return c->map->nodes[(c->first_member + n - c->nodes.count) % member_count(c)].address;
}

bool home_connect(struct pdr_client *c, const char **why)
{
    if (!c->is_same_again) {
        c->attempt = c->attempt < round_length(c) ? c->attempt : 0; /* a newer map may be shorter */
        snprintf(c->home.address, sizeof c->home.address, "%s", candidate(c, c->attempt));
    }
    c->home.node = 0;
    return link_connect(&c->home, why);
}

/* False: the round is over. */
static bool go_on(struct pdr_client *c)
{
    c->attempt = c->is_same_again ? 0 : c->attempt + 1;
    while (c->attempt < round_length(c) && strcmp(candidate(c, c->attempt), c->home.address) == 0) {
        c->attempt++;
    }
    return c->attempt < round_length(c);
}

void home_lost(struct pdr_client *c, const char *why)
{
    if (c->home.has_answered) { /* most often the node is being restarted */
        c->is_same_again = true;
        link_wait(&c->home, why, false);
        return;
    }
    bool is_left = go_on(c);
    c->is_same_again = false;
    if (!is_left) {
        c->is_all_tried = true;
        c->attempt = 0;
        c->first_member = (uint32_t)rng_below(&c->home.backoff.rng, member_count(c) + 1);
    }
    link_wait(&c->home, why, is_left);
}

/* The map is asked for first: under a session, what comes behind hello has to have a number. */
void home_opened(struct pdr_client *c)
{
    struct link *home = &c->home;
    pdr_writer waited = home->out;
    c->is_all_tried = true;
    pdr_writer_init(&home->out, NULL, 0, 0);
    if (!c->skips_map) {
        map_ask(home, true);
    }
    if (c->session.wanted) {
        client_session_hello(c);
    } else {
        link_hello(home);
        retry_unsent(c, pdr_written(&waited), NULL);
    }
    pdr_writer_release(&waited);
    watches_ask(c);
}
