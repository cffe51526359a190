#!/usr/bin/python3
"""tests/e2e/test_bench.py: perdure-bench measures each workload in a short run, writes the JSON that the peers' reports
read, and answers a wrong command line with a sentence and status 2. No figure is judged here."""
import json
import os

from perdure import BIN, Case, main, run

BENCH = os.environ.get("PDR_BENCH", os.path.join(os.path.dirname(BIN), "perdure-bench"))


class Bench(Case):
    def bench(self, *args, status=0):
        result = run(*args, binary=BENCH, timeout=120)
        self.assertEqual(result.returncode, status, result.stderr + result.stdout)
        return result

    def measured(self, *args):
        path = os.path.join(self.directory, "out.json")
        result = self.bench(*args, "--secs", "0.5", "--warm", "0.1", "--repeat", "3", "--data", self.directory,
                            "--json", path)
        with open(path) as f:
            return json.load(f), result.stdout

    def row(self, report, peer, workload, variant):
        rows = [r for r in report["results"] if (r["peer"], r["workload"], r["variant"]) == (peer, workload, variant)]
        self.assertEqual(len(rows), 1, [(r["peer"], r["workload"], r["variant"]) for r in report["results"]])
        self.assertEqual(len(rows[0]["runs"]), 3)
        return rows[0]

    def check(self, row):
        summary = row["summary"]
        for key in ("ops_s", "p50_us", "p99_us", "p999_us", "max_us"):
            self.assertLessEqual(summary[key]["min"], summary[key]["median"])
            self.assertLessEqual(summary[key]["median"], summary[key]["max"])
            self.assertGreater(summary[key]["min"], 0, key)
        for one in row["runs"]:
            self.assertEqual(one["errors"], 0, one)
            self.assertLessEqual(one["p50_us"], one["p99_us"])
            self.assertLessEqual(one["p99_us"], one["max_us"])
            self.assertAlmostEqual(one["ops_s"], one["ops"] / one["secs"], delta=one["ops_s"] / 100)

    def test_all_workloads_in_short(self):
        report, table = self.measured("W0", "W1", "W2", "W3", "W4", "--start", "--actors", "500")
        for peer, workload, variant in (
                ("disk", "W0", "append 4 KiB + fdatasync"), ("disk", "W0", "overwrite 4 KiB + fdatasync"),
                ("libuv", "W1", "1 outstanding"), ("libuv", "W2", "64 outstanding, 8 conns"),
                ("libuv", "W2", "1024 outstanding, 8 conns"), ("perdure", "W1", "1 outstanding, 500 actors"),
                ("perdure", "W2", "64 outstanding, 8 conns, 500 actors"),
                ("perdure", "W2", "1024 outstanding, 8 conns, 500 actors"),
                ("perdure", "W3", "1 outstanding, 1 conns, 500 actors"),
                ("perdure", "W3", "256 outstanding, 8 conns, 500 actors"),
                ("perdure", "W4", "500 new counters, add")):
            with self.subTest(f"{peer} {workload} {variant}"):
                self.check(self.row(report, peer, workload, variant))
                self.assertIn(variant, table)
        for one in self.row(report, "perdure", "W4", "500 new counters, add")["runs"]:
            self.assertEqual(one["ops"], 500)
        durable = self.row(report, "perdure", "W3", "256 outstanding, 8 conns, 500 actors")
        self.assertIn("server_cpu_us_per_op", durable["summary"])
        self.assertEqual(report["skipped"], [])
        left = [name for name in os.listdir(self.directory) if name.startswith("perdure-bench")]
        self.assertEqual(left, [], "it clears up")

    def test_goals_stand_beside_their_floors(self):
        report, table = self.measured("W0", "W1", "W3", "--start")
        names = [r["name"] for r in report["ratios"]]
        self.assertEqual(len(names), 2, names)
        for name in names:
            self.assertIn(name, table)

    def test_time_from_start_to_first_answer(self):
        report, table = self.measured("start")
        summary = self.row(report, "perdure", "start", "empty directory, first add")["summary"]
        self.assertLessEqual(summary["ready_ms"]["median"], summary["first_call_ms"]["median"])
        self.assertIn("answered after", table)

    def test_calls_between_actors(self):
        report, table = self.measured("W5", "--start", "--hits", "5")
        for variant in ("1 ball(s)", "64 ball(s)"):
            row = self.row(report, "perdure", "W5", variant)
            self.check(row)
            for one in row["runs"]:
                self.assertEqual(one["ops"] % 10, 0, "whole plays, of which each hit and its return are two")
            self.assertIn(variant, table)

    def test_a_round_of_the_bully_election(self):
        for nodes in ("1", "3"):
            report, table = self.measured("election", "--start", "--nodes", nodes, "--actors", "12", "--timeout-ms", "400")
            row = self.row(report, "perdure", "W7", "12, direct messages, timeout 400 ms")
            for one in row["runs"]:
                self.assertGreaterEqual(one["round_ms"], 400)
                self.assertAlmostEqual(one["beyond_timeout_ms"], one["round_ms"] - 400, delta=0.01)
                self.assertEqual((one["messages"], one["strayed"]), (66 + 55 + 60, 0), one)
            self.assertIn("a round takes", table)

    def test_a_node_without_the_actors_of_w5_is_a_sentence(self):
        node = self.node()
        table = self.bench("W5", "--node", node.address, "--secs", "0.1", "--repeat", "1", status=1).stdout
        self.assertIn("there is no type rally", table)

    def test_memory_of_live_and_of_passive_actors(self):
        report, table = self.measured("W6", "passive", "--actors", "2000")
        live = self.row(report, "perdure", "W6", "2,000 live counters")["summary"]
        self.assertGreater(live["bytes_per_actor"]["min"], 0)
        passive = self.row(report, "perdure", "passive", "2,000 on disk")["summary"]
        for key in ("first_call_ms", "rss_mib", "empty_rss_mib", "cold_p50_us", "names_s"):
            self.assertGreater(passive[key]["min"], 0, key)
        self.assertIn("an actor takes", table)
        left = [name for name in os.listdir(self.directory) if name.startswith("perdure-bench")]
        self.assertEqual(left, [], "it clears up")

    def test_an_open_loop_keeps_its_rate_against_a_running_node(self):
        node = self.node()
        report, _ = self.measured("W3", "--node", node.address, "--pid", str(node.pid), "--rate", "500")
        row = self.row(report, "perdure", "W3", "open loop at 500/s, 8 conns")
        self.check(row)
        self.assertIn("server_cpu_us_per_op", row["summary"])
        for one in row["runs"]:
            self.assertLess(one["ops_s"], 2000, "a stall is caught up with, but a closed loop would do ten times as much")
        many, _ = self.measured("W2", "--node", node.address, "--threads", "3", "--conns", "5", "--outstanding", "50")
        self.check(self.row(many, "perdure", "W2", "50 outstanding, 5 conns"))

    def test_json_to_standard_output(self):
        result = self.bench("W0", "--secs", "0.1", "--repeat", "1", "--warm", "0", "--data", self.directory, "--json",
                            "-")
        self.assertEqual(json.loads(result.stdout)["repeat"], 1)
        self.assertIn("fdatasync", result.stderr)

    def test_no_node_is_a_sentence(self):
        result = self.bench("W1", "--node", "127.0.0.1:1", status=1)
        self.assertIn("127.0.0.1:1", result.stderr)
        self.assertIn("--start", result.stderr)

    def test_a_wrong_command_line_is_a_sentence_and_status_2(self):
        for args, word in (((), "workload"), (("W9",), "W9"), (("W1", "--nosuch"), "--nosuch"),
                           (("W1", "--secs"), "--secs"), (("W1", "--secs", "soon"), "soon"),
                           (("W1", "--secs", "0"), "--secs"), (("W1", "--repeat", "1.5"), "1.5"),
                           (("W1", "--repeat=0"), "--repeat"), (("W1", "--start=yes"), "--start"),
                           (("W1", "--json", ""), "--json"), (("W1", "--start", "--node", "127.0.0.1:1"), "--node"),
                           (("W1", "--start", "--pid", "1"), "--pid"), (("W1", "--nodes", "3"), "--nodes"),
                           (("election", "--timeout-ms", "0"), "--timeout-ms"), (("election", "--actors", "2"), "--actors"),
                           (("W1", "--conns", "9", "--outstanding", "8"), "--conns")):
            with self.subTest(args):
                result = self.bench(*args, status=2)
                self.assertIn(word, result.stderr)
                self.assertEqual(result.stdout, "")

    def test_help_and_version(self):
        text = self.bench("--help").stdout
        for word in ("W0", "W4", "W5", "W6", "passive", "start", "election", "--nodes", "--rate", "--json", "--outstanding", "Exit status"):
            self.assertIn(word, text)
        self.assertRegex(self.bench("--version").stdout, r"^perdure-bench \d+\.\d+\.\d+\n$")


if __name__ == "__main__":
    main()
