#!/usr/bin/python3
"""tests/e2e/test_kill9.py: no acknowledged increment is lost when the node is killed with SIGKILL, fifty times over.

Several connections keep adding to many counters. The node is killed at a random moment; what it had already handed to
the kernel is still read, so the last answers count too. Then it starts on the same directory, and each counter must be
between what was acknowledged and what was sent. What was read then must never be missing later."""
import random
import select
import socket
import time

from perdure import Case, Node, main, msgpack

ROUNDS = 50
COUNTERS = 200
CONNECTIONS = 4
OUTSTANDING = 32
SEED = 20260722
# How the node is set makes no difference to what is promised: few and many threads, actors that leave memory at once,
# a log that goes round its segments every moment.
SETTINGS = ((), ("--threads", "1"), ("--threads", "4", "--idle", "10ms"),
            ("--log-segment", "1MiB", "--log-size", "64MiB"))


class Writer:
    """One connection that keeps OUTSTANDING adds on their way."""

    def __init__(self, address, ledger, rng):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), 10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.unpacker = msgpack.Unpacker()
        self.ledger, self.rng = ledger, rng
        self.waiting, self.msgid = {}, 0
        self.send(OUTSTANDING)

    def send(self, count):
        frames = []
        for _ in range(count):
            counter = self.rng.randrange(COUNTERS)
            self.msgid += 1
            self.waiting[self.msgid] = counter
            self.ledger.sent[counter] += 1
            frames.append(msgpack.packb([0, self.msgid, f"counter/k{counter}.add", [1]]))
        self.socket.sendall(b"".join(frames))

    def receive(self):
        """Answers that came; None when the connection has ended."""
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            return None
        if not data:
            return None
        self.unpacker.feed(data)
        count = 0
        for kind, msgid, error, result in self.unpacker:
            assert kind == 1 and error is None, (kind, msgid, error)
            self.ledger.acknowledge(self.waiting.pop(msgid), result)
            count += 1
        return count


class Ledger:
    """What the clients know: for each counter how many adds were sent, and the largest value that an answer named."""

    def __init__(self):
        self.sent, self.least = [0] * COUNTERS, [0] * COUNTERS
        self.seen = [set() for _ in range(COUNTERS)]
        self.acknowledged = 0

    def acknowledge(self, counter, value):
        assert value not in self.seen[counter], f"two adds to counter/k{counter} were both answered {value}"
        self.seen[counter].add(value)
        self.least[counter] = max(self.least[counter], value)
        self.acknowledged += 1

    def check(self, counter, value):
        assert self.least[counter] <= value <= self.sent[counter], (
            f"counter/k{counter} is {value}; {self.least[counter]} was acknowledged, {self.sent[counter]} were sent")
        self.least[counter] = value


class Kill9(Case):
    def load(self, node, ledger, rng, seconds):
        """Adds until the time is over, kills the node, reads what it left in the sockets."""
        writers = [Writer(node.address, ledger, rng) for _ in range(CONNECTIONS)]
        by_socket = {w.socket: w for w in writers}
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for ready in select.select(list(by_socket), [], [], 0.01)[0]:
                answered = by_socket[ready].receive()
                self.assertIsNotNone(answered, "the node closed a connection in mid-load")
                by_socket[ready].send(answered)
        node.kill()
        for writer in writers:
            while writer.receive() is not None:
                pass
            writer.socket.close()

    def verify(self, node, ledger):
        with node.rpc() as rpc:
            for counter, value in enumerate(rpc.call_all([(f"counter/k{c}.get",) for c in range(COUNTERS)])):
                ledger.check(counter, value)

    def test_fifty_kills_lose_nothing(self):
        rng = random.Random(SEED)
        ledger = Ledger()
        for n in range(ROUNDS):
            if n % 5 == 4:  # killed while it recovers, too
                recovering = self.node(wait=False)
                time.sleep(rng.uniform(0, 0.06))
                recovering.kill()
            node = self.node(*rng.choice(SETTINGS))
            self.verify(node, ledger)
            self.load(node, ledger, rng, rng.uniform(0.02, 0.3))
        node = self.node()
        self.verify(node, ledger)
        self.assertEqual(node.stop(), 0)
        print(f"{ROUNDS} kills, {sum(ledger.sent)} adds sent, {ledger.acknowledged} acknowledged, none lost")
        self.assertGreater(ledger.acknowledged, ROUNDS * 20, "too few answers: the kills hit an idle node")


if __name__ == "__main__":
    main()
