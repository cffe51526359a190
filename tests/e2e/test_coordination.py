#!/usr/bin/python3
"""tests/e2e/test_coordination.py: locks, semaphores, barriers and groups: what their pages show is what happens, what
they say it costs is what it costs, and who watches is told."""

import os
import re
import subprocess

from perdure import BIN, SOURCE, Case, main

SESSION = re.compile(r"^```console\n(.*?)^```$", re.M | re.S)


def commands(page):
    """The commands of a page's sessions, and what each prints; `...` stands for anything."""
    with open(os.path.join(SOURCE, "docs", "concepts", page + ".md"), encoding="utf-8") as f:
        for session in SESSION.findall(f.read()):
            for part in re.split(r"^\$ ", session, flags=re.M)[1:]:
                command, _, printed = part.partition("\n")
                yield command, printed


class Pages(Case):
    def shows_what_happens(self, page):
        env = {**os.environ, "PERDURE_NODE": self.node().address,
               "PATH": os.path.dirname(BIN) + os.pathsep + os.environ["PATH"]}
        count = 0
        for command, printed in commands(page):
            done = subprocess.run(["sh", "-c", command + " 2>&1"], env=env, stdout=subprocess.PIPE, timeout=30,
                                  check=False)
            wanted = ".*".join(re.escape(part) for part in printed.split("..."))
            self.assertRegex(done.stdout.decode(), f"\\A{wanted}\\Z", command)
            count += 1
        self.assertGreater(count, 5)

    def test_locks(self):
        self.shows_what_happens("locks")

    def test_semaphores(self):
        self.shows_what_happens("semaphores")

    def test_barriers(self):
        self.shows_what_happens("barriers")

    def test_groups(self):
        self.shows_what_happens("groups")


class Coordination(Case):
    def setUp(self):
        super().setUp()
        self.server = self.node()
        self.rpc = self.server.rpc()

    def tearDown(self):
        self.rpc.close()
        super().tearDown()

    def entries(self):
        """Entries of the log so far."""
        text = self.rpc.call("_sys/node.metrics")
        return sum(float(value) for value in re.findall(r"^perdure_entries_total(?:{.*})? (\S+)$", text, re.M))

    def costs(self, wanted, calls):
        """So many entries each; the node itself may write one or two meanwhile."""
        self.assertGreater(len(calls), 10)
        before = self.entries()
        for call in calls:
            self.rpc.call(*call)
        self.assertIn(self.entries() - before - wanted * len(calls), (0, 1, 2), calls[0])

    def test_each_call_is_one_entry(self):
        for method in ("acquire", "acquire_shared"):
            self.costs(1, [(f"lock/{method}.{m}", a) for n in range(20)
                           for m, a in ((method, "ann"), ("release", n + 1))])
        self.costs(1, [("lock/c.acquire", "ann")] + [("lock/c.renew", 1)] * 20)
        self.costs(1, [(f"semaphore/a.{m}", a) for n in range(20) for m, a in (("acquire", "ann"), ("release", n + 1))])
        self.costs(1, [("barrier/a.arrive", f"p{n}", 20) for n in range(20)])
        self.costs(1, [("group/a.join", "ann")] + [("group/a.heartbeat", 1)] * 20)
        self.costs(1, [(f"group/b.{m}", a) for n in range(20) for m, a in (("join", "ann"), ("leave", n + 1))])
        self.costs(0, 10 * [("lock/c.check", 1), ("lock/c.holder",), ("lock/c.holders",), ("semaphore/a.state",),
                            ("semaphore/a.holders",), ("barrier/a.state",), ("barrier/a.outcome", 1),
                            ("group/a.members",), ("group/a.check", 1)])

    def events(self, address, count):
        while len(self.rpc.notifications) < count:
            self.assertTrue(self.rpc.receive(), "the connection has ended")
        found, self.rpc.notifications = self.rpc.notifications, []
        return [args[0] for to, args in found if to == address]

    def test_who_watches_a_group_is_told(self):
        self.rpc.call("_sys/conn.watch", "group/g")
        self.rpc.call("group/g.join", "ann", 60000)
        self.rpc.call("group/g.join", "bob", 50)
        self.assertEqual(self.events("group/g", 3),
                         [{"event": e, "member": m, "token": t, "view": v}
                          for e, m, t, v in (("joined", "ann", 1, 1), ("joined", "bob", 2, 2), ("lost", "bob", 2, 3))])

    def test_who_watches_a_barrier_is_told(self):
        self.rpc.call("_sys/conn.watch", "barrier/b")
        self.rpc.call("barrier/b.arrive", "ann", 2, 50)
        self.assertEqual(self.events("barrier/b", 1),
                         [{"event": "lost", "generation": 1, "party": "ann", "arrived": 0}])
        self.rpc.call("barrier/b.arrive", "ann", 2, 60000)
        self.rpc.call("barrier/b.arrive", "bob", 2, 60000)
        self.assertEqual(self.events("barrier/b", 1), [{"event": "released", "generation": 1}])

    def test_leases_end_after_sigkill(self):
        self.assertEqual(self.rpc.call("lock/k.acquire_shared", "ann", 60000)["token"], 1)
        self.assertEqual(self.rpc.call("lock/k.acquire_shared", "bob", 500)["token"], 2)
        self.assertEqual(self.rpc.call("lock/k.acquire", "cyd", 60000, 60000)["place"], 1)
        self.server.kill()
        self.rpc.close()
        self.server = self.node()
        self.rpc = self.server.rpc()
        self.assertTrue(self.rpc.call("lock/k.release", 1))
        self.eventually(lambda: self.rpc.call("lock/k.check", 3), "cyd holds when bob's lease is over")


if __name__ == "__main__":
    main()
