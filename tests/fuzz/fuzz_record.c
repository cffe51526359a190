/* tests/fuzz/fuzz_record.c: hostile bytes where the log is read: records, groups, whole segments.
 *
 * The first byte chooses: 'r' the rest is records; 'g' a group; 's' a segment as it is; anything else a recipe for two
 * segments whose CRCs are right, so that what stands behind the CRC is reached. A recipe is a list of groups, each
 * {u8 flags, u8 lie, u16 size, that many bytes of records}. */
#include "core/base/endian.h"
#include "core/base/mem.h"
#include "core/journal/recover.h"
#include "tests/fuzz/fuzz.h"
#include "tests/simulation/sim_disk.h"

#define SEGMENT_BYTES (64u << 10)
#define FIRST "0000000000000001.log"
#define SECOND "0000000000000002.log"

/* Whatever we accept, we write the same way. */
static void fuzz_records(struct pdr_bytes bytes)
{
    struct record record;
    uint32_t used;
    while (record_decode(bytes, &record, &used) == PDR_OK) {
        FUZZ_CHECK(used <= bytes.size && used == record_size((uint32_t)record.payload.size));
        uint8_t *again = mem_new(used);
        record_encode_header(again, record.kind, record.shard, record.epoch, record.seq, (uint32_t)record.payload.size);
        memcpy(again + RECORD_HEADER_SIZE, record.payload.data, record.payload.size);
        FUZZ_CHECK(memcmp(again, bytes.data, used) == 0);
        mem_free(again);
        bytes = pdr_bytes((const uint8_t *)bytes.data + used, bytes.size - used);
    }
}

static void fuzz_group(struct pdr_bytes bytes)
{
    struct group group, twin;
    if (group_decode(bytes, &group) != PDR_OK) {
        return;
    }
    FUZZ_CHECK(group.size <= bytes.size && group.records.size <= group.size - GROUP_HEADER_SIZE);
    bool intact = group_intact(bytes.data, &group);
    uint8_t *again = malloc(group.size);
    memcpy(again, bytes.data, group.size);
    group_seal(again, &group, (uint32_t)group.records.size);
    FUZZ_CHECK(group_decode(pdr_bytes(again, group.size), &twin) == PDR_OK && group_intact(again, &twin));
    FUZZ_CHECK(twin.position == group.position && twin.segment == group.segment && twin.count == group.count);
    FUZZ_CHECK(intact == (memcmp(again, bytes.data, GROUP_HEADER_SIZE) == 0));
    free(again);
    fuzz_records(group.records);
}

/* Recovery. */

struct seen {
    uint64_t records, position;
};

static void each(void *user, const struct record *record, uint64_t position)
{
    struct seen *seen = user;
    FUZZ_CHECK(position >= seen->position);
    FUZZ_CHECK(record->kind > 0 && record->kind < RECORD_KIND_COUNT);
    seen->position = position;
    seen->records++;
}

/* The control state can begin a segment, whatever it was made of. */
static void check_control(const struct control_table *table)
{
    uint32_t size = control_table_size(table);
    uint8_t *bytes = mem_new(size + 1);
    struct control_table twin = {0};
    control_table_encode(table, bytes);
    struct pdr_bytes rest = pdr_bytes(bytes, size);
    uint32_t used, count = 0;
    for (struct record record; rest.size > 0; rest = pdr_bytes((const uint8_t *)rest.data + used, rest.size - used)) {
        FUZZ_CHECK(record_decode(rest, &record, &used) == PDR_OK && control_table_note(&twin, &record));
        count++;
    }
    FUZZ_CHECK(count == table->count && twin.count == count && control_table_size(&twin) == size);
    control_table_free(&twin);
    mem_free(bytes);
}

static void never(void *world, uint64_t delay_ns, void (*fn)(void *arg), void *arg)
{
    FUZZ_CHECK(!"recovery writes nothing");
}

static void fuzz_log(const void *first, uint64_t first_size, const void *second, uint64_t second_size)
{
    struct rng rng = {{1, 2, 3, 4}};
    struct sim_disk_env env = {never, NULL, &rng};
    struct sim_disk *sim = sim_disk_new(&env);
    struct segments segments = {.disk = sim_disk_disk(sim), .current = -1};
    struct control_table control = {0};
    struct journal_recovery found = {0};
    struct seen seen = {0};
    struct recover recover = {.segments = &segments, .control = &control, .each = each, .user = &seen};
    sim_disk_put(sim, FIRST, first, first_size);
    if (second != NULL) {
        sim_disk_put(sim, SECOND, second, second_size);
    }
    recover.found = &found;
    enum pdr_status status = recover_log(&recover);
    FUZZ_CHECK(status == PDR_OK || status == PDR_INTERNAL);
    FUZZ_CHECK((status == PDR_OK) == (found.corrupt[0] == '\0'));
    FUZZ_CHECK(found.records == seen.records);
    FUZZ_CHECK(found.bytes == recover.position && found.bytes <= first_size + second_size);
    FUZZ_CHECK(recover.known == (found.groups > 0) && recover.known == (segments.current >= 0));
    if (status == PDR_OK) {
        check_control(&control);
    }
    segments_free(&segments);
    control_table_free(&control);
    sim_disk_free(sim);
}

static void fuzz_segment(const uint8_t *data, size_t size)
{
    uint8_t *segment = calloc(1, SEGMENT_BYTES);
    memcpy(segment, data, size < SEGMENT_BYTES ? size : SEGMENT_BYTES);
    fuzz_log(segment, SEGMENT_BYTES, NULL, 0);
    free(segment);
}

enum lie { LIE_POSITION = 1, LIE_SEGMENT = 2, LIE_LOG = 4, LIE_COUNT = 8, LIE_CRC = 16, LIE_DURABLE = 32 };

static uint32_t count_records(struct pdr_bytes bytes)
{
    struct record record;
    uint32_t used, count = 0;
    for (; record_decode(bytes, &record, &used) == PDR_OK; count++) {
        bytes = pdr_bytes((const uint8_t *)bytes.data + used, bytes.size - used);
    }
    return count;
}

static void fuzz_recipe(const uint8_t *data, size_t size)
{
    uint8_t *log = calloc(2, SEGMENT_BYTES);
    uint64_t at = 0, position = 0, segment = 1;
    while (size >= 4) {
        uint32_t flags = data[0], lie = data[1], records = get_le16(data + 2);
        records = records > size - 4 ? (uint32_t)size - 4 : records;
        if (((flags & 1) || at + group_size(records) > SEGMENT_BYTES) && segment == 1) {
            segment = 2;
            at = SEGMENT_BYTES;
        }
        if (at + group_size(records) > segment * SEGMENT_BYTES) {
            break;
        }
        struct group group = {.segment = segment, .position = position, .durable = position};
        group.count = count_records(pdr_bytes(data + 4, records));
        group.position += lie & LIE_POSITION ? GROUP_BLOCK : 0;
        group.segment += lie & LIE_SEGMENT ? 1 : 0;
        group.log[0] = lie & LIE_LOG ? 1 : 0;
        group.count += lie & LIE_COUNT ? 1 : 0;
        group.durable = lie & LIE_DURABLE ? 0 : group.durable;
        memcpy(log + at + GROUP_HEADER_SIZE, data + 4, records);
        group_seal(log + at, &group, records);
        log[at + 4] ^= lie & LIE_CRC ? 1 : 0;
        at += group_size(records);
        position += group_size(records);
        data += 4 + records;
        size -= 4 + records;
    }
    fuzz_log(log, SEGMENT_BYTES, log + SEGMENT_BYTES, SEGMENT_BYTES);
    free(log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    uint8_t *rest = fuzz_copy(data + 1, size - 1);
    switch (data[0]) {
    case 'r':
        fuzz_records(pdr_bytes(rest, size - 1));
        break;
    case 'g':
        fuzz_group(pdr_bytes(rest, size - 1));
        break;
    case 's':
        fuzz_segment(rest, size - 1);
        break;
    default:
        fuzz_recipe(rest, size - 1);
    }
    free(rest);
    return 0;
}
