#!/usr/bin/python3
"""tests/e2e/test_python_client.py: a stock msgpack-RPC client, nothing of ours in it, gets all that is promised."""
import threading
import time

from perdure import Case, main, msgpack


class PythonClient(Case):
    def setUp(self):
        super().setUp()
        self.server = self.node()
        self.rpc = self.server.rpc()

    def tearDown(self):
        self.rpc.close()
        super().tearDown()

    def test_echo_brings_back_every_kind_of_value(self):
        for value in (None, True, False, 0, -1, 127, 128, -129, 2**31, -2**31 - 1, 2**63 - 1, -2**63, 2**64 - 1, 1.5,
                      "", "ä€😀", b"", b"\x00\xff" * 50, "x" * 40000, [], [1, [2, [3]]], {}, {"a": {"b": [None]}},
                      {1: 2, "k": b"v"}):
            self.assertEqual(self.rpc.call("echo/any.ping", value), value)
        self.assertIsNone(self.rpc.call("echo/any.ping"))

    def test_counter_counts(self):
        self.assertEqual(self.rpc.call("counter/visits.get"), 0)
        self.assertEqual(self.rpc.call("counter/visits.add"), 1)
        self.assertEqual(self.rpc.call("counter/visits.add", 41), 42)
        self.assertEqual(self.rpc.call("counter/visits.add", -2), 40)
        self.assertEqual(self.rpc.call("counter/other.get"), 0, "another name is another actor")
        self.assertEqual(self.rpc.call("counter/visits.reset"), 40)
        self.assertEqual(self.rpc.call("counter/visits.get"), 0)

    def test_kv_keeps_and_scans(self):
        kv = "kv/settings."
        self.assertIsNone(self.rpc.call(kv + "get", "a"))
        for key, value in (("b", {"n": 2}), ("a", [1]), ("c", b"3")):
            self.assertIsNone(self.rpc.call(kv + "put", key, value))
        self.assertEqual(self.rpc.call(kv + "get", "b"), {"n": 2})
        self.assertEqual(self.rpc.call(kv + "scan"), [["a", [1]], ["b", {"n": 2}], ["c", b"3"]])
        self.assertEqual(self.rpc.call(kv + "scan", "b"), [["b", {"n": 2}], ["c", b"3"]])
        self.assertEqual(self.rpc.call(kv + "scan", "a", "c", 1), [["a", [1]]])
        self.assertTrue(self.rpc.call(kv + "cas", "a", [1], "new"))
        self.assertFalse(self.rpc.call(kv + "cas", "a", [1], "newer"))
        self.assertTrue(self.rpc.call(kv + "delete", "a"))
        self.assertFalse(self.rpc.call(kv + "delete", "a"))
        self.assertEqual([k for k, _ in self.rpc.call(kv + "scan")], ["b", "c"])

    def test_keys_may_have_dots_slashes_and_any_letters(self):
        for n, key in enumerate(("a.b", "a/b/c.d", "ünïcode", "{tag}-1", "x" * 512), 1):
            self.assertEqual(self.rpc.call(f"counter/{key}.add", n), n)
            self.assertEqual(self.rpc.call(f"counter/{key}.get"), n)

    def test_errors_are_maps_with_code_and_message(self):
        self.fails_with("not_found", self.rpc.call, "nosuchtype/x.ping")
        self.fails_with("not_found", self.rpc.call, "counter/x.nosuchmethod")
        self.fails_with("not_found", self.rpc.call, "_sys/nosuch.status")
        for target in ("", "x", "counter", "counter/x", "/x.add", "counter/.add", "Counter/x.add", "counter/x.",
                       "counter/a\nb.add", "counter/" + "x" * 513 + ".add", "counter/x.no method"):
            self.fails_with("invalid", self.rpc.call, target)
        self.fails_with("invalid", self.rpc.call, "counter/x.add", "seven")
        self.rpc.call("counter/big.add", 2**63 - 1)
        self.fails_with("overflow", self.rpc.call, "counter/big.add", 1)
        self.assertEqual(self.rpc.call("counter/big.get"), 2**63 - 1, "a turn that failed has written nothing")
        self.assertEqual(self.rpc.call("echo/x.ping", "still here"), "still here")

    def test_a_notification_is_done_and_not_answered(self):
        self.rpc.notify("counter/told.add", 7)
        self.rpc.notify("counter/told.nosuchmethod")
        self.assertEqual(self.rpc.call("echo/x.ping", 1), 1)
        self.eventually(lambda: self.rpc.call("counter/told.get") == 7, "the notification took effect")
        self.assertEqual(self.rpc.notifications, [])
        self.assertEqual(self.rpc.answers, {})

    def test_pipelined_requests_are_all_answered(self):
        count = 3000
        results = self.rpc.call_all([(f"counter/p{n % 10}.add", 1) for n in range(count)])
        for n in range(10):  # order: what one client sends to one actor runs in the order sent
            self.assertEqual(results[n::10], list(range(1, count // 10 + 1)))

    def test_a_slow_answer_does_not_hold_up_others(self):
        """A durable add waits for the disk; pings that were sent after it need not."""
        early = 0
        for n in range(50):
            add = self.rpc.send("counter/slow.add", 1)
            ping = self.rpc.send("echo/fast.ping", n)
            self.assertEqual(self.rpc.wait(ping), n)
            self.rpc.wait(add)
            early += self.rpc.order[-2:] == [ping, add]
        self.assertGreater(early, 0, "no ping ever overtook a write: answers are held in order of the requests")

    def test_many_connections_share_a_counter(self):
        def add():
            with self.server.rpc() as rpc:
                for _ in range(50):
                    rpc.call("counter/shared.add", 1)
        threads = [threading.Thread(target=add) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(self.rpc.call("counter/shared.get"), 400)

    def test_bytes_may_arrive_one_by_one(self):
        frame = msgpack.packb([0, 4242, "counter/slowly.add", [5]])
        for byte in frame:
            self.rpc.socket.sendall(bytes([byte]))
            time.sleep(0.001)
        self.assertEqual(self.rpc.wait(4242), 5)

    def test_hello_tells_about_the_node(self):
        answer = self.rpc.call("_sys/conn.hello", {"client": "test", "deadline_ms": 5000})
        self.assertEqual(answer["node"], self.server.name)
        self.assertEqual(answer["version"], self.server.version)
        self.assertIn("cluster", answer)
        self.assertGreater(answer["limits"]["frame_bytes_max"], 1 << 20)
        self.fails_with("session_expired", self.rpc.call, "_sys/conn.hello", {"session": b"unknown"})

    def test_calls_with_options(self):
        self.assertEqual(self.rpc.call("_sys/conn.call", "counter/opt", "add", [3], {"deadline_ms": 5000}), 3)
        self.assertEqual(self.rpc.call("_sys/conn.call", "counter/opt", "get", []), 3)
        self.fails_with("invalid", self.rpc.call, "_sys/conn.call", "counter", "add", [])
        self.fails_with("not_found", self.rpc.call, "_sys/conn.nosuch")

    def test_a_payload_that_is_too_large_is_refused_and_the_connection_lives(self):
        limit = self.rpc.call("_sys/conn.hello", {})["limits"]["payload_bytes_max"]
        self.assertEqual(len(self.rpc.call("echo/x.ping", b"x" * (limit - 100))), limit - 100)
        self.fails_with("too_large", self.rpc.call, "echo/x.ping", b"x" * (limit + 1))
        self.assertEqual(self.rpc.call("echo/x.ping", 1), 1)


if __name__ == "__main__":
    main()
