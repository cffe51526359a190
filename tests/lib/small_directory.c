/* tests/lib/small_directory.c: what most tests of the directory begin with. */
#include "tests/lib/small_directory.h"

#include "core/base/check.h"

const struct directory_result *tell(struct directory *directory, struct command command)
{
    pdr_writer bytes = {0};
    command_write(&bytes, &command);
    const struct directory_result *result =
        directory_apply(directory, directory_raft_index(directory) + 1, pdr_written(&bytes));
    pdr_writer_release(&bytes);
    return result;
}

struct pairs no_pairs(void)
{
    static const uint8_t empty[] = {0x80};
    return (struct pairs){pdr_bytes(empty, sizeof empty)};
}

struct pairs one_pair(pdr_writer *writer, const char *key, const char *value)
{
    pdr_writer_clear(writer);
    pdr_write_map(writer, 1);
    pdr_write_cstr(writer, key);
    pdr_write_cstr(writer, value);
    return (struct pairs){pdr_written(writer)};
}

struct command registration(uint64_t node, uint64_t incarnation)
{
    static const char *const names[] = {"n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9"};
    static const char *const addresses[] = {"h0:1", "h1:1", "h2:1", "h3:1", "h4:1",
                                            "h5:1", "h6:1", "h7:1", "h8:1", "h9:1"};
    return (struct command){.kind = COMMAND_REGISTER,
                            .register_ = {.node = node,
                                          .incarnation = incarnation,
                                          .boot = 100 * node + incarnation,
                                          .known = 100 * node + incarnation - 1,
                                          .name = pdr_str(names[node % 10]),
                                          .address = pdr_str(addresses[node % 10]),
                                          .labels = no_pairs(),
                                          .format = 1}};
}

const struct cluster_shard *shard_of(const struct directory *directory, uint32_t shard)
{
    return cluster_rows_shard(directory_rows(directory), shard);
}

void set_alive(struct directory *directory, uint64_t node, bool alive)
{
    uint64_t incarnation = cluster_rows_member(directory_rows(directory), node)->incarnation;
    const struct directory_result *result =
        tell(directory, (struct command){.kind = COMMAND_ALIVE, .alive = {node, incarnation, alive}});
    CHECK(result->code == DIRECTORY_DONE);
}

struct directory *small_directory(void)
{
    static const uint8_t id[CLUSTER_ID_SIZE] = {7};
    struct directory *directory = directory_new();
    CHECK(tell(directory, (struct command){.kind = COMMAND_FOUND, .found = {pdr_bytes(id, sizeof id), 8, 3, 2, 3}})
              ->code == DIRECTORY_DONE);
    for (uint64_t node = 1; node <= 4; node++) {
        CHECK(tell(directory, registration(node, 1))->code == DIRECTORY_DONE);
    }
    struct command assign = {
        .kind = COMMAND_ASSIGN,
        .assign = {.primary = 1, .isr = {3, {{1, 11}, {2, 12}, {3, 13}}}, .targets = {4, {1, 2, 3, 4}}, .min_isr = 2}};
    CHECK(tell(directory, assign)->code == DIRECTORY_DONE);
    return directory;
}
