/* examples/09-map-reduce/survey.c: a question goes to where the data lies; what comes back is the answer.
 *
 * log/NAME keeps a log, lines of words with blanks between. count [column] reads all of it, *there*, and tells whoever
 * asked how often each word stands in that column: the map, and the combining, of a map-reduce.
 *
 * survey/NAME asks many logs and adds up what they tell: the reduce. Each log tells it once, whatever crashes, so
 * adding is right, and when nobody is left to tell it is done. */
#include <perdure/actor.h>
#include <stdio.h>

#define WORD_BYTES_MAX 31
#define WORDS_MAX 256

/* A log. State: its chunks, by number, and "chunks", how many. In memory: room to count in. */

struct tally {
    struct {
        char text[WORD_BYTES_MAX + 1];
        size_t size;
        int64_t count;
    } words[WORDS_MAX];
    uint32_t count;
};

static struct pdr_bytes chunk_key(char *room, size_t size, int64_t number)
{
    snprintf(room, size, "chunk:%08lld", (long long)number);
    return pdr_str(room);
}

/* append [lines] */
static int append(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes none = {NULL, 0}, lines = pdr_arg_bytes(args, 0, none);
    char room[32];
    int64_t chunks = 0;
    pdr_get_int(turn, "chunks", &chunks);
    int status = pdr_put_int(turn, "chunks", chunks + 1);
    status = status == PDR_OK ? pdr_put(turn, chunk_key(room, sizeof room, chunks), lines) : status;
    return status == PDR_OK ? pdr_reply_int(turn, (int64_t)lines.size) : status;
}

static bool count_word(struct tally *tally, struct pdr_bytes word)
{
    uint32_t i = 0;
    while (i < tally->count && !pdr_bytes_equal(pdr_bytes(tally->words[i].text, tally->words[i].size), word)) {
        i++;
    }
    if (i == tally->count) {
        if (i == WORDS_MAX || word.size > WORD_BYTES_MAX) {
            return false;
        }
        memcpy(tally->words[i].text, word.data, word.size);
        tally->words[i].size = word.size;
        tally->words[i].count = 0;
        tally->count++;
    }
    tally->words[i].count++;
    return true;
}

static bool count_lines(struct tally *tally, struct pdr_bytes lines, int64_t column)
{
    const char *at = lines.data, *end = at + lines.size;
    int64_t k = 0;
    while (at < end) {
        const char *word = at;
        while (at < end && *at != ' ' && *at != '\n') {
            at++;
        }
        if (k == column && !count_word(tally, pdr_bytes(word, (size_t)(at - word)))) {
            return false;
        }
        k = at < end && *at == '\n' ? 0 : k + 1;
        at++;
    }
    return true;
}

/* As [[word, count, word, count, ...], bytes read]. */
static int tell_tally(pdr_turn *turn, const struct tally *tally, int64_t bytes)
{
    pdr_writer args;
    pdr_writer_init(&args, NULL, 0, 0);
    pdr_write_array(&args, 2);
    pdr_write_array(&args, 2 * tally->count);
    for (uint32_t i = 0; i < tally->count; i++) {
        pdr_write_str(&args, pdr_bytes(tally->words[i].text, tally->words[i].size));
        pdr_write_int(&args, tally->words[i].count);
    }
    pdr_write_int(&args, bytes);
    int status = pdr_tell(turn, pdr_caller(turn), "add", pdr_written(&args));
    pdr_writer_release(&args);
    return status;
}

/* [count] */
static int count(pdr_turn *turn, const pdr_args *args)
{
    struct tally *tally = pdr_memory(turn);
    struct pdr_bytes key, lines;
    int64_t bytes = 0;
    pdr_scan *scan = pdr_scan_open(turn, pdr_str("chunk:"), pdr_str("chunk;"));
    int status = scan == NULL ? PDR_OVERLOADED : PDR_OK;
    tally->count = 0;
    while (status == PDR_OK && (status = pdr_scan_next(scan, &key, &lines)) == PDR_OK) {
        bytes += (int64_t)lines.size;
        if (!count_lines(tally, lines, pdr_arg_int(args, 0, 0))) {
            return pdr_fail_status(turn, PDR_INVALID, "a column has at most %d words, of %d bytes", WORDS_MAX,
                                   WORD_BYTES_MAX);
        }
    }
    return status == PDR_NOT_FOUND ? tell_tally(turn, tally, bytes) : status;
}
/* [/count] */

PDR_ACTOR_WITH(log, sizeof(struct tally), NULL, NULL, PDR_DURABILITY_DEFAULT, PDR_METHOD("append", append),
               PDR_METHOD("count", count))

/* A survey. State: "left", how many have not told yet; "read", "sent", bytes; "word:WORD", a count each. */

/* ask [column, [addresses]] */
static int ask(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes address, rest = pdr_value_items(pdr_arg(args, 1));
    uint32_t logs = pdr_value_count(pdr_arg(args, 1));
    int64_t left;
    uint8_t room[16];
    pdr_writer column;
    if (logs == 0 || pdr_get_int(turn, "left", &left) == PDR_OK) {
        return pdr_fail(turn, "bad_survey", "a survey is made once, of at least one log");
    }
    pdr_writer_init(&column, room, sizeof room, 0);
    pdr_write_array(&column, 1);
    pdr_write_int(&column, pdr_arg_int(args, 0, 0));
    int status = pdr_put_int(turn, "left", logs);
    for (uint32_t i = 0; i < logs && status == PDR_OK; i++) {
        if (!pdr_value_bytes(pdr_value_next(&rest), &address)) {
            return pdr_fail(turn, "bad_survey", "what is at %u is not an address", (unsigned)i);
        }
        status = pdr_tell(turn, address, "count", pdr_written(&column));
    }
    return status == PDR_OK ? pdr_reply_int(turn, logs) : status;
}

static int add_to(pdr_turn *turn, const char *key, int64_t by, int64_t *sum)
{
    *sum = 0;
    int status = pdr_get_int(turn, key, sum);
    *sum += by;
    return status == PDR_OK || status == PDR_NOT_FOUND ? pdr_put_int(turn, key, *sum) : status;
}

/* [add] */
/* add [[word, count, ...], bytes]: of one log. The last one ends the survey. */
static int add(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes word, rest = pdr_value_items(pdr_arg(args, 0));
    char key[WORD_BYTES_MAX + 8];
    int64_t n = 0, sum, left = 0;
    int status = add_to(turn, "read", pdr_arg_int(args, 1, 0), &sum);
    status = status == PDR_OK ? add_to(turn, "sent", (int64_t)pdr_arg(args, 0).size, &sum) : status;
    while (status == PDR_OK && pdr_value_bytes(pdr_value_next(&rest), &word) &&
           pdr_value_int(pdr_value_next(&rest), &n)) {
        snprintf(key, sizeof key, "word:%.*s", (int)word.size, (const char *)word.data);
        status = add_to(turn, key, n, &sum);
    }
    status = status == PDR_OK ? add_to(turn, "left", -1, &left) : status;
    return status == PDR_OK && left == 0 ? pdr_emit(turn, pdr_bytes("\xa4"
                                                                    "done",
                                                                    5))
                                         : status;
}
/* [/add] */

/* totals -> {word: count} */
static int totals(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes key;
    pdr_value n;
    pdr_writer reply, pairs;
    uint32_t words = 0;
    int status = PDR_OVERLOADED;
    pdr_writer_init(&reply, NULL, 0, 0);
    pdr_writer_init(&pairs, NULL, 0, 0);
    pdr_scan *scan = pdr_scan_open(turn, pdr_str("word:"), pdr_str("word;"));
    for (; scan != NULL && (status = pdr_scan_next(scan, &key, &n)) == PDR_OK; words++) {
        pdr_write_str(&pairs, pdr_bytes((const char *)key.data + 5, key.size - 5));
        pdr_write_value(&pairs, n);
    }
    pdr_write_map(&reply, words);
    pdr_write_raw(&reply, pairs.data, pairs.size);
    status = status == PDR_NOT_FOUND ? pdr_reply(turn, pdr_written(&reply)) : status;
    pdr_writer_release(&reply);
    pdr_writer_release(&pairs);
    return status;
}

/* cost -> [bytes read, where they lie; bytes sent] */
static int cost(pdr_turn *turn, const pdr_args *args)
{
    int64_t read = 0, sent = 0;
    uint8_t room[32];
    pdr_writer reply;
    pdr_get_int(turn, "read", &read);
    pdr_get_int(turn, "sent", &sent);
    pdr_writer_init(&reply, room, sizeof room, 0);
    pdr_write_array(&reply, 2);
    pdr_write_int(&reply, read);
    pdr_write_int(&reply, sent);
    return pdr_reply(turn, pdr_written(&reply));
}

PDR_ACTOR(survey, PDR_METHOD("ask", ask), PDR_METHOD("add", add), PDR_READER("totals", totals),
          PDR_READER("cost", cost))
PDR_PLUGIN("survey", "1.0", &pdr_type_log, &pdr_type_survey)
