#!/usr/bin/python3
"""tests/e2e/test_failover.py: shards with three copies: a node dies without a word, and nothing that was acknowledged is
lost; what it led goes on elsewhere."""
import shutil
import threading
import time

from cluster import Cluster
from perdure import Case, Rpc, RpcError, main, run

KEYS = 24
DEADLINE_MS = 15000


class Writer(threading.Thread):
    """Adds to counters one after another, through one node, without a session: what had no answer may count or not."""

    def __init__(self, address, keys):
        super().__init__(daemon=True)
        self.address, self.keys = address, keys
        self.done, self.sent, self.slowest = {k: 0 for k in keys}, {k: 0 for k in keys}, 0
        self.ending, self.failed = threading.Event(), None

    def run(self):
        try:
            with Rpc(self.address, 2 * DEADLINE_MS / 1000) as rpc:
                while not self.ending.is_set():
                    for key in self.keys:
                        self.add(rpc, key)
        except Exception as error:  # the node lives: its connection stays
            self.failed = error

    def add(self, rpc, key):
        began = time.monotonic()
        self.sent[key] += 1
        try:
            rpc.call("_sys/conn.call", key, "add", [1], {"deadline_ms": DEADLINE_MS})
            self.done[key] += 1
        except RpcError as error:
            if error.code not in ("unavailable", "moved"):
                raise
        self.slowest = max(self.slowest, time.monotonic() - began)


class Failover(Case):
    def goes_on(self, c, writer, what):
        at = dict(writer.done)

        def all_are():
            self.assertIsNone(c.nodes[1].process.poll(), c.nodes[1].tail())
            self.assertIsNone(writer.failed)
            return all(writer.done[k] > at[k] + 1 for k in at)
        self.eventually(all_are, what, 30)

    def test_a_node_dies(self):
        c = Cluster(self, "--copies", "3")
        c.start_all(3)
        self.eventually(lambda: c.voters(1) == 3, "the directory outlives a node", 30)
        keys = [f"counter/f{i}" for i in range(KEYS)]
        writer = Writer(c.address(1), keys)
        writer.start()
        self.goes_on(c, writer, "each counter is written to")
        c.kill(2)
        self.goes_on(c, writer, "each is written to again")
        status = c.status(1)
        self.assertEqual((status["copies"], status["copies_led"], status["directory"]["short"]),
                         (256, status["copies_short"], 256), "a person is told that each shard has too few copies")
        c.start(2)
        self.eventually(lambda: c.whole(1), "its copies are whole again", 30)
        c.kill(3)
        self.goes_on(c, writer, "and again without another")
        self.ends(c, writer)

    def ends(self, c, writer):
        """All is there, once, and another node says so."""
        writer.ending.set()
        writer.join(60)
        self.assertIsNone(writer.failed)
        with Rpc(c.address(2), 30) as rpc:
            for key in writer.keys:
                value = rpc.call("_sys/conn.call", key, "get", [], {"deadline_ms": DEADLINE_MS})
                self.assertGreaterEqual(value, writer.done[key], f"{key} has all that was acknowledged")
                self.assertLessEqual(value, writer.sent[key], f"{key} was added to no more often than asked")
        print(f"the slowest call took {writer.slowest:.2f} s")

    def test_a_disk_is_lost(self):
        """Its node is drained and removed for good; its copies are made anew, on the others and a spare; then any node
        may die again. The name is free for a new node on a new disk."""
        c = Cluster(self, "--copies", "3")
        c.start_all(4)
        self.eventually(lambda: c.voters(1) == 3 and c.whole(1), "the cluster can lose a node", 30)
        keys = [f"counter/f{i}" for i in range(KEYS)]
        writer = Writer(c.address(1), keys)
        writer.start()
        self.goes_on(c, writer, "each counter is written to")
        c.kill(2)
        shutil.rmtree(c.directory(2))
        self.eventually(lambda: c.member(1, 2)["state"] == "down", "it is known to be down", 20)
        self.assertEqual(run("drain", "n2", node=c.address(1)).returncode, 0)
        self.eventually(lambda: c.whole(1) and self.copies(c) == {"n1": 256, "n2": 0, "n3": 256, "n4": 256},
                        "the three that are left have all", 60)
        self.goes_on(c, writer, "each is written to")
        self.assertEqual(run("remove", "n2", node=c.address(1)).returncode, 0)
        c.start(2)
        self.eventually(lambda: c.up(1) == 4 and c.whole(1) and self.copies(c)["n2"] > 256 // 2, "a new n2 has its share", 60)
        c.kill(3)
        self.goes_on(c, writer, "each is written to without another")
        self.ends(c, writer)

    def copies(self, c):
        return {m["name"]: m["copies"] for m in c.told(1)["directory"]["members"]}


if __name__ == "__main__":
    main()
