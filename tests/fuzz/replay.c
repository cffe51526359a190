/* tests/fuzz/replay.c: runs a fuzz target without libFuzzer: every file that is named, or lies in a folder that is
 * named, then random changes of them, the same ones every time.
 *
 *     replay_frame [-runs=N] [-seed=S] FILE|FOLDER...
 *
 * An input that fails is written to the working directory as crash-NUMBER, to be run again and added to the corpus. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/rng.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_MAX (1u << 20)
#define CHANGED_MAX 4096u /* larger ones are only run as they are */

struct input {
    uint8_t *data;
    size_t size;
};

static struct input *inputs;
static size_t input_count;
static struct input running;
static unsigned long run_number;

/* Called while dying, so it uses nothing that could be in the middle of something. */
static void save(void)
{
    char name[32] = "crash-", digits[24];
    size_t at = 6;
    int n = 0;
    unsigned long rest = run_number;
    do {
        digits[n++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    while (n > 0) {
        name[at++] = digits[--n];
    }
    name[at] = '\0';
    int file = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (file >= 0 && write(file, running.data, running.size) == (ssize_t)running.size) {
        dprintf(STDERR_FILENO, "the input is in %s\n", name);
    }
}

static void on_abort(int number)
{
    save();
    signal(number, SIG_DFL);
    raise(number);
}

/* Sanitizers end the process without abort; they have this when they are linked in. */
extern void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void run(const uint8_t *data, size_t size)
{
    running.data = fuzz_copy(data, size);
    running.size = size;
    run_number++;
    LLVMFuzzerTestOneInput(running.data, size);
    free(running.data);
}

/* The corpus. */

static void add_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(INPUT_MAX);
    FUZZ_CHECK(data != NULL);
    if (file == NULL) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    size_t size = fread(data, 1, INPUT_MAX, file);
    fclose(file);
    inputs = realloc(inputs, (input_count + 1) * sizeof *inputs);
    FUZZ_CHECK(inputs != NULL);
    inputs[input_count++] = (struct input){fuzz_copy(data, size), size};
    free(data);
}

static void add(const char *path)
{
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISDIR(info.st_mode)) {
        add_file(path);
        return;
    }
    struct dirent **names = NULL;
    int count = scandir(path, &names, NULL, alphasort); /* sorted: the order decides what is changed */
    if (count < 0) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    for (int i = 0; i < count; i++) {
        char name[4096];
        if (names[i]->d_name[0] != '.') {
            snprintf(name, sizeof name, "%s/%s", path, names[i]->d_name);
            add_file(name);
        }
        free(names[i]);
    }
    free(names);
}

/* Changes. */

static size_t insert(uint8_t *data, size_t size, size_t at, const uint8_t *from, size_t count)
{
    if (size + count > CHANGED_MAX) {
        return size;
    }
    memmove(data + at + count, data + at, size - at);
    memmove(data + at, from, count);
    return size + count;
}

static size_t change(struct rng *rng, uint8_t *data, size_t size)
{
    static const uint8_t telling[] = {0x00, 0x7f, 0x80, 0x90, 0x91, 0x94, 0xa0, 0xbf, 0xc0,
                                      0xc1, 0xc4, 0xc6, 0xcc, 0xcf, 0xd3, 0xd9, 0xdb, 0xdc,
                                      0xdd, 0xde, 0xdf, 0xe0, 0xff, '.',  '/',  '{',  '}'};
    uint8_t block[32];
    const struct input *other = &inputs[rng_below(rng, input_count)];
    size_t at = rng_below(rng, size + 1), count = 1 + rng_below(rng, sizeof block);
    switch (rng_below(rng, 7)) {
    case 0: /* a bit */
        if (at < size) {
            data[at] ^= (uint8_t)(1u << rng_below(rng, 8));
        }
        return size;
    case 1: /* a byte that means something */
        if (at < size) {
            data[at] = telling[rng_below(rng, sizeof telling)];
        }
        return size;
    case 2: /* some bytes more */
        for (size_t i = 0; i < count; i++) {
            block[i] = rng_chance(rng, 50) ? telling[rng_below(rng, sizeof telling)] : (uint8_t)rng_next(rng);
        }
        return insert(data, size, at, block, count);
    case 3: /* some fewer */
        count = count < size - at ? count : size - at;
        memmove(data + at, data + at + count, size - at - count);
        return size - count;
    case 4: /* the end is missing */
        return at;
    case 5: /* some twice */
        count = count < size - at ? count : size - at;
        memcpy(block, data + at, count);
        return insert(data, size, at, block, count);
    default: /* another's end */
        if (other->size > 0 && other->size <= CHANGED_MAX) {
            size_t from = rng_below(rng, other->size);
            return insert(data, at, at, other->data + from, other->size - from);
        }
        return size;
    }
}

static void run_changed(struct rng *rng)
{
    static uint8_t data[CHANGED_MAX];
    const struct input *input = &inputs[rng_below(rng, input_count)];
    size_t size = input->size < sizeof data ? input->size : sizeof data;
    memcpy(data, input->data, size);
    for (uint64_t times = 1 + rng_below(rng, 5); times > 0; times--) {
        size = change(rng, data, size);
    }
    run(data, size);
}

int main(int argc, char **argv)
{
    unsigned long runs = 20000, seed = 1;
    struct rng rng;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "-runs=", 6) == 0) {
            runs = strtoul(argv[i] + 6, NULL, 10);
        } else if (strncmp(argv[i], "-seed=", 6) == 0) {
            seed = strtoul(argv[i] + 6, NULL, 10);
        } else {
            add(argv[i]);
        }
    }
    if (input_count == 0) {
        fprintf(stderr, "%s: name files or folders to run; there is nothing in what was named\n", argv[0]);
        return 1;
    }
    signal(SIGABRT, on_abort);
    if (__sanitizer_set_death_callback != NULL) {
        __sanitizer_set_death_callback(save);
    }
    for (size_t i = 0; i < input_count; i++) {
        run(inputs[i].data, inputs[i].size);
    }
    rng_seed(&rng, seed);
    for (unsigned long i = 0; i < runs; i++) {
        run_changed(&rng);
    }
    printf("%zu inputs and %lu changes of them passed\n", input_count, runs);
    for (size_t i = 0; i < input_count; i++) {
        free(inputs[i].data);
    }
    free(inputs);
    return 0;
}
