#!/usr/bin/python3
"""tests/e2e/test_edges.py: each limit of core/base/limits.h at its edge: exactly so much works, one more is answered
with the limit's name (edges.c does what a client cannot), and the actor is as good as before."""
import os
import socket
import time

from perdure import SOURCE, Case, main, msgpack

MiB = 1 << 20


class Edges(Case):
    def setUp(self):
        super().setUp()
        with open(os.path.join(SOURCE, "tests", "e2e", "edges.c")) as f:
            self.plugin = self.build_plugin("edges", f.read())

    def edge(self, rpc, code, limit, target, works, fails):
        """`works` and `fails` are lists of arguments."""
        rpc.call(target, *works)
        error = self.fails_with(code, rpc.call, target, *fails)
        self.assertIn(f"limit {limit}", error.message)
        rpc.call(target, *works)

    def test_of_a_turn_and_of_an_actor(self):
        node = self.node("--plugin", self.plugin)
        with node.rpc() as rpc:
            for code, limit, method, works, fails in (
                    ("too_large", "key_bytes_max", "key", [1024], [1025]),
                    ("too_large", "value_bytes_max", "write", [1, MiB + 8], [1, MiB + 9]),
                    ("too_large", "turn_bytes_max", "write", [8, MiB], [9, MiB]),
                    ("overloaded", "turn_tells_max", "tells", [4096], [4097]),
                    ("too_large", "turn_sent_bytes_max", "tells_volatile", [8, MiB], [9, MiB]),
                    ("too_large", "turn_bytes_max", "tells", [7, MiB], [8, MiB]),
                    ("too_large", "turn_sent_bytes_max", "timers", [8, MiB], [9, MiB]),
                    ("too_large", "payload_bytes_max", "tells", [1, MiB], [1, MiB + 1]),
                    ("overloaded", "timers_max", "timers", [64], [65]),
                    ("too_large", "payload_bytes_max", "result", [MiB], [MiB + 1])):
                with self.subTest(limit=limit, method=method):
                    self.edge(rpc, code, limit, f"edge/{limit}.{method}", works, fails)
            rpc.call("edge/c63.chain", 63)
            self.assertIn("limit chain_max", self.fails_with("too_large", rpc.call, "edge/c64.chain", 64).message)

    def test_state_that_is_not_written_down(self):
        node = self.node("--plugin", self.plugin)
        with node.rpc() as rpc:
            for _ in range(2):  # what is replaced does not count; a turn writes at most 8 MiB
                for first in range(0, 64, 8):
                    self.assertEqual(rpc.call("edge/v.write_volatile", 8, MiB, first), 8)
            error = self.fails_with("too_large", rpc.call, "edge/v.write_volatile", 1, 9, 64)
            self.assertIn("limit volatile_bytes_max", error.message)
            self.assertEqual(rpc.call("edge/v.write", 1, 9, 64), 1, "what is written down is")

    def test_timers_are_charged_to_memory(self):
        node = self.node("--plugin", self.plugin, "--threads", "1")
        with node.rpc() as rpc:
            before = rpc.call("_sys/node.status")["memory_bytes"]
            rpc.call("edge/t.timers", 8, MiB)
            self.assertGreater(rpc.call("_sys/node.status")["memory_bytes"], before + 8 * MiB)

    def test_of_what_a_client_sends(self):
        node = self.node()
        with node.rpc() as rpc:
            def both(code, limit, call, works, fails):
                call(works)
                self.assertIn(f"limit {limit}", self.fails_with(code, call, fails).message)
            both("too_large", "args_max", lambda n: rpc.call("echo/x.ping", *range(n)), 64, 65)
            both("too_large", "payload_bytes_max", lambda n: rpc.call("echo/x.ping", b"x" * (n - 6)), MiB, MiB + 1)
            both("invalid", "name_bytes_max", lambda n: rpc.call("echo/" + "k" * n + ".ping"), 512, 513)
            for limit, target in (("type_bytes_max", "%s/x.m"), ("method_bytes_max", "echo/x.%s")):
                self.fails_with("not_found", rpc.call, target % ("t" * 64))
                self.assertIn(f"limit {limit}", self.fails_with("invalid", rpc.call, target % ("t" * 65)).message)
            both("invalid", "deadline_ms_max",
                 lambda n: rpc.call("_sys/conn.call", "echo/x", "ping", [], {"deadline_ms": n}), 86400000, 86400001)
            for field, size in (("client", 128), ("token", 4096)):
                both("invalid", f"{'client_name' if field == 'client' else field}_bytes_max",
                     lambda n, field=field: rpc.call("_sys/conn.hello", {field: "c" * n}), size, size + 1)
            both("invalid", "ps_rows_max", lambda n: rpc.call("_sys/node.ps", "", None, n), 1000, 1001)
            deep = [1]
            for _ in range(30):
                deep = [deep]
            self.assertEqual(rpc.call("echo/x.ping", deep), deep)
        for name, bad in (("depth_max", [0, 1, "echo/x.ping", [[deep]]]),
                          ("frame_bytes_max", [0, 1, "echo/x.ping", [b"x" * (4 * MiB)]])):
            with node.rpc() as rpc:
                try:
                    rpc.socket.sendall(msgpack.packb(bad))
                except ConnectionError:
                    pass
                self.assertTrue(rpc.read_to_end())
                if rpc.notifications:  # a reset may have overtaken it while we still sent
                    self.assertIn(f"limit {name}", rpc.notifications[0][1][0]["message"])

    def test_a_connection_too_many_is_told_so(self):
        node = self.node("--connections", "1", "--threads", "1")
        held = [node.rpc(), node.rpc()]
        for rpc in held:
            rpc.call("echo/x.ping")
        with node.rpc() as rpc:
            self.assertTrue(rpc.read_to_end())
            self.assertIn("limit connections", rpc.notifications[0][1][0]["message"])
        for rpc in held:
            self.assertEqual(rpc.call("echo/x.ping", 1), 1)
            rpc.close()

    def test_a_slow_reader_is_cut_after_a_while(self):
        node = self.node("--unread", "1s")
        with node.rpc() as slow, node.rpc() as lazy, node.rpc() as other:
            slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            other.call("kv/big.put", "k", b"x" * 900000)
            for n in range(30):
                slow.send("kv/big.get", "k")
            lazy.send("kv/big.get", "k")
            end = time.monotonic() + 3
            while time.monotonic() < end and "conn.cut" not in node.log_text():
                self.assertEqual(other.call("echo/x.ping", 1), 1)
                time.sleep(0.05)
            self.assertIn("limit unread", node.log_text())
            self.assertTrue(slow.read_to_end())
            while not lazy.answers:  # it read nothing either, but what it asked for fits the system's buffers
                self.assertTrue(lazy.receive())
            self.assertLess(len(slow.answers), 30)


if __name__ == "__main__":
    main()
