/* tests/fuzz/fuzz_command.c: hostile commands to the directory, each led by its size as u16 little endian. What is
 * read is written again the same; all are applied to a small cluster, whose rows never contradict each other. */
#include "consensus/directory.h"
#include "core/base/endian.h"
#include "tests/fuzz/fuzz.h"

static void apply(struct directory *directory, struct pdr_bytes bytes)
{
    uint64_t hash = directory_hash(directory);
    const struct directory_result *result = directory_apply(directory, directory_index(directory) + 1, bytes);
    FUZZ_CHECK(*result->text != 0 && (result->code == DIRECTORY_DONE || directory_hash(directory) == hash));
    FUZZ_CHECK(directory_fault(directory) == NULL);
}

static void apply_own(struct directory *directory, struct command command)
{
    pdr_writer bytes = {0};
    command_write(&bytes, &command);
    apply(directory, pdr_written(&bytes));
    pdr_writer_release(&bytes);
}

/* Three nodes; shard 0 is assigned to them, shard 1 is not. */
static struct directory *small_cluster(void)
{
    static const char *const names[] = {"n1", "n2", "n3"};
    static const uint8_t id[CLUSTER_ID_SIZE];
    static const uint8_t none[] = {0x80};
    struct directory *directory = directory_new();
    apply_own(directory, (struct command){.kind = COMMAND_FOUND, .found = {pdr_bytes(id, sizeof id), 2, 3, 2, 3}});
    for (uint64_t n = 1; n <= 3; n++) {
        apply_own(directory, (struct command){.kind = COMMAND_REGISTER,
                                              .register_ = {.node = n,
                                                            .incarnation = 1,
                                                            .boot = 1,
                                                            .name = pdr_str(names[n - 1]),
                                                            .address = pdr_str(names[n - 1]),
                                                            .labels = {pdr_bytes(none, sizeof none)},
                                                            .format = 1}});
    }
    apply_own(
        directory,
        (struct command){
            .kind = COMMAND_ASSIGN,
            .assign = {.primary = 1, .isr = {3, {{1, 1}, {2, 2}, {3, 3}}}, .targets = {3, {1, 2, 3}}, .min_isr = 2}});
    FUZZ_CHECK(cluster_rows_shard(directory_rows(directory), 0) != NULL);
    return directory;
}

static void check_again(struct pdr_bytes bytes)
{
    struct command command;
    struct fault fault;
    uint32_t since;
    enum pdr_status status = command_read(bytes, CLUSTER_FORMAT, &command, &since, &fault);
    if (status == PDR_OK) {
        pdr_writer again = {0};
        command_write(&again, &command);
        FUZZ_CHECK(pdr_bytes_equal(pdr_written(&again), bytes));
        pdr_writer_release(&again);
    } else {
        FUZZ_CHECK(status == PDR_INVALID || status == PDR_UNAVAILABLE || status == PDR_TOO_LARGE);
        FUZZ_CHECK(fault.what != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct directory *directory = small_cluster();
    while (size >= 2) {
        size_t length = get_le16(data);
        length = length < size - 2 ? length : size - 2;
        uint8_t *copy = fuzz_copy(data + 2, length);
        check_again(pdr_bytes(copy, length));
        apply(directory, pdr_bytes(copy, length));
        free(copy);
        data += 2 + length;
        size -= 2 + length;
    }
    directory_free(directory);
    return 0;
}
