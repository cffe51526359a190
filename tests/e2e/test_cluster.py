#!/usr/bin/python3
"""tests/e2e/test_cluster.py: nodes become one cluster: joining in any order, restarts, loss of the leader, and who is not
let in."""
import os
import re
import shutil
import time

from cluster import Cluster, free_port
from perdure import Case, Node, main, run


class Joining(Case):
    def setUp(self):
        super().setUp()
        self.cluster = Cluster(self)

    def roles(self, n):
        return sorted(m["role"] for m in self.cluster.status(n)["members"])

    def test_three_nodes_become_one_cluster(self):
        c = self.cluster
        c.start_all(3)
        ids = {c.status(n)["cluster"] for n in (1, 2, 3)}
        self.assertEqual(len(ids), 1)
        self.eventually(lambda: self.roles(2) == ["voter"] * 3, "three voters", 30)
        self.assertEqual({c.leader(n) for n in (1, 2, 3)}, {1})
        self.assertEqual([m["labels"] for m in c.status(1)["members"]], [{}, {}, {}])

    def test_in_any_order_at_once(self):
        """Those that join wait for the first one, and for the secret that it makes nobody but a person can give them."""
        c = self.cluster
        first = c.start(1)
        secret = os.path.join(self.directory, "secret")
        shutil.copy(c.secret, secret)
        first.stop()
        shutil.rmtree(c.directory(1))
        c.args = ("--secret", secret)
        c.ports = {n: c.ports.get(n) or free_port() for n in (1, 2, 3)}
        for n in (3, 2):
            c.start(n, join=[1, 2, 3], wait=False)
        time.sleep(0.5)
        c.start(1)
        for n in (2, 3):
            c.nodes[n].await_ready()
        for n in (1, 2, 3):
            self.eventually(lambda: c.up(n) == 3, f"node {n} sees three members", 20)

    def test_identity_outlives_the_process(self):
        c = self.cluster
        c.start_all(3)
        before = {m["name"]: m["id"] for m in c.status(1)["members"]}
        for n in (2, 3, 1):
            c.stop(n) if n == 2 else c.kill(n)
        for n in (3, 1, 2):
            c.start(n, *([] if n == 1 else ["--secret", c.secret]), join=[])  # all else is in its directory
        for n in (1, 2, 3):
            self.eventually(lambda: c.up(n) == 3, f"node {n} sees three members again", 20)
            self.assertEqual({m["name"]: m["id"] for m in c.status(n)["members"]}, before)

    def test_the_directory_outlives_its_leader(self):
        c = self.cluster
        c.start_all(3)
        self.eventually(lambda: self.roles(1) == ["voter"] * 3, "three voters", 30)
        c.kill(1)
        self.eventually(lambda: c.leader(2) in (2, 3) and c.leader(2) == c.leader(3), "another leads", 20)
        self.eventually(lambda: c.member(2, 1)["state"] == "down", "the dead one is known to be", 20)
        c.start(1)
        self.eventually(lambda: c.up(2) == 3 and c.up(1) == 3, "it is back", 20)

    def test_who_stops_says_so(self):
        """Nobody waits for the lease of a node that was told to stop."""
        c = self.cluster
        c.start_all(3)
        self.eventually(lambda: self.roles(1) == ["voter"] * 3, "three voters", 30)
        leader = c.leader(1)
        other = 2 if leader != 2 else 3
        c.stop(leader)
        self.eventually(lambda: c.member(other, leader)["state"] == "down", "it is gone", 20)
        self.eventually(lambda: c.leader(other) not in (0, leader), "another leads", 20)

    def test_another_secret(self):
        c = self.cluster
        c.start(1)
        secret = os.path.join(self.directory, "other")
        with open(secret, "w") as f:
            f.write("0123456789abcdef0123456789abcdef")
        os.chmod(secret, 0o600)
        c.ports[2] = free_port()
        c.nodes[2] = Node(c.directory(2), "--name", "n2", "--listen", c.address(2), "--join", c.address(1), "--secret",
                          secret)
        self.eventually(lambda: "have different secrets" in c.nodes[2].log_text(), "why it is not let in", 20)
        self.assertIsNone(c.member(1, 2))

    def test_no_secret(self):
        c = self.cluster
        c.start(1)
        result = run("start", "--data", c.directory(2), "--listen", "127.0.0.1:0", "--join", c.address(1))
        self.assertEqual(result.returncode, 1)
        self.assertIn("without the secret of its cluster", result.stderr)

    def test_another_cluster(self):
        """Data of one cluster, started into another: where it is told of that, and where it finds out by itself."""
        c = self.cluster
        c.start(1)
        other = Node(os.path.join(self.directory, "other"), "--name", "other")
        other.stop()
        shutil.copy(c.secret, os.path.join(other.directory, "secret"))
        result = run("start", "--data", other.directory, "--listen", "127.0.0.1:0", "--join", c.address(1))
        self.assertEqual(result.returncode, 1)
        self.assertIn("is the data of a node of cluster", result.stderr)
        with open(os.path.join(other.directory, "contacts"), "w") as f:
            f.write(f"perdure contacts 1\n{c.status(1)['members'][0]['id']} {c.address(1)}\n")
        with open(os.path.join(other.directory, "identity")) as f:
            identity = re.sub("known .*", "known 0000000000000000", f.read()).replace("founded", "joined")
        with open(os.path.join(other.directory, "identity"), "w") as f:
            f.write(identity)
        Node(other.directory, "--name", "other")
        self.eventually(lambda: "belongs to cluster" in c.nodes[1].log_text(), "why it is refused", 20)
        self.assertEqual(len(c.status(1)["members"]), 1)


main()
