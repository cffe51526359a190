/* tests/unit/tools/node/test_config.c: the settings of a node. */
#include "tools/node/config.h"

#include "core/base/log.h"
#include "tests/lib/test.h"

static char why[256];

static bool set(struct config *config, const char *flag, const char *text)
{
    return config_set(config, flag, text, why, sizeof why) == PDR_OK;
}

static bool check(const struct config *config)
{
    return config_check(config, why, sizeof why) == PDR_OK;
}

TEST(the_defaults_hold_together)
{
    struct config config;
    config_init(&config);
    EXPECT(check(&config));
    EXPECT_STR(config.data, "./perdure-data");
    EXPECT_STR(config.listen, "127.0.0.1:7077");
    EXPECT_INT(config.idle, 60000);
    EXPECT_INT(config.memory, 1 << 30);
    EXPECT_INT(config.log_level, LOG_INFO);
    EXPECT_INT(config.log_format, LOG_TEXT);
    EXPECT_INT(config.slow_turn, 100);
    EXPECT_INT(config.drain, 10000);
    EXPECT_INT(config.plugin.count, 0);
}

TEST(every_row_has_a_sentence_and_a_range)
{
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        struct config config;
        config_init(&config);
        EXPECT(strlen(row->text) > 20 && row->text[strlen(row->text) - 1] != '.');
        if (row->kind == CONFIG_COUNT || row->kind == CONFIG_BYTES || row->kind == CONFIG_DURATION) {
            EXPECT(set(&config, row->flag, row->least));
            EXPECT(set(&config, row->flag, row->most));
            EXPECT(!set(&config, row->flag, "99999999999999999"));
            EXPECT(!set(&config, row->flag, "many"));
            EXPECT(strstr(why, row->flag) != NULL);
        }
        EXPECT(!set(&config, row->flag, ""));
        for (size_t k = 0; k < i; k++) {
            EXPECT(strcmp(config_rows[k].flag, row->flag) != 0);
        }
    }
}

TEST(a_value_out_of_its_range_is_refused_with_the_range)
{
    struct config config;
    config_init(&config);
    EXPECT(!set(&config, "memory", "1MiB"));
    EXPECT_STR(why, "--memory is 16MiB to 1TiB, not 1MiB");
    EXPECT(!set(&config, "idle", "60"));
    EXPECT_STR(why, "--idle takes a time such as 500ms, 30s, 5min or 2h, not \"60\"");
    EXPECT(!set(&config, "nosuch", "1"));
    EXPECT_STR(why, "there is no setting \"nosuch\"");
    EXPECT(!set(&config, "log-level", "loud"));
    EXPECT_STR(why, "--log-level is debug, info, warn or error, not \"loud\"");
    EXPECT_INT(config.memory, 1 << 30);
}

TEST(what_does_not_fit_together_is_refused)
{
    struct config config;
    config_init(&config);
    EXPECT(set(&config, "log-segment", "1GiB") && !check(&config));
    EXPECT(set(&config, "log-size", "2GiB") && check(&config));
    EXPECT(set(&config, "name", "a b") && !check(&config));
    EXPECT(set(&config, "name", "node-1.eu_west") && check(&config));
    EXPECT(set(&config, "name", "0123456789012345678901234567890123456789012345678901234567890123") && !check(&config));
}

TEST(labels)
{
    static const char *const wrong[] = {"zone", "=a", "zone=", "zo ne=a", "zone=a b", "zone=a=b"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct config config;
        config_init(&config);
        EXPECT(set(&config, "label", wrong[i]));
        EXPECT(!check(&config));
        EXPECT(strstr(why, wrong[i]) != NULL);
    }
    struct config config;
    config_init(&config);
    EXPECT(set(&config, "label", "zone=a") && set(&config, "label", "gpu=h100") && check(&config));
    EXPECT_INT(config.label.count, 2);
    EXPECT_STR(config.label.items[1], "gpu=h100");
    EXPECT(config.label.items[2] == NULL);
    for (int i = 2; i < (int)CONFIG_LIST_MAX; i++) {
        EXPECT(set(&config, "label", "k=v"));
    }
    EXPECT(!set(&config, "label", "k=v"));
}

TEST(whom_to_join_is_looked_at)
{
    static const char *const bad[] = {"host", "host:7077,", ",host:7077", "host:7077,other", "host:7077 other:7077"};
    struct config config;
    config_init(&config);
    EXPECT(set(&config, "join", "host:7077,[::1]:7078") && set(&config, "join", "other:7077") && check(&config));
    EXPECT(set(&config, "advertise", "me:7077") && check(&config));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        config_init(&config);
        EXPECT(set(&config, "join", bad[i]) && !check(&config));
        EXPECT(strstr(why, "--join") != NULL);
        config_init(&config);
        EXPECT(set(&config, "advertise", bad[i]) && !check(&config));
    }
}

TEST(the_process_gets_what_was_set)
{
    struct config config;
    struct process_options options;
    config_init(&config);
    EXPECT(set(&config, "data", "/d") && set(&config, "threads", "3") && set(&config, "mailbox", "7"));
    EXPECT(set(&config, "idle", "2s") && set(&config, "log-size", "4GiB") && set(&config, "store-cache", "8MiB"));
    config_process(&config, NULL, &options);
    EXPECT_STR(options.data, "/d");
    EXPECT_INT(options.threads, 3);
    EXPECT_INT(options.node.mailbox_max, 7);
    EXPECT_INT(options.node.idle_ms, 2000);
    EXPECT_INT(options.node.journal.bytes_max, 4ll << 30);
    EXPECT_INT(options.store.cache_bytes, 8 << 20);
    EXPECT(options.node.name == NULL && options.node.types == NULL && options.node.labels[0] == NULL);
}

TEST_MAIN()
