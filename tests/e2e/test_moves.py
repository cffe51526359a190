#!/usr/bin/python3
"""tests/e2e/test_moves.py: shards go from node to node with all that they have, while clients of all nodes call them:
nothing that was acknowledged is lost, nothing runs twice, and no client with a session sees more than a pause."""
import threading
import time

import msgpack

from cluster import Cluster
from perdure import Case, Rpc, RpcError, main, output_json, run

COUNTERS = 24
RETRIES_S = 30  # of one call


class Adder(threading.Thread):
    """A client with a session that goes on with the next node when one does not answer: adds 1 to counter after
    counter. `sent` and `slowest` are to be read when it has ended."""

    def __init__(self, addresses, offset):
        super().__init__(daemon=True)
        self.addresses, self.at, self.offset = list(addresses), offset, offset
        self.session, self.rpc, self.failure = b"", None, None
        self.sent, self.retries, self.slowest, self.ends = {}, 0, 0.0, False

    def connect(self):
        address = self.addresses[self.at % len(self.addresses)]
        self.rpc = Rpc(address, timeout=5)
        self.call_as(0xffffffff, "_sys/conn.hello", {"session": self.session}, keep=True)

    def call_as(self, msgid, target, *args, keep=False):
        self.rpc.socket.sendall(msgpack.packb([0, msgid, target, list(args)], use_bin_type=True))
        result = self.rpc.wait(msgid)
        if keep:
            self.session = result["session"]
        return result

    def add(self, n, name):
        """Once, however often it has to be sent."""
        until = time.monotonic() + RETRIES_S
        while True:
            try:
                if self.rpc is None:
                    self.connect()
                return self.call_as(n, name + ".add", 1)
            except (OSError, RpcError) as error:
                if isinstance(error, RpcError) and error.code not in ("unavailable", "overloaded", "moved", "cancelled",
                                                                       "deadline"):
                    raise
                if time.monotonic() > until:
                    raise
                self.retries += 1
                if not isinstance(error, RpcError):
                    self.leave()
                    self.at += 1
                time.sleep(0.01)

    def leave(self):
        if self.rpc is not None:
            self.rpc.close()
            self.rpc = None

    def run(self):
        n = 0
        try:
            while not self.ends:
                n += 1
                name = f"counter/m{(n * 7 + self.offset) % COUNTERS}"
                began = time.monotonic()
                self.add(n, name)
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.sent[name] = self.sent.get(name, 0) + 1
        except BaseException as error:  # the test tells of it
            self.failure = error
        self.leave()


class Moves(Case):
    def setUp(self):
        super().setUp()
        self.cluster = Cluster(self)

    def begin(self, count=3):
        self.cluster.start_all(count)
        self.adders = [Adder([self.cluster.address(n) for n in self.cluster.nodes], k) for k in range(count)]
        for adder in self.adders:
            adder.start()

    def end(self, what):
        """Clients stop, and every counter has what they were acknowledged, whichever node is asked."""
        for adder in self.adders:
            adder.ends = True
        for adder in self.adders:
            adder.join(60)
            self.assertFalse(adder.is_alive())
            if adder.failure is not None:
                raise adder.failure
        calls, retries = sum(sum(a.sent.values()) for a in self.adders), sum(a.retries for a in self.adders)
        print(f"{what}: {calls} calls, {retries} retries, the longest took "
              f"{max(a.slowest for a in self.adders) * 1000:.0f} ms")
        self.assertGreater(calls, 0)
        for n in self.cluster.nodes:
            with Rpc(self.cluster.address(n)) as rpc:
                for k in range(COUNTERS):
                    name = f"counter/m{k}"
                    self.assertEqual(rpc.call(name + ".get"), sum(a.sent.get(name, 0) for a in self.adders), name)

    def command(self, *args):
        result = run(*args, node=self.cluster.address(1), timeout=90)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result.stdout

    def move(self, k, to):
        """Moves the counter's shard, and waits until it is there."""
        answer = output_json(self, run("move", f"counter/m{k}", f"n{to}", "--json", node=self.cluster.address(1)))
        shard = answer["shard"]
        self.eventually(lambda: self.leads(shard) == f"n{to}", f"shard {shard} is led by n{to}", 30)

    def leads(self, shard):
        with Rpc(self.cluster.address(1)) as rpc:
            return rpc.call("_sys/directory.shard", shard)["primary"]

    def test_moves_under_load(self):
        self.begin()
        time.sleep(0.3)
        for turn in range(3):
            for k in range(4):
                self.move(k, 1 + (turn + k) % 3)
        self.end("moves")

    def test_drain_and_remove(self):
        self.begin()
        time.sleep(0.3)
        began = time.monotonic()
        self.command("drain", "n3")
        print(f"drained in {time.monotonic() - began:.1f} s")
        for adder in self.adders:
            adder.addresses = [self.cluster.address(1), self.cluster.address(2)]
        self.command("remove", "n3")
        self.cluster.nodes.pop(3).kill()
        time.sleep(0.3)
        self.end("drain")

    def test_kill_9_while_shards_move(self):
        """Either side of what is under way, and whoever leads the directory."""
        self.begin()
        time.sleep(0.3)
        for n in (2, 3, 1):
            other = 1 if n != 1 else 2
            for k in range(8):
                run("move", f"counter/m{k}", f"n{1 + (n + k) % 3}", node=self.cluster.address(other))
            time.sleep(0.02 * n)
            self.cluster.kill(n)
            time.sleep(0.2)
            self.cluster.start(n, *([] if n == 1 else ["--secret", self.cluster.secret]), join=[])
            self.eventually(lambda: self.cluster.up(n) == 3, f"node {n} is back", 30)
        time.sleep(0.5)
        self.end("kill -9")

    def test_a_large_shard(self):
        """Many chunks, and rows that take several parts."""
        self.cluster.start_all(2)
        values = {f"v{i}": bytes([65 + i]) * (i * 50_000 + 1) for i in range(16)}
        with Rpc(self.cluster.address(1)) as rpc:
            for key, value in values.items():
                rpc.call("kv/large.put", key, value)
            shard = rpc.call("_sys/directory.shard", "kv/large")
            to = "n1" if shard["primary"] == "n2" else "n2"
        began = time.monotonic()
        self.command("move", "kv/large", to)
        self.eventually(lambda: self.leads(shard["shard"]) == to, f"it is led by {to}", 30)
        print(f"{sum(len(v) for v in values.values()) / 1e6:.1f} MB moved in {time.monotonic() - began:.2f} s")
        for n in (1, 2):
            with Rpc(self.cluster.address(n)) as rpc:
                for key, value in values.items():
                    self.assertEqual(rpc.call("kv/large.get", key), value)

    def shares(self):
        with Rpc(self.cluster.address(1)) as rpc:
            return sorted(m["leads"] for m in rpc.call("_sys/directory.members"))

    def test_a_node_that_joins_gets_its_share(self):
        """But not in a pause, in which a person's moves go on."""
        self.begin(1)
        self.command("rebalance", "pause")
        self.cluster.start(2)
        self.eventually(lambda: self.cluster.up(1) == 2, "node 1 sees it", 20)
        self.move(0, 2)
        self.move(1, 2)
        self.assertEqual(self.shares(), [2, 254])
        self.command("rebalance", "resume")
        self.eventually(lambda: self.shares()[0] >= 112, "both have as many", 60)
        self.end("join")

    def test_a_pin_takes_its_actor_along(self):
        """From node to node, and to whichever has a label; the others stay."""
        self.cluster.start_all(2)
        self.cluster.start(3, "--label", "gpu=h100")
        self.eventually(lambda: self.cluster.up(1) == 3, "three nodes", 20)
        for where, home in ((("--node", "n2", "--empty"), "n2"), (("--node", "n1"), "n1"), (("--label", "gpu=h100"), "n3")):
            pinned = output_json(self, run("pin", "counter/{p}/a", *where, "--json", "--at", self.cluster.address(1)))
            self.assertEqual(pinned["group"], "counter/p")
            self.eventually(lambda: self.leads(pinned["shard"]) == home, f"it is led by {home}", 30)
            with Rpc(self.cluster.address(2)) as rpc:
                self.assertEqual(rpc.call("_sys/directory.shard", "counter/{p}/b")["shard"], pinned["shard"])
                self.assertNotEqual(rpc.call("_sys/directory.shard", "counter/p2")["shard"], pinned["shard"])
                for name in ("counter/{p}/a", "counter/{p}/b"):
                    rpc.call(name + ".add", 1)
        for n in (1, 2, 3):
            with Rpc(self.cluster.address(n)) as rpc:
                self.assertEqual([rpc.call(f"counter/{{p}}/{k}.get") for k in "ab"], [3, 3])


main()
