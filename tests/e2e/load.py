"""tests/e2e/load.py: counters that are called all the time, through each node of a cluster, on each owner.

For each pair (node that takes the call, node that owns the actor) there is a caller without a session. A pair is
`touched` while the test says that a fault may be seen there; a call that neither began nor ended in such a time must
not fail. For each node there is a caller under a session, with one call to each owner at a time, that asks again under
the same number until it has an answer, at another node if its own is away: its calls are done once each, whatever
happens."""
import socket
import threading
import time

import msgpack

from perdure import Rpc, RpcError

PAUSE_S = 0.01
DEADLINE_MS = 20000
AWAY = (OSError, ConnectionError, RuntimeError)


class Caller(threading.Thread):
    """Of one pair."""

    def __init__(self, load, taker, owner, actor):
        super().__init__(daemon=True)
        self.load, self.pair, self.actor = load, (taker, owner), actor
        self.rpc, self.sent, self.done, self.slowest = None, 0, 0, (0, 0)

    def run(self):
        while not self.load.stopping.wait(PAUSE_S):
            was, began = self.pair in self.load.touched, time.monotonic()
            try:
                if self.rpc is None:
                    self.rpc = Rpc(self.load.address(self.pair[0]), 2 * DEADLINE_MS / 1000)
                self.once()
            except RpcError as error:
                self.failed(was, error)
            except AWAY as error:
                self.close()
                self.failed(was, repr(error))
            if not was and self.pair not in self.load.touched and not self.load.stopping.is_set():
                self.slowest = max(self.slowest, (time.monotonic() - began, began - self.load.began))

    def once(self):
        self.sent += 1
        self.rpc.call("_sys/conn.call", self.actor, "add", [1], {"deadline_ms": DEADLINE_MS})
        self.done += 1
        if self.done % 4 == 0 and self.pair[1] not in self.load.unleased:
            value = self.rpc.call("_sys/conn.call", self.actor, "get", [], {"deadline_ms": DEADLINE_MS})
            if not self.done <= value <= self.sent:
                self.load.errors.append(f"{self.actor} is {value}, after {self.done} of {self.sent} were answered")

    def failed(self, was, error):
        if not was and self.pair not in self.load.touched and not self.load.stopping.is_set():
            self.load.errors.append(f"node {self.pair[0]}, owner {self.pair[1]}, {self.load.seconds():.1f} s: {error}")

    def close(self):
        if self.rpc is not None:
            self.rpc.close()
            self.rpc = None


class SessionCaller(threading.Thread):
    """Of one node."""

    def __init__(self, load, home, actors):
        super().__init__(daemon=True)
        self.load, self.home, self.actors = load, home, actors
        self.rpc, self.session, self.number, self.waiting = None, b"", 0, {}
        self.issued = {a: 0 for a in actors}
        self.turn, self.again = 0, 0

    def run(self):
        while not self.load.ended.is_set() and (self.waiting or not self.load.stopping.is_set()):
            try:
                if self.rpc is None:
                    self.connect()
                if not self.load.stopping.is_set():
                    self.issue()
                self.rpc.socket.settimeout(0.1)
                try:
                    if not self.rpc.receive():
                        raise ConnectionError
                except socket.timeout:
                    pass
                self.take()
            except (RpcError, *AWAY) as error:
                if isinstance(error, RpcError) and error.code == "session_expired":
                    self.load.errors.append(f"the session of node {self.home}: {error}")
                    return
                self.close()
                self.turn += 1
                self.load.ended.wait(0.1)

    def connect(self):
        """At its own node, and if that does not do it at the next."""
        nodes = sorted(self.load.nodes, key=lambda n: n != self.home)
        self.rpc = Rpc(self.load.address(nodes[self.turn % len(nodes)]), 3)
        hello = self.rpc.call("_sys/conn.hello", {"session": self.session})
        self.session = hello["session"]
        self.rpc.unpacker = msgpack.Unpacker(raw=False, strict_map_key=False)
        for number, actor in self.waiting.items():
            self.again += 1
            self.send(number, actor)

    def issue(self):
        for actor in set(self.actors) - set(self.waiting.values()):
            self.number += 1
            self.waiting[self.number] = actor
            self.issued[actor] += 1
            self.send(self.number, actor)
        self.load.stopping.wait(PAUSE_S)

    def send(self, number, actor):
        self.rpc.socket.sendall(msgpack.packb([0, number, f"{actor}.add", [1]], use_bin_type=True))

    def take(self):
        for number in [n for n in self.rpc.answers if n in self.waiting]:
            error, _ = self.rpc.answers.pop(number)
            if error is None:
                del self.waiting[number]
            elif error.get("final"):
                self.load.errors.append(f"under a session, {self.waiting.pop(number)}: {error}")
            else:
                self.again += 1
                self.send(number, self.waiting[number])

    def close(self):
        if self.rpc is not None:
            self.rpc.close()
            self.rpc = None


class Load:
    """Begins at once. `owned(owner, count)`: names of so many actors that it owns."""

    def __init__(self, test, nodes, address, owned):
        self.test, self.nodes, self.address = test, list(nodes), address
        self.touched, self.unleased, self.errors, self.began = set(), set(), [], time.monotonic()
        self.stopping, self.ended = threading.Event(), threading.Event()
        actors = {o: owned(o, 2 * len(self.nodes)) for o in self.nodes}
        self.callers = [Caller(self, t, o, actors[o].pop()) for t in self.nodes for o in self.nodes]
        self.sessions = [SessionCaller(self, t, [actors[o].pop() for o in self.nodes]) for t in self.nodes]
        for thread in (*self.callers, *self.sessions):
            thread.start()
        test.addCleanup(self.end)

    def seconds(self):
        return time.monotonic() - self.began

    def touch(self, *sides, unleased=()):
        """Only pairs within one of `sides` are free of the fault. None: no pair is. The `unleased` will have no lease
        by which to answer readers, so these are not called there."""
        self.unleased = set(unleased)
        self.touched = {c.pair for c in self.callers if not any(set(c.pair) <= set(side) for side in sides)}

    def heal(self):
        self.touched, self.unleased = set(), set()

    def goes_on(self, calls=20):
        """Every untouched pair has so many more calls answered."""
        want = [(c, c.done + calls) for c in self.callers if c.pair not in self.touched]
        self.test.assertTrue(want or self.touched)
        try:
            self.test.eventually(lambda: self.errors or all(c.done >= n for c, n in want), "calls are answered", 20)
        except AssertionError:
            self.test.fail(f"nothing stands in the way, and no answer: {[c.pair for c, n in want if c.done < n]}")
        self.test.assertEqual(self.errors, [])

    def end(self):
        self.stopping.set()
        self.ended.set()
        for caller in self.callers:
            if caller.rpc is not None:
                try:
                    caller.rpc.socket.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        for thread in (*self.callers, *self.sessions):
            thread.join(10)
            thread.close()

    def judge(self):
        """All is healed: nothing was lost, nothing was done twice."""
        self.goes_on()
        self.stopping.set()
        self.test.eventually(lambda: not any(s.is_alive() for s in self.sessions), "what was asked under a session is "
                             "answered in the end", 30)
        self.end()
        self.test.assertEqual(self.errors, [])
        with Rpc(self.address(self.nodes[0])) as rpc:
            for s in self.sessions:
                for actor, issued in s.issued.items():
                    self.test.assertEqual(rpc.call(actor + ".get"), issued, f"{actor}, under the session of {s.home}")
            for c in self.callers:
                value = rpc.call(c.actor + ".get")
                self.test.assertTrue(c.done <= value <= c.sent, f"{c.actor}: {value}, done {c.done} of {c.sent}")
        calls, slowest = sum(c.done for c in self.callers), max(self.callers, key=lambda c: c.slowest)
        issued, again = sum(sum(s.issued.values()) for s in self.sessions), sum(s.again for s in self.sessions)
        took, when = slowest.slowest
        return (f"{calls} calls in {self.seconds():.1f} s, the slowest that nothing touched {took * 1000:.0f} ms (node "
                f"{slowest.pair[0]}, owner {slowest.pair[1]}, at {when:.1f} s); {issued} under sessions, asked again {again}")
