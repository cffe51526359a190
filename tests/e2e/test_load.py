#!/usr/bin/python3
"""tests/e2e/test_load.py: load that is measured: two hot shards of one node come to be on two, and stay there."""
import os
import subprocess
import time

from cluster import Cluster
from perdure import Case, Rpc, main, output_json, run

BENCH = os.environ["PDR_BENCH"]
RATE = 60_000  # calls a second of both: some hundredths of a core each
SPREAD_S = 90
QUIET_S = 22  # more than it takes to look again


class Load(Case):
    def setUp(self):
        super().setUp()
        self.cluster = Cluster(self)

    def leads(self, actor):
        with Rpc(self.cluster.address(1)) as rpc:
            return rpc.call("_sys/directory.shard", actor)["primary"]

    def loads(self, n):
        """By node, as node `n` says; per mille of a core."""
        with Rpc(self.cluster.address(n)) as rpc:
            return {m["name"]: m["load"] for m in rpc.call("_sys/directory.members")}

    def bring(self, actor, to):
        output_json(self, run("move", actor, to, "--json", node=self.cluster.address(1)))
        self.eventually(lambda: self.leads(actor) == to, f"{actor} is at {to}", 30)

    def work(self, seconds):
        nodes = ",".join(self.cluster.address(n) for n in (1, 2))
        bench = subprocess.Popen([BENCH, "W2", "--node", nodes, "--actors", "2", "--outstanding", "1024", "--rate", str(RATE),
                                  "--secs", str(seconds), "--repeat", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(bench.wait)
        self.addCleanup(bench.kill)

    def test_two_hot_shards_of_one_node(self):
        self.cluster.start_all(2)
        for actor in ("echo/a0", "echo/a1"):
            self.bring(actor, "n1")
        self.work(SPREAD_S + QUIET_S + 5)
        began = time.monotonic()
        self.eventually(lambda: all((self.loads(n)["n1"] or 0) >= 15 for n in (1, 2)), "both say that n1 works", 40)
        self.eventually(lambda: self.leads("echo/a0") != self.leads("echo/a1"), "each has a node", SPREAD_S)
        print(f"spread after {time.monotonic() - began:.0f} s")
        where = self.leads("echo/a0")
        until = time.monotonic() + QUIET_S
        while time.monotonic() < until:
            self.assertEqual(self.leads("echo/a0"), where)
            self.assertNotEqual(self.leads("echo/a1"), where)
            time.sleep(0.5)
        self.assertNotIn(None, self.loads(2).values())
        print(f"now {self.loads(2)}")


main()
