#!/usr/bin/python3
"""tests/e2e/test_garbage.py: what is not msgpack-RPC is told so and hung up on; nobody else notices."""
import os
import random
import socket
import struct

from perdure import Case, main, msgpack

GARBAGE = {
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
    "zeros": b"\x00" * 64,
    "not_an_array": msgpack.packb({"a": 1}),
    "empty_array": b"\x90\x90",
    "unknown_kind": msgpack.packb([9, 1, "echo/x.ping", []]),
    "msgid_is_text": msgpack.packb([0, "one", "echo/x.ping", []]),
    "msgid_is_negative": msgpack.packb([0, -1, "echo/x.ping", []]),
    "target_is_a_number": msgpack.packb([0, 1, 7, []]),
    "args_are_no_array": msgpack.packb([0, 1, "echo/x.ping", {"a": 1}]),
    "too_few_elements": msgpack.packb([0, 1, "echo/x.ping"]),
    "too_many_elements": msgpack.packb([0, 1, "echo/x.ping", [], None]),
    "a_response": msgpack.packb([1, 1, None, 5]),
    "array_of_four_thousand_million": b"\xdd\xff\xff\xff\xff\x00",
    "string_of_four_gigabytes": b"\x94\x00\x01\xdb\xff\xff\xff\xff",
    "nested_without_end": b"\x94\x00\x01\xa1x" + b"\x91" * 100000,
}


class Garbage(Case):
    def test_garbage_is_explained_and_the_connection_closed(self):
        node = self.node()
        with node.rpc() as bystander:
            for name, data in GARBAGE.items():
                with self.subTest(name), node.rpc() as rpc:
                    rpc.socket.settimeout(10)
                    try:
                        rpc.socket.sendall(data)
                    except ConnectionError:
                        pass  # it hung up while we still sent
                    self.assertTrue(rpc.read_to_end(), "the connection stays open")
                    self.assertEqual(rpc.answers, {})
                    if len(data) < 1000:  # of longer ones a reset may overtake the explanation
                        self.assertEqual(len(rpc.notifications), 1, rpc.notifications)
                        target, (error,) = rpc.notifications[0]
                        self.assertEqual(target, "_sys/conn.closed")
                        self.assertIsInstance(error["code"], str)
                        self.assertGreater(len(error["message"]), 10)
                self.assertEqual(bystander.call("echo/x.ping", name), name)

    def test_what_looks_like_a_node_is_answered_as_one(self):
        """0xc1 begins no message of MessagePack, and every frame between nodes."""
        with self.node().rpc() as rpc:
            rpc.socket.settimeout(10)
            rpc.socket.sendall(b"\xc1" + b"perdure" * 10)
            answer = b""
            while chunk := rpc.socket.recv(4096):
                answer += chunk
            self.assertEqual(answer[:1], b"\xc1")
            self.assertIn(b"garbage", answer)

    def test_what_came_before_the_garbage_is_done(self):
        node = self.node()
        with node.rpc() as rpc:
            rpc.socket.sendall(msgpack.packb([0, 1, "counter/g.add", [1]]) + b"\xc1")
            self.assertTrue(rpc.read_to_end())
            self.assertEqual(rpc.notifications[0][0], "_sys/conn.closed")
        with node.rpc() as rpc:
            self.eventually(lambda: rpc.call("counter/g.get") == 1, "the add before it was run")

    def test_random_bytes_and_cut_frames_harm_nothing(self):
        rng = random.Random(7)
        node = self.node()
        frame = msgpack.packb([0, 1, "kv/x.put", ["key", {"a": [1, 2, 3], "b": b"x" * 300}]])
        for n in range(300):
            with node.rpc() as rpc:
                data = bytearray(frame)
                kind = n % 3
                if kind == 0:
                    data = bytearray(rng.randbytes(rng.randrange(1, 2000)))
                elif kind == 1:
                    for _ in range(rng.randrange(1, 4)):
                        data[rng.randrange(len(data))] = rng.randrange(256)
                else:
                    del data[rng.randrange(len(data)):]
                try:
                    rpc.socket.sendall(data)
                    if n % 2:  # half of them reset the connection instead of closing it
                        rpc.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                except ConnectionError:
                    pass
        with node.rpc() as rpc:
            self.assertEqual(rpc.call("echo/x.ping", 1), 1)
        self.assertEqual(node.stop(), 0)

    def test_a_frame_over_the_limit_is_refused_before_it_is_taken_in(self):
        node = self.node()
        with node.rpc() as rpc:
            limit = rpc.call("_sys/conn.hello", {})["limits"]["frame_bytes_max"]
        before = rss_bytes(node.pid)
        with node.rpc() as rpc:
            head = b"\x94\x00\x01\xabecho/x.ping\x91\xc6" + struct.pack(">I", limit + 1)
            rpc.socket.sendall(head)
            rpc.socket.settimeout(10)
            self.assertTrue(rpc.read_to_end())
            self.assertEqual(rpc.notifications[0][1][0]["code"], "too_large")
        self.assertLess(rss_bytes(node.pid) - before, limit / 2)


def rss_bytes(pid):
    with open(f"/proc/{pid}/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
