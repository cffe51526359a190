#!/usr/bin/python3
"""tests/e2e/test_metrics.py: what a node shows of itself: the text that Prometheus reads, and the log."""
import json
import re
import unittest

from perdure import Case, main, run

SLOW = r"""
#define _POSIX_C_SOURCE 200809L
#include <perdure/actor.h>
#include <time.h>

static int hold(pdr_turn *turn, const pdr_args *args)
{
    struct timespec pause = {0, 150 * 1000000};
    nanosleep(&pause, NULL); /* what a method must not do: nobody else runs meanwhile */
    return pdr_reply_nil(turn);
}

static int wait(pdr_turn *turn, const pdr_args *args)
{
    int status = pdr_sleep(turn, (uint64_t)pdr_arg_int(args, 0, 150));
    return status == PDR_OK ? pdr_reply_nil(turn) : status;
}

static int ask(pdr_turn *turn, const pdr_args *args)
{
    pdr_value reply;
    int status = pdr_call(turn, pdr_str("slow/asked"), "wait", pdr_bytes(NULL, 0), &reply);
    return status == PDR_OK ? pdr_reply_nil(turn) : status;
}

PDR_ACTOR(slow, PDR_METHOD("hold", hold), PDR_METHOD("wait", wait), PDR_METHOD("ask", ask))
PDR_PLUGIN("slow", "1.0", &pdr_type_slow)
"""

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf'^({NAME})(?:\{{({NAME})="((?:[^"\\\n]|\\["\\n])*)"\}})? ([0-9]+(?:\.[0-9]+)?)$')


def parse(test, text):
    """{name: (type, {label value or None: number})} of a text in the exposition format; whatever is wrong fails the test."""
    test.assertTrue(text.endswith("\n"))
    families, helped, current = {}, set(), None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, words = line[7:].split(" ", 1)
            test.assertNotIn(name, helped, "a family is told once")
            test.assertGreater(len(words), 5)
            helped.add(name)
        elif line.startswith("# TYPE "):
            current, kind = line[7:].split(" ")
            test.assertIn(current, helped)
            test.assertNotIn(current, families)
            test.assertIn(kind, ("counter", "gauge", "histogram"))
            test.assertEqual(kind == "counter", current.endswith("_total"), line)
            families[current] = (kind, {})
        else:
            match = SAMPLE.match(line)
            test.assertIsNotNone(match, line)
            name, label, value, number = match.groups()
            kind, samples = families[current]
            if kind == "histogram":
                part = name[len(current):]
                test.assertIn(part, ("_bucket", "_sum", "_count"), line)
                test.assertEqual(label, "le" if part == "_bucket" else None, line)
                key = (part, value)
            else:
                test.assertEqual(name, current)
                key = value
            test.assertNotIn(key, samples, "a sample is told once")
            samples[key] = float(number)
    for name, (kind, samples) in families.items():
        test.assertTrue(samples, f"{name} has no samples")
        if kind == "histogram":
            buckets = [(float(end), count) for (part, end), count in samples.items() if part == "_bucket"]
            test.assertEqual(buckets, sorted(buckets), f"{name}: ends and counts never fall")
            test.assertEqual(len(set(end for end, _ in buckets)), len(buckets))
            test.assertEqual(buckets[-1], (float("inf"), samples["_count", None]), name)
    return families


class Metrics(Case):
    def metrics(self, node):
        result = run("status", "--metrics", node=node.address)
        self.assertEqual(result.returncode, 0, result.stderr)
        return parse(self, result.stdout)

    def test_the_text_is_valid_and_counts_what_was_done(self):
        node = self.node("--threads", "2")
        with node.rpc() as rpc:
            rpc.call_all([(f"counter/a{n % 50}.add", 1) for n in range(2000)])
            rpc.call_all([(f"echo/e{n}.ping", "x") for n in range(10)])
            self.fails_with("not_found", rpc.call, "counter/a1.nosuch")
            text = rpc.call("_sys/node.metrics")
        families = parse(self, text)
        self.assertEqual(set(families), set(self.metrics(node)), "the command prints what the method returns")
        value = {name: sum(samples.values()) for name, (kind, samples) in families.items() if kind != "histogram"}
        self.assertEqual(value["perdure_calls_total"], 2011)
        self.assertEqual(value["perdure_turns_total"], 2010)
        self.assertEqual(value["perdure_entries_total"], 2000)
        self.assertEqual(value["perdure_actors"], 60)
        self.assertEqual(value["perdure_errors_total"], 1)
        self.assertEqual(families["perdure_errors_total"][1]["not_found"], 1)
        self.assertEqual(families["perdure_type_turns_total"][1]["counter"], 2000)
        self.assertEqual(set(families["perdure_calls_total"][1]), {"0", "1"})
        self.assertEqual(value["perdure_connections"], 1)
        for name in ("uptime_ms", "journal_bytes_total", "journal_segments", "process_resident_bytes", "process_open_files",
                     "process_cpu_us_total", "store_memtable_bytes"):
            self.assertGreater(value["perdure_" + name], 0, name)
        for name in ("call_us", "stage_route_us", "stage_mailbox_wait_us", "stage_turn_us", "stage_commit_us",
                     "stage_reply_us", "batch_bytes", "journal_sync_us", "journal_group_bytes"):
            samples = families["perdure_" + name][1]
            self.assertGreater(samples["_count", None], 0, name)
            self.assertGreater(samples["_sum", None], 0, name)
        self.assertLess(families["perdure_call_us"][1]["_count", None], 500, "a sample, not all")

    def test_counters_never_fall(self):
        node = self.node()
        with node.rpc() as rpc:
            before = parse(self, rpc.call("_sys/node.metrics"))
            rpc.call_all([(f"kv/a{n}.put", "k", n) for n in range(100)])
            after = parse(self, rpc.call("_sys/node.metrics"))
        for name, (kind, samples) in before.items():
            for key, number in samples.items() if kind != "gauge" else ():
                self.assertGreaterEqual(after[name][1][key], number, (name, key))


class Log(Case):
    def lines(self, node, event):
        return [line for line in node.log_text().splitlines() if f" {event} " in line]

    def test_slow_turns_are_logged_with_what_they_did(self):
        node = self.node("--plugin", self.build_plugin("slow", SLOW), "--slow-turn", "100ms")
        with node.rpc() as rpc:
            rpc.call("slow/h.hold")
            rpc.call("slow/w.wait", 200)
            rpc.call("slow/q.ask")
            text = rpc.call("_sys/node.metrics")
        lines = self.lines(node, "turn.slow")
        told = [dict(pair.split("=", 1) for pair in line.split()[3:]) for line in lines]
        told = [t for t in told if t["actor"].startswith("slow/")]
        self.assertEqual([(t["actor"], t["method"], t["where"]) for t in told],
                         [("slow/h", "hold", "running"), ("slow/w", "wait", "sleep"), ("slow/asked", "wait", "sleep"),
                          ("slow/q", "ask", "call")], lines)
        self.assertGreater(int(told[0]["ran_ms"]), int(told[0]["waited_ms"]))
        self.assertGreater(int(told[1]["waited_ms"]), int(told[1]["ran_ms"]))
        families = parse(self, text)
        self.assertEqual(sum(families["perdure_slow_turns_total"][1].values()), len(lines))
        self.assertGreater(families["perdure_type_run_ns_total"][1]["slow"], 0)

    def test_what_repeats_is_cut_and_counted(self):
        """All within one window; the rest is told at the latest when the node ends."""
        node = self.node("--plugin", self.build_plugin("slow", SLOW), "--slow-turn", "20ms", "--threads", "1")
        with node.rpc() as rpc:
            rpc.call_all([(f"slow/w{n}.wait", 100) for n in range(200)])
            counted = parse(self, rpc.call("_sys/node.metrics"))["perdure_slow_turns_total"][1]
        self.assertEqual(node.stop(), 0)
        lines = self.lines(node, "turn.slow")
        left_out = [int(match[1]) for match in (re.search(r"turn\.slow ([0-9]+) more like this", line) for line in lines) if match]
        self.assertTrue(left_out, lines)
        self.assertEqual(len(lines) - len(left_out) + sum(left_out), sum(counted.values()))
        self.assertGreater(sum(counted.values()), 100, "the coarse clock of a busy machine may miss some")
        self.assertLess(len(lines), 100)

    def test_slow_turn_0_is_silent(self):
        node = self.node("--plugin", self.build_plugin("slow", SLOW), "--slow-turn", "0")
        with node.rpc() as rpc:
            rpc.call("slow/h.hold")
        self.assertEqual(self.lines(node, "turn.slow"), [])

    def test_json(self):
        node = self.node("--log-format", "json", "--log-level", "debug")
        self.assertEqual(node.stop(), 0)
        lines = [json.loads(line) for line in node.log_text().splitlines()]
        self.assertEqual({frozenset(line) for line in lines}, {frozenset(("time", "level", "event", "text"))})
        self.assertIn("node.stopped", [line["event"] for line in lines])


if __name__ == "__main__":
    main()
