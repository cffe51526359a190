/* tests/bench/frame_decode.c: nanoseconds to read, and to write, the frames of an echo of 100 bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "net/wire/codec.h"
#include "net/wire/frame.h"

#define FRAMES 1000u
#define ROUNDS 10000u

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static size_t decode_all(struct pdr_bytes bytes, uint64_t *sum)
{
    struct frame_scan scan = {0};
    size_t done = 0, used = 1;
    while (done < bytes.size && used > 0) {
        struct frame frame;
        const char *why;
        if (frame_decode(&scan, pdr_bytes((const char *)bytes.data + done, bytes.size - done), &frame, &used, &why) !=
            PDR_OK) {
            printf("refused: %s\n", why);
            exit(1);
        }
        *sum += frame.msgid + frame.args.size + frame.result.size;
        done += used;
    }
    return done;
}

static void measure(const char *name, pdr_writer *w)
{
    uint64_t sum = 0;
    double best = 1e9;
    for (int run = 0; run < 5; run++) {
        double began = now_ns();
        for (unsigned i = 0; i < ROUNDS / 5; i++) {
            decode_all(pdr_written(w), &sum);
        }
        double ns = (now_ns() - began) / (ROUNDS / 5 * FRAMES);
        best = ns < best ? ns : best;
    }
    printf("%-28s %6.1f ns (%zu bytes, check %llu)\n", name, best, w->size / FRAMES, (unsigned long long)sum);
}

static void measure_encode(pdr_value args)
{
    pdr_writer w;
    pdr_writer_init(&w, NULL, 0, 0);
    double began = now_ns();
    for (unsigned i = 0; i < ROUNDS * FRAMES / 5; i++) {
        if (i % FRAMES == 0) {
            pdr_writer_clear(&w);
        }
        codec_request(&w, 100000 + i, pdr_str("echo/a17"), pdr_str("ping"), args);
    }
    printf("%-28s %6.1f ns\n", "encode request", (now_ns() - began) / (ROUNDS * FRAMES / 5));
    began = now_ns();
    for (unsigned i = 0; i < ROUNDS * FRAMES / 5; i++) {
        if (i % FRAMES == 0) {
            pdr_writer_clear(&w);
        }
        codec_response(&w, 100000 + i, args);
    }
    printf("%-28s %6.1f ns\n", "encode response", (now_ns() - began) / (ROUNDS * FRAMES / 5));
    pdr_writer_release(&w);
}

int main(void)
{
    static uint8_t payload[100];
    pdr_writer args, w;
    pdr_writer_init(&args, NULL, 0, 0);
    pdr_writer_init(&w, NULL, 0, 0);
    pdr_write_array(&args, 1);
    pdr_write_bin(&args, pdr_bytes(payload, sizeof payload));
    for (unsigned i = 0; i < FRAMES; i++) {
        codec_request(&w, 100000 + i, pdr_str("echo/a17"), pdr_str("ping"), pdr_written(&args));
    }
    measure("decode request", &w);
    pdr_writer_clear(&w);
    for (unsigned i = 0; i < FRAMES; i++) {
        codec_response(&w, 100000 + i, pdr_written(&args));
    }
    measure("decode response", &w);
    measure_encode(pdr_written(&args));
    pdr_writer_clear(&args);
    pdr_write_array(&args, 16);
    for (int i = 0; i < 16; i++) {
        pdr_write_map(&args, 2);
        pdr_write_cstr(&args, "name");
        pdr_write_cstr(&args, "somebody");
        pdr_write_cstr(&args, "n");
        pdr_write_int(&args, i * 1000);
    }
    pdr_writer_clear(&w);
    for (unsigned i = 0; i < FRAMES; i++) {
        codec_request(&w, 100000 + i, pdr_str("echo/a17"), pdr_str("ping"), pdr_written(&args));
    }
    measure("decode request, 81 values", &w);
    pdr_writer_release(&args);
    pdr_writer_release(&w);
    return 0;
}
