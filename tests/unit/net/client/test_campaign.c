/* tests/unit/net/client/test_campaign.c: what pdr_campaign_begin refuses, and what a campaign hears of a closed client.
 * What it believes, and when, is shown by pdr-sim-forward --elections and e2e.elections. */
#include <perdure/client.h>
#include <string.h>
#include <uv.h>

#include "tests/lib/test.h"

static unsigned ended, closed;
static enum pdr_status ended_with;

static void on_ended(void *user, const struct pdr_outcome *outcome)
{
    ended++;
    ended_with = outcome->status;
}

static void on_closed(void *user)
{
    closed++;
}

static const struct pdr_campaign_events events = {.ended = on_ended};

static pdr_client *open_client(uv_loop_t *loop, bool session)
{
    struct pdr_client_options options = {.node = "127.0.0.1:1", .session = session};
    pdr_client *client;
    const char *why;
    uv_loop_init(loop);
    REQUIRE(pdr_client_open(loop, &options, &client, &why) == PDR_OK);
    return client;
}

static void close_client(uv_loop_t *loop, pdr_client *client)
{
    closed = 0;
    pdr_client_close(client, on_closed, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    EXPECT_INT(closed, 1);
    EXPECT_INT(uv_loop_close(loop), 0);
}

static enum pdr_status begin(pdr_client *client, const char *name, pdr_value value, uint32_t lease_ms,
                             uint32_t margin_ms)
{
    pdr_campaign *campaign;
    struct pdr_campaign_options options = {.lease_ms = lease_ms, .margin_ms = margin_ms};
    return pdr_campaign_begin(client, pdr_str(name), value, &options, &events, NULL, &campaign);
}

TEST(what_makes_no_sense_is_refused)
{
    uv_loop_t loop;
    uint8_t large[600] = {0xc5, 0x02, 0x55}; /* bin 16 of 597 bytes */
    struct pdr_bytes none = {NULL, 0};
    pdr_client *client = open_client(&loop, false);
    ended = 0;
    EXPECT_INT(begin(client, "", none, 0, 0), PDR_INVALID);
    EXPECT_INT(begin(client, "e", none, 499, 0), PDR_INVALID);
    EXPECT_INT(begin(client, "e", none, 600001, 0), PDR_INVALID);
    EXPECT_INT(begin(client, "e", none, 1000, 501), PDR_INVALID);
    EXPECT_INT(begin(client, "e", pdr_bytes("\xc1", 1), 0, 0), PDR_INVALID);
    EXPECT_INT(begin(client, "e", pdr_bytes("\x01\x01", 2), 0, 0), PDR_INVALID);
    EXPECT_INT(begin(client, "e", pdr_bytes(large, sizeof large), 0, 0), PDR_TOO_LARGE);
    EXPECT_STR(pdr_client_refusal(client), "a candidate's value has at most 512 bytes (limit campaign_bytes_max)");
    close_client(&loop, client);
    EXPECT_INT(ended, 0);
}

TEST(a_candidacy_is_a_session_of_its_own)
{
    uv_loop_t loop;
    pdr_client *client = open_client(&loop, true);
    EXPECT_INT(begin(client, "e", pdr_bytes(NULL, 0), 0, 0), PDR_INVALID);
    EXPECT_STR(pdr_client_refusal(client), "a candidacy is a session of its own: open a client without `session`");
    close_client(&loop, client);
}

TEST(a_client_that_is_closed_ends_its_campaigns)
{
    uv_loop_t loop;
    pdr_client *client = open_client(&loop, false);
    ended = 0;
    EXPECT_INT(begin(client, "e", pdr_bytes(NULL, 0), 0, 0), PDR_OK);
    EXPECT_INT(begin(client, "f", pdr_bytes(NULL, 0), 0, 0), PDR_OK);
    close_client(&loop, client);
    EXPECT_INT(ended, 2);
    EXPECT_INT(ended_with, PDR_CANCELLED);
}

TEST(one_that_was_ended_hears_nothing_more)
{
    uv_loop_t loop;
    pdr_client *client = open_client(&loop, false);
    pdr_campaign *campaign;
    ended = 0;
    REQUIRE(pdr_campaign_begin(client, pdr_str("e"), pdr_bytes(NULL, 0), NULL, &events, NULL, &campaign) == PDR_OK);
    EXPECT_INT(pdr_campaign_left_ms(campaign), 0);
    EXPECT_INT(pdr_campaign_end(campaign, NULL, NULL), PDR_OK);
    close_client(&loop, client);
    EXPECT_INT(ended, 0);
}

TEST_MAIN()
