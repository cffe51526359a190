#!/usr/bin/python3
"""tests/e2e/test_straight.py: the C client in a cluster of three: it goes straight to the owners of actors, and on when
the node that it was given is gone."""
import json
import os
import struct
import subprocess

from cluster import Cluster
from perdure import Case, Rpc, main

BENCH = os.environ["PDR_BENCH"]
ROAM = os.environ["PDR_ROAM"]
CONNS = 8  # of W2


class Roam:
    """A process that holds one client."""

    def __init__(self, nodes):
        self.process = subprocess.Popen([ROAM, nodes], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def call(self, target):
        self.process.stdin.write(target + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(10)


class Straight(Case):
    def setUp(self):
        super().setUp()
        self.cluster = Cluster(self)
        self.cluster.start_all(3)
        for n in (1, 2, 3):
            self.eventually(lambda: len(self.shards_by_address(n)) == 3, f"node {n} knows shards of all three", 20)

    def ask(self, n, target, *args):
        with Rpc(self.cluster.address(n)) as rpc:
            return rpc.call(target, *args)

    def shards_by_address(self, n):
        """Where the shards are, as node `n` answers."""
        m = self.ask(n, "_sys/directory.map")
        nodes, count = m["nodes"], {}
        for (index,) in struct.iter_unpack("<H", m["owners"]):
            if index != 0xffff:
                count[nodes[index][1]] = count.get(nodes[index][1], 0) + 1
        return count

    def actors_of(self, n, count):
        """Names of so many actors that node `n` owns."""
        found, number = [], 0
        c = self.cluster
        while len(found) < count:
            name = f"echo/k{number}"
            number += 1
            before = c.status(n)["calls"]
            self.ask(n, f"{name}.ping")
            if c.status(n)["calls"] > before:  # a call counts where it runs
                found.append(name)
        return found

    def frames(self):
        """Between nodes, of those that carry calls, since they began."""
        total = 0
        for n in (1, 2, 3):
            for line in self.ask(n, "_sys/node.metrics").splitlines():
                if line.startswith("perdure_peer_frames_sent_total{") and 'core="control"' not in line:
                    total += int(line.split()[-1])
        return total

    def test_map(self):
        m = self.ask(2, "_sys/directory.map")
        self.assertEqual({address for _, address in m["nodes"]}, {self.cluster.address(n) for n in (1, 2, 3)})
        self.assertEqual(m["nodes"][m["self"]][1], self.cluster.address(2))
        self.assertEqual((m["shards"], len(m["owners"]), m["places"]), (256, 512, []))
        self.assertTrue(self.ask(2, "_sys/directory.map", m["version"]) in (None, self.ask(2, "_sys/directory.map")))
        self.fails_with("invalid", self.ask, 2, "_sys/directory.map", "x")

    def test_connections_and_frames(self):
        """Each of the load's clients has one connection to each node, and nearly nothing passes between nodes."""
        before = self.frames()
        load = subprocess.Popen([BENCH, "W2", "--outstanding", "64", "--node", self.cluster.address(1), "--secs", "3",
                                 "--warm", "1", "--repeat", "1", "--json", "-"], stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, text=True)
        try:
            for n in (1, 2, 3):
                self.eventually(lambda: self.ask(n, "_sys/node.status")["connections"] == CONNS + 1,
                                f"node {n} has {CONNS} connections", 10)
        finally:
            out, _ = load.communicate(timeout=60)
        self.assertEqual(load.returncode, 0)
        calls = json.loads(out)["results"][0]["runs"][0]["ops"]
        self.assertGreater(calls, 1000)
        self.assertLess(self.frames() - before, calls / 20)
        for n in (1, 2, 3):
            self.assertGreater(self.ask(n, "_sys/node.status")["calls"], calls / 10)

    def test_the_given_node_is_killed(self):
        c = self.cluster
        theirs = self.actors_of(2, 3) + self.actors_of(3, 3)
        roam = Roam(c.address(1))
        for name in theirs * 3:
            self.assertEqual(roam.call(f"{name}.ping"), "ok")
        for n in (2, 3):
            self.assertEqual(self.ask(n, "_sys/node.status")["connections"], 2)  # the other is this question's
        c.kill(1)
        for name in theirs * 3:
            self.assertEqual(roam.call(f"{name}.ping"), "ok")
        self.eventually(lambda: roam.call("_sys/node.status") == "ok", "a member takes the place of the given node", 20)
        self.assertEqual(roam.close(), 0)

    def test_a_list_of_nodes(self):
        c = self.cluster
        name = self.actors_of(3, 1)[0]
        c.kill(1)
        roam = Roam(f"{c.address(1)},{c.address(2)}")
        self.assertEqual(roam.call(f"{name}.ping"), "ok")
        self.assertEqual(roam.close(), 0)


main()
