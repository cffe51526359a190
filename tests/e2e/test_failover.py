#!/usr/bin/python3
"""tests/e2e/test_failover.py: shards with three copies: a node dies without a word, and nothing that was acknowledged is
lost; what it led goes on elsewhere."""
import threading
import time

from cluster import Cluster
from perdure import Case, Rpc, RpcError, main

KEYS = 24
DEADLINE_MS = 15000


class Writer(threading.Thread):
    """Adds to counters one after another, through one node, without a session: what had no answer may count or not."""

    def __init__(self, address, keys):
        super().__init__(daemon=True)
        self.address, self.keys = address, keys
        self.done, self.sent, self.slowest = {k: 0 for k in keys}, {k: 0 for k in keys}, 0
        self.ending = threading.Event()

    def run(self):
        rpc = Rpc(self.address, 2 * DEADLINE_MS / 1000)
        while not self.ending.is_set():
            for key in self.keys:
                began = time.monotonic()
                self.sent[key] += 1
                try:
                    rpc.call("_sys/conn.call", key, "add", [1], {"deadline_ms": DEADLINE_MS})
                    self.done[key] += 1
                except RpcError:
                    pass
                except (OSError, RuntimeError):  # it goes on with another connection
                    rpc.close()
                    rpc = Rpc(self.address, 2 * DEADLINE_MS / 1000)
                self.slowest = max(self.slowest, time.monotonic() - began)
        rpc.close()


class Failover(Case):
    def lives(self, c, n):
        self.assertIsNone(c.nodes[n].process.poll(), c.nodes[n].tail())
        return True

    def test_a_node_dies(self):
        c = Cluster(self, "--copies", "3")
        c.start_all(3)
        keys = [f"counter/f{i}" for i in range(KEYS)]
        writer = Writer(c.address(1), keys)
        writer.start()
        self.eventually(lambda: min(writer.done.values()) > 3, "each counter is written to", 30)
        c.kill(2)
        at = dict(writer.done)
        self.eventually(lambda: self.lives(c, 1) and all(writer.done[k] > at[k] + 1 for k in keys), "each is written to again", 30)
        c.start(2)
        self.eventually(lambda: c.up(1) == 3, "it is back", 20)
        c.kill(3)
        at = dict(writer.done)
        self.eventually(lambda: all(writer.done[k] > at[k] + 1 for k in keys), "and again without another", 30)
        writer.ending.set()
        writer.join(60)
        self.assertIsNone(c.nodes[1].process.poll(), c.nodes[1].tail())
        rpc = Rpc(c.address(2), 30)
        for key in keys:
            value = rpc.call("_sys/conn.call", key, "get", [], {"deadline_ms": DEADLINE_MS})
            self.assertGreaterEqual(value, writer.done[key], f"{key} has all that was acknowledged")
            self.assertLessEqual(value, writer.sent[key], f"{key} was added to no more often than asked")
        rpc.close()
        print(f"the slowest call took {writer.slowest:.2f} s")


main()
