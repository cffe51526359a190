#!/usr/bin/python3
"""tests/e2e/test_limits.py: everything is bounded, and at each bound the answer is an error that says which, or a
pause: never a crash and never silence. Each test sets one limit very low and goes over it."""
import os
import pathlib
import socket
import time

from perdure import Case, RpcError, main


class Limits(Case):
    def test_a_full_mailbox_is_answered_overloaded(self):
        node = self.node("--plugin", self.bank(), "--mailbox", "4")
        with node.rpc() as rpc:
            calls = [rpc.send("account/busy.nap", 200) for _ in range(12)]
            good, refused = 0, []
            for call in calls:
                try:
                    self.assertTrue(rpc.wait(call))
                    good += 1
                except RpcError as error:
                    refused.append(error)
            self.assertIn(good, (4, 5, 6))
            for error in refused:
                self.assertEqual(error.code, "overloaded")
                self.assertIn("mailbox", error.message)
                self.assertGreater(error.error["retry_ms"], 0)
            self.assertEqual(rpc.call("account/idle.nap", 1), True, "another actor is not concerned")
            self.assertEqual(rpc.call("account/busy.nap", 1), True, "and this one takes calls again")

    def test_a_deadline_that_is_over_is_not_begun(self):
        node = self.node("--plugin", self.bank())
        with node.rpc() as rpc:
            self.assertEqual(rpc.call("account/a.show"), 0)  # its shard is open
            nap = rpc.send("account/a.nap", 400)
            late = rpc.send("_sys/conn.call", "account/a", "deposit", [5], {"deadline_ms": 100})
            began = time.monotonic()
            self.fails_with("deadline_exceeded", rpc.wait, late)
            self.assertLess(time.monotonic() - began, 0.35, "answered at the deadline, not when the mailbox moves on")
            self.assertTrue(rpc.wait(nap))
            self.assertEqual(rpc.call("account/a.show"), 0)

    def test_turns_that_wait_are_bounded(self):
        node = self.node("--plugin", self.bank(), "--turns", "16", "--threads", "1")
        with node.rpc() as rpc:
            calls = [rpc.send(f"account/w{n}.nap", 100) for n in range(200)]
            codes = set()
            for call in calls:
                try:
                    rpc.wait(call)
                except RpcError as error:
                    codes.add(error.code)
            self.assertLessEqual(codes, {"overloaded"})
            self.assertEqual(rpc.call("echo/x.ping", 1), 1)

    def state(self, rpc, address):
        rows = rpc.call("_sys/node.ps", address, None, 10)["actors"]
        return rows[0]["state"] if rows else None

    def test_idle_actors_leave_memory_and_come_back(self):
        node = self.node("--idle", "50ms", "--plugin", self.bank())
        with node.rpc() as rpc:
            rpc.call("counter/idle.add", 7)
            self.assertEqual([rpc.call("account/m.turns"), rpc.call("account/m.turns")], [101, 102])
            self.eventually(lambda: self.state(rpc, "counter/idle") == "passive", "the counter left memory")
            self.eventually(lambda: rpc.call("_sys/node.status")["actors"] == 0, "all did")
            self.assertEqual(rpc.call("counter/idle.add"), 8)
            self.assertEqual(rpc.call("account/m.turns"), 101, "volatile memory ended with the activation")

    def test_memory_is_bounded_by_eviction(self):
        node = self.node("--memory", "16MiB", "--store-buffer", "1MiB", "--store-cache", "1MiB")
        blob = os.urandom(20000)
        actors = 4000
        with node.rpc() as rpc:
            refused = 0
            for begin in range(0, actors, 50):
                for n in range(begin, begin + 50):
                    while True:
                        try:
                            rpc.call(f"kv/m{n}.put", "blob", blob)
                            break
                        except RpcError as error:
                            self.assertEqual(error.code, "overloaded", error)
                            refused += 1
                            time.sleep(error.error.get("retry_ms", 10) / 1000)
            status = rpc.call("_sys/node.status")
            self.assertLess(status["memory_bytes"], 17 << 20)
            self.assertGreater(status["evictions"], 1000)
            self.assertLess(refused, actors / 10)
            for n in range(0, actors, 37):
                self.assertEqual(rpc.call(f"kv/m{n}.get", "blob"), blob)

    def test_a_small_log_goes_round(self):
        """Ten times its size passes through it; what cannot be written at once is refused with no_space, or waits."""
        node = self.node("--log-size", "2MiB", "--log-segment", "1MiB", "--store-buffer", "1MiB")
        blob = os.urandom(50000)
        with node.rpc() as rpc:
            for n in range(400):
                def written():
                    try:
                        rpc.call(f"kv/l{n % 20}.put", "blob", blob + bytes([n % 256]))
                        return True
                    except RpcError as error:
                        self.assertEqual(error.code, "no_space", error)
                        return False
                self.eventually(written, "there is room for one more", 30)
            self.eventually(lambda: takes(rpc, "counter/still.add"), "there is room again")
        size = sum(f.stat().st_size for f in pathlib.Path(self.data, "log").iterdir())
        self.assertLessEqual(size, 4 << 20)
        node.kill()
        with self.node().rpc() as rpc:
            self.assertEqual(rpc.call("counter/still.get"), 1, "what was refused was not done")

    def test_connections_are_bounded(self):
        node = self.node("--connections", "5", "--threads", "1")
        open_ones = []

        def one_more():
            rpc = node.rpc()
            try:
                rpc.call("echo/x.ping", 1)
                open_ones.append(rpc)
                return True
            except ConnectionError:
                rpc.close()
                return False
        for _ in range(5):
            self.assertTrue(one_more())
        self.assertFalse(one_more() and one_more(), "far more than --connections are open")
        for rpc in open_ones[1:]:
            self.assertEqual(rpc.call("echo/x.ping", 2), 2, "those that are open stay")
        open_ones.pop(0).close()
        self.eventually(one_more, "a place that became free is taken")
        for rpc in open_ones:
            rpc.close()

    def test_a_connection_with_many_unanswered_calls_is_paused_not_cut(self):
        node = self.node("--outstanding", "8", "--plugin", self.bank())
        with node.rpc() as rpc:
            results = rpc.call_all([(f"account/o{n}.nap", 5) for n in range(200)])
            self.assertEqual(results, [True] * 200)

    def test_a_client_that_does_not_read_is_not_read(self):
        """200 MB of answers are asked for at once and left lying. The node keeps a few, and refuses the rest by name; it
        goes on when they are taken."""
        node = self.node(env={"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"})
        blob = b"x" * 64000
        asked = 3000
        with node.rpc() as rpc, node.rpc() as other:
            rpc.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            for n in range(10):
                rpc.call(f"kv/big{n}.put", "k", blob)
            before = rss_bytes(node.pid)
            for n in range(asked):
                rpc.send(f"kv/big{n % 10}.get", "k")
            for n in range(20):
                self.assertEqual(other.call("echo/x.ping", n), n, "others are served meanwhile")
                time.sleep(0.01)
            # ThreadSanitizer keeps several bytes of its own for each of ours.
            self.assertLess(rss_bytes(node.pid) - before, (512 if "TSAN_OPTIONS" in os.environ else 64) << 20)
            while len(rpc.answers) < asked:
                self.assertTrue(rpc.receive())
            good = 0
            for error, result in rpc.answers.values():
                if error is None:
                    self.assertEqual(result, blob)
                    good += 1
                else:
                    self.assertEqual(error["code"], "overloaded", error)
                    self.assertIn("unread", error["message"])
            self.assertGreater(good, 50)
            rpc.answers.clear()
            self.assertEqual(rpc.call("kv/big0.get", "k"), blob, "the connection is as good as before")


def takes(rpc, target):
    try:
        rpc.call(target)
        return True
    except RpcError as error:
        if error.code != "no_space":
            raise
        return False


def rss_bytes(pid):
    with open(f"/proc/{pid}/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
