#!/usr/bin/python3
"""tests/e2e/test_rolling.py: three nodes of a cluster with three copies of each shard are stopped and started, one after
the other, under load. A caller whose own node stays sees no error at all, whoever leads what it calls; what is called
under a session goes on at another node, and is done once. Who stops hands over first: that takes less than a blink."""
import time

from cluster import Cluster
from load import Load
from perdure import Case, Rpc, main

WITHOUT_ANSWER_S_MAX = 1.0  # of one call while a node is stopped: some 50 ms, on a machine that is not busy


class Rolling(Case):
    def owned(self, owner, count):
        """By the node that is to lead them, which comes back to that."""
        names, number = [], 0
        with Rpc(self.cluster.address(1)) as rpc:
            while len(names) < count:
                name = f"counter/r{owner}-{number}"
                number += 1
                if rpc.call("_sys/directory.shard", name)["targets"][0] == f"n{owner}":
                    names.append(name)
        return names

    def restarted(self, n):
        """While it is away only its own callers may see that."""
        c, load = self.cluster, self.load
        others = [k for k in load.callers if k.pair[0] != n]
        for k in others:
            k.slowest = (0, 0)
        load.touched = {k.pair for k in load.callers if k.pair[0] == n}
        began = time.monotonic()
        c.stop(n)
        stopped = time.monotonic() - began
        load.goes_on(5)
        slowest = max(k.slowest[0] for k in others)
        c.start(n)
        self.eventually(lambda: c.up(n) == 3 and c.whole(1) and self.leads(n), "it is back, and leads what it is to lead", 30)
        load.goes_on(5)
        load.heal()
        print(f"node {n}: stopped in {stopped * 1000:.0f} ms; the slowest call meanwhile took {slowest * 1000:.0f} ms")
        return slowest

    def leads(self, n):
        members = self.cluster.told(1)["directory"]["members"]
        return next(m["leads"] for m in members if m["name"] == f"n{n}") >= 256 // 3 - 10

    def test_a_rolling_restart(self):
        self.cluster = c = Cluster(self, "--copies", "3")
        c.start_all(3)
        self.eventually(lambda: c.voters(1) == 3 and c.whole(1), "the cluster can lose a node", 30)
        self.load = Load(self, list(c.nodes), c.address, self.owned)
        self.load.goes_on()
        slowest = [self.restarted(n) for n in (2, 3, 1)]
        print(self.load.judge())
        self.assertLess(max(slowest), WITHOUT_ANSWER_S_MAX)


if __name__ == "__main__":
    main()
