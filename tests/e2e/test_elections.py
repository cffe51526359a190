#!/usr/bin/python3
"""tests/e2e/test_elections.py: elections over real processes: `perdure elect`, watches, actors' way of asking, kill -9 of
holders, of nodes, and of the directory's leader."""
import json
import os
import signal
import subprocess
import time

from cluster import Cluster
from perdure import BIN, Case, main, run


class Elector:
    """`perdure elect campaign`; its lines come in the order of its life."""

    def __init__(self, node, name, *args):
        self.process = subprocess.Popen([BIN, "elect", "campaign", name, "--node", node, *args], stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)

    def line(self):
        return json.loads(self.process.stdout.readline())

    def end(self, number):
        self.process.send_signal(number)
        self.process.wait(timeout=20)
        self.process.stdout.close()
        return self.process.returncode


class Elections(Case):
    def setUp(self):
        super().setUp()
        self.server = self.node()
        self.rpc = self.server.rpc()

    def tearDown(self):
        self.rpc.close()
        super().tearDown()

    def elector(self, name, *args):
        return Elector(self.server.address, name, *args)

    def leader(self, name):
        return self.rpc.call(f"election/{name}.leader")

    def test_order_of_arrival_and_tokens_that_grow(self):
        one = self.elector("e", "--value", '"one"')
        first = one.line()["token"]
        two = self.elector("e", "--value", '"two"')
        self.eventually(lambda: self.leader("e")["candidates"] == 2, "two candidates")
        self.assertEqual(self.leader("e"), {"token": first, "value": "one", "candidates": 2})
        self.assertEqual(one.end(signal.SIGTERM), 0)
        second = two.line()["token"]
        self.assertGreater(second, first)
        self.assertEqual(two.end(signal.SIGINT), 0)
        self.assertEqual(self.leader("e"), {"token": 0, "value": None, "candidates": 0})
        again = self.elector("e")
        self.assertGreater(again.line()["token"], second)
        again.end(signal.SIGTERM)

    def test_a_holder_that_is_killed_is_followed_after_its_lease(self):
        one = self.elector("e", "--lease", "1s")
        one.line()
        two = self.elector("e", "--lease", "1s")
        self.eventually(lambda: self.leader("e")["candidates"] == 2, "two candidates")
        began = time.monotonic()
        one.end(signal.SIGKILL)
        self.assertTrue(two.line()["elected"])
        self.assertLess(time.monotonic() - began, 3)
        two.end(signal.SIGTERM)

    def test_tokens_go_on_over_kill_9_of_the_node(self):
        token = self.rpc.call("election/e.campaign", 1, {"id": 5, "lease_ms": 60000})["token"]
        self.rpc.close()
        self.server.kill()
        self.server = self.node("--listen", self.server.address)
        self.rpc = self.server.rpc()
        self.assertEqual(self.leader("e")["token"], token)
        self.assertTrue(self.rpc.call("election/e.keep", {"id": 5})["elected"])
        self.assertTrue(self.rpc.call("election/e.resign", {"id": 5}))
        self.assertGreater(self.rpc.call("election/e.campaign", 1, {"id": 6})["token"], token)

    def test_run_has_the_token_and_ends_as_its_command_does(self):
        env = dict(os.environ, PERDURE_NODE=self.server.address)
        result = run("elect", "run", "job", "--", "sh", "-c", "echo $PERDURE_TOKEN $PERDURE_ELECTION; exit 7", env=env)
        self.assertEqual(result.returncode, 7, result)
        token, name = result.stdout.split()
        self.assertGreater(int(token), 0)
        self.assertEqual(name, "job")
        self.assertEqual(run("elect", "run", "job", "--", "no-such-program", env=env).returncode, 127)
        self.assertEqual(self.leader("job")["candidates"], 0)

    def test_run_stops_its_command_before_the_lease_can_be_lost(self):
        path = os.path.join(self.directory, "beats")
        script = f"trap '' TERM; while :; do date +%s.%N >> {path}; sleep 0.05; done"
        process = subprocess.Popen([BIN, "elect", "run", "job", "--lease", "2s", "--node", self.server.address, "--", "sh",
                                    "-c", script], stderr=subprocess.DEVNULL)
        self.eventually(lambda: os.path.exists(path), "it runs")
        stopped = time.time()
        os.kill(self.server.pid, signal.SIGSTOP)
        try:
            self.assertEqual(process.wait(timeout=20), 128 + signal.SIGKILL)
        finally:
            os.kill(self.server.pid, signal.SIGCONT)
        with open(path) as beats:
            last = float(beats.read().split()[-1])
        self.assertLess(last, stopped + 2)

    def test_who_watches_hears_of_each_leader(self):
        token = self.rpc.call("election/e.campaign", "a", {"id": 5})["token"]
        other = self.server.rpc()
        other.call("_sys/conn.watch", "election/e", {"seq": True})
        self.assertEqual(self.event(other), [{"token": token, "value": "a", "candidates": 1}, token])
        waits = self.rpc.send("election/e.campaign", "b", {"id": 6})
        self.eventually(lambda: self.server_leader()["candidates"] == 2, "two candidates")
        other.call("election/e.resign", {"token": token})
        elected = self.rpc.wait(waits)
        self.assertTrue(elected["elected"])
        self.assertEqual(self.event(other), [{"token": elected["token"], "value": "b", "candidates": 1}, elected["token"]])
        other.call("election/e.resign", {"id": 6})
        event, seq = self.event(other)
        self.assertEqual(event, {"token": 0, "value": None, "candidates": 0})
        self.assertGreater(seq, elected["token"])
        other.close()

    def server_leader(self):
        with self.server.rpc() as rpc:
            return rpc.call("election/e.leader")

    def event(self, rpc):
        while not rpc.notifications:
            self.assertTrue(rpc.receive(), "the connection has ended")
        to, args = rpc.notifications.pop(0)
        self.assertEqual(to, "election/e")
        return args

    def test_refusals_say_why(self):
        call = self.rpc.call
        self.fails_with("invalid", call, "election/e.campaign", 1, {"lease_ms": 1})
        self.fails_with("invalid", call, "election/e.campaign", 1, {"id": 0})
        self.fails_with("too_large", call, "election/e.campaign", "x" * 600)
        self.fails_with("invalid", call, "election/e.keep")
        self.fails_with("invalid", call, "election/e.keep_all", [])
        self.fails_with("not_found", call, "election/e.keep", {"id": 9})
        self.fails_with("not_found", call, "election/e.resign", {"id": 9})
        self.fails_with("not_found", call, "election/e.lead")
        self.assertEqual(call("election/e.keep_all", [9]), [9])


class Cluster3(Case):
    def setUp(self):
        super().setUp()
        self.cluster = Cluster(self)
        self.cluster.start_all(3)
        self.eventually(lambda: [m["role"] for m in self.cluster.status(1)["members"]] == ["voter"] * 3, "voters", 30)

    def test_a_holder_outlives_its_node_and_the_directory_s_leader(self):
        c = self.cluster
        nodes = ",".join(c.address(n) for n in (2, 1, 3))
        holder = Elector(nodes, "e", "--lease", "4s")
        token = holder.line()["token"]
        waiter = Elector(c.address(3), "e", "--lease", "4s")
        self.eventually(lambda: self.leader(3)["candidates"] == 2, "two candidates")
        c.kill(2)  # the holder's node
        time.sleep(1)
        self.assertEqual(self.leader(3)["token"], token)
        c.start(2)
        self.eventually(lambda: c.up(3) == 3, "three nodes", 30)
        c.kill(1)  # the directory's leader
        self.eventually(lambda: self.leader(3, quietly=True).get("token") == token, "the same leader", 20)
        holder.end(signal.SIGTERM)
        self.assertGreater(waiter.line()["token"], token)
        waiter.end(signal.SIGTERM)

    def leader(self, n, quietly=False):
        result = run("elect", "leader", "e", node=self.cluster.address(n))
        return json.loads(result.stdout) if result.returncode == 0 or not quietly else {}


if __name__ == "__main__":
    main()
