"""tests/e2e/test_sessions.py: exactly once, seen from outside: a retry under the same session and number is answered
from the record, on a new connection and after SIGKILL; takeover, expiry, the span. The client is stock msgpack-RPC."""
import time

import msgpack

from perdure import Case, Rpc, main

SPAN = 4096


class Session(Rpc):
    """One connection that holds a session; msgids are the test's to choose."""

    def __init__(self, address, session=b"", **more):
        super().__init__(address)
        self.unpacker = msgpack.Unpacker(raw=False, strict_map_key=False)
        try:
            self.hello = self.call_as(0xffffffff, "_sys/conn.hello", {"session": session, **more})
        except BaseException:
            self.close()
            raise
        self.session = self.hello["session"]

    def send_as(self, msgid, target, *args):
        self.socket.sendall(msgpack.packb([0, msgid, target, list(args)], use_bin_type=True))

    def call_as(self, msgid, target, *args):
        self.send_as(msgid, target, *args)
        return self.wait(msgid)


class Sessions(Case):
    def session(self, node, *args):
        """One that is closed with the test."""
        session = Session(node.address, *args)
        self.addCleanup(session.close)
        return session

    def total(self, node, name="counter/s"):
        with node.rpc() as rpc:
            return rpc.call(name + ".get")

    def test_a_retry_is_answered_from_the_record(self):
        node = self.node()
        with self.session(node) as one:
            self.assertEqual(len(one.session), 28)
            self.assertEqual(one.hello["limits"]["session_span"], SPAN)
            self.assertEqual(one.call_as(1, "counter/s.add", 5), 5)
            self.assertEqual(one.call_as(1, "counter/s.add", 5), 5)
            self.assertEqual(one.call_as(2, "counter/s.add", 5), 10)
            self.assertEqual(one.call_as(1, "counter/s.add", 5), 5)
        with self.session(node, one.session) as two:
            self.assertEqual(two.session, one.session)
            self.assertEqual(two.call_as(2, "counter/s.add", 5), 10)
            self.assertEqual(two.call_as(3, "counter/s.add", 1), 11)
        with self.session(node) as other:
            self.assertNotEqual(other.session, one.session)
            self.assertEqual(other.call_as(1, "counter/s.add", 1), 12)

    def test_the_record_outlives_kill_9(self):
        node = self.node()
        one = self.session(node)
        names = [f"counter/k{n}.add" for n in range(200)]
        first = [one.call_as(n + 1, name, 1) for n, name in enumerate(names)]
        for _ in range(3):
            node.kill()
            node = self.node()
            with self.session(node, one.session) as again:
                self.assertEqual([again.call_as(n + 1, name, 1) for n, name in enumerate(names)], first)
        self.assertEqual(node.stop(), 0)
        node = self.node()
        with self.session(node, one.session) as again:
            self.assertEqual([again.call_as(n + 1, name, 1) for n, name in enumerate(names)], first)
            self.assertEqual(again.call_as(9999, names[0], 1), 2)
        self.assertEqual(self.total(node, "counter/k7"), 1)

    def test_an_unanswered_call_is_sent_again_after_kill_9(self):
        node = self.node()
        done = 0
        one = self.session(node)
        for round_ in range(5):
            msgids = list(range(round_ * 100 + 1, round_ * 100 + 101))
            one.socket.sendall(b"".join(msgpack.packb([0, m, "counter/s.add", [1]]) for m in msgids))
            if round_ % 2 == 0:
                one.wait(msgids[10])
            node.kill()
            node = self.node()
            one = self.session(node, one.session)
            answers = [one.call_as(m, "counter/s.add", 1) for m in msgids]
            self.assertEqual(len(set(answers)), 100, "each number's add happened once")
            done += 100
            self.assertEqual(self.total(node), done)

    def test_a_failure_is_a_result_too(self):
        node = self.node("--plugin", self.bank())
        with self.session(node) as one:
            error = self.fails_with("insufficient_funds", one.call_as, 1, "account/a.withdraw", 5)
            self.assertEqual(one.call_as(2, "account/a.deposit", 5), 5)
            again = self.fails_with("insufficient_funds", one.call_as, 1, "account/a.withdraw", 5)
            self.assertEqual(again.error, error.error)
            self.assertIs(error.error["final"], True)
            self.assertEqual(one.call_as(3, "account/a.withdraw", 5), 0)
        node.kill()
        node = self.node("--plugin", self.bank())
        with self.session(node, one.session) as two:
            again = self.fails_with("insufficient_funds", two.call_as, 1, "account/a.withdraw", 5)
            self.assertEqual(again.message, error.message)

    def test_a_turn_that_was_cut_off_is_not_run_again(self):
        node = self.node("--plugin", self.bank())
        with self.session(node) as one:
            one.call_as(1, "account/a.deposit", 10)
            one.send_as(2, "account/b.nap", 60000)
            one.send_as(3, "account/a.transfer", "account/b", 4)  # waits for b
            with node.rpc() as rpc:
                self.eventually(lambda: self.waiting_at(rpc, "account/b") > 0, "the deposit waits at b")
        node.kill()
        node = self.node("--plugin", self.bank())
        with self.session(node, one.session) as two:
            error = self.fails_with("cancelled", two.call_as, 3, "account/a.transfer", "account/b", 4)
            self.assertIn("cut off", error.message)
            self.assertEqual(two.call_as(4, "account/a.show"), 6)
            self.assertEqual(two.call_as(5, "account/b.show"), 0)
            self.fails_with("cancelled", two.call_as, 3, "account/a.transfer", "account/b", 4)

    @staticmethod
    def waiting_at(rpc, address):
        return sum(row["mailbox"] for row in rpc.call("_sys/node.ps", {"prefix": address})["actors"])

    def test_a_copy_waits_for_the_first(self):
        node = self.node("--plugin", self.bank())
        one = self.session(node)
        one.call_as(1, "account/a.deposit", 10)
        one.send_as(2, "account/b.nap", 500)
        one.send_as(3, "account/a.transfer", "account/b", 4)
        two = self.session(node, one.session)
        self.assertEqual(two.call_as(3, "account/a.transfer", "account/b", 4), 4)
        self.assertTrue(two.call_as(2, "account/b.nap", 500))
        self.assertEqual(two.call_as(4, "account/a.show"), 6)

    def test_a_newer_hello_takes_the_session_over(self):
        node = self.node()
        one = self.session(node)
        self.assertEqual(one.call_as(1, "counter/s.add", 1), 1)
        two = self.session(node, one.session)
        self.assertTrue(one.read_to_end())
        self.assertEqual([n[0] for n in one.notifications], ["_sys/conn.closed"])
        self.assertEqual(one.notifications[0][1][0]["code"], "cancelled")
        self.assertEqual(two.call_as(1, "counter/s.add", 1), 1)
        two.close()

    def test_unknown_and_expired(self):
        node = self.node("--session-idle", "200ms")
        for unknown in (b"x", b"\0" * 28, b"\xff" * 28, b"\0" * 64):
            self.fails_with("session_expired", self.session, node, unknown)
        one = self.session(node)
        one.call_as(1, "counter/s.add", 1)
        time.sleep(0.5)  # it is held: it does not end
        self.assertEqual(one.call_as(1, "counter/s.add", 1), 1)
        one.close()
        time.sleep(0.6)
        self.fails_with("session_expired", self.session, node, one.session)
        node.kill()
        node = self.node()
        self.fails_with("session_expired", self.session, node, one.session)
        self.assertEqual(self.total(node), 1)

    def test_what_comes_behind_a_refused_hello_is_not_run(self):
        node = self.node()
        with node.rpc() as rpc:
            msgids = [rpc.send("_sys/conn.hello", {"session": b"gone"}), rpc.send("counter/s.add", 1)]
            for msgid in msgids:
                self.fails_with("session_expired", rpc.wait, msgid)
            rpc.call("_sys/conn.hello", {})
            self.assertEqual(rpc.call("counter/s.add", 1), 1)

    def test_what_comes_behind_hello_is_under_the_session(self):
        node = self.node()
        with self.session(node) as one:
            one.call_as(1, "counter/s.add", 1)
        with node.rpc() as rpc:
            rpc.msgids = iter([7, 1])
            hello, add = rpc.send("_sys/conn.hello", {"session": one.session}), rpc.send("counter/s.add", 1)
            self.assertEqual(rpc.wait(add), 1)
            self.assertEqual(rpc.wait(hello)["session"], one.session)
            self.assertEqual(self.total(node), 1)

    def test_acknowledged_numbers_and_the_span(self):
        node = self.node()
        with self.session(node) as one:
            for n in range(1, 5):
                one.call_as(n, "counter/s.add", 1)
            one.notify("_sys/conn.ack", 3)
            self.fails_with("invalid", one.call_as, 2, "counter/s.add", 1)
            self.assertEqual(one.call_as(3, "counter/s.add", 1), 3)
            one.call_as(4 + SPAN - 1, "counter/s.add", 1)  # the lowest that is left is 4
            self.assertEqual(one.call_as(4, "counter/s.add", 1), 4)
            self.fails_with("invalid", one.call_as, 3, "counter/s.add", 1)
            one.call_as(4 + SPAN, "counter/s.add", 1)
            self.fails_with("invalid", one.call_as, 4, "counter/s.add", 1)
            self.fails_with("invalid", one.call, "_sys/conn.ack", "three")
        node.kill()
        node = self.node()
        with self.session(node, one.session) as again:
            self.fails_with("invalid", again.call_as, 4, "counter/s.add", 1)
            self.assertEqual(again.call_as(4 + SPAN, "counter/s.add", 1), 6)

    def test_options_carry_number_and_acknowledgement(self):
        node = self.node()
        number = 1 << 40
        with self.session(node) as one:
            call = ("_sys/conn.call", "counter/s", "add", [1])
            self.assertEqual(one.call_as(1, *call, {"id": number}), 1)
            self.assertEqual(one.call_as(2, *call, {"id": number}), 1)
            self.assertEqual(one.call_as(3, *call, {"id": number + 1, "ack_below": number + 1}), 2)
            self.fails_with("invalid", one.call_as, 4, *call, {"id": number})

    def test_a_number_is_one_call(self):
        node = self.node()
        with self.session(node) as one:
            one.call_as(1, "counter/s.add", 1)
            self.fails_with("invalid", one.call_as, 1, "counter/s.add", 2)

    def test_full_span_of_answers_at_once(self):
        node = self.node()
        with self.session(node) as one:
            one.send_all(b"".join(msgpack.packb([0, m, f"counter/f{m % 50}.add", [1]]) for m in range(1, SPAN + 1)))
            first = [one.wait(m) for m in range(1, SPAN + 1)]
        node.kill()
        node = self.node()
        with self.session(node, one.session) as one:
            one.send_all(b"".join(msgpack.packb([0, m, f"counter/f{m % 50}.add", [1]]) for m in range(1, SPAN + 1)))
            self.assertEqual([one.wait(m) for m in range(1, SPAN + 1)], first)

    def test_the_limit_of_sessions(self):
        node = self.node("--sessions", "4", "--threads", "1")
        held = [self.session(node) for _ in range(5)]  # 4, and the one that each core has for rounding
        error = self.fails_with("overloaded", self.session, node)
        self.assertIn("limit sessions", error.message)
        self.assertEqual(held[0].call_as(1, "counter/s.add", 1), 1)
        for one in held:
            one.close()


if __name__ == "__main__":
    main()
