#!/usr/bin/python3
"""tests/e2e/test_restart.py: what was answered is there after a clean stop and after SIGKILL, for every builtin type;
and a directory belongs to one node at a time."""
import os

from perdure import Case, Node, main, run


class Restart(Case):
    def fill(self, rpc):
        rpc.call_all([(f"counter/c{n}.add", n) for n in range(300)])
        for n in range(20):
            rpc.call(f"kv/k{n}.put", "key", {"n": n, "blob": b"\x00\xff" * n})
        rpc.call("kv/k0.delete", "key")

    def check(self, rpc):
        self.assertEqual(rpc.call_all([(f"counter/c{n}.get",) for n in range(300)]), list(range(300)))
        for n in range(1, 20):
            self.assertEqual(rpc.call(f"kv/k{n}.get", "key"), {"n": n, "blob": b"\x00\xff" * n})
        self.assertIsNone(rpc.call("kv/k0.get", "key"), "what was deleted stays deleted")

    def cycle(self, end):
        node = self.node()
        with node.rpc() as rpc:
            self.fill(rpc)
        end(node)
        for _ in range(3):  # and once more, and again: recovery is repeatable
            node = self.node()
            with node.rpc() as rpc:
                self.check(rpc)
            end(node)

    def test_state_outlives_a_clean_stop(self):
        self.cycle(lambda node: self.assertEqual(node.stop(), 0))

    def test_state_outlives_sigkill(self):
        self.cycle(Node.kill)

    def test_state_outlives_more_than_one_log_segment(self):
        """Enough to fill segments, so that the store is flushed and old segments are used again."""
        small = ("--log-segment", "1MiB", "--log-size", "64MiB")
        node = self.node(*small)
        blob = b"x" * 100000
        with node.rpc() as rpc:
            for n in range(40):
                rpc.call_all([(f"kv/big{k}.put", f"v{n}", blob) for k in range(10)])
        node.kill()
        node = self.node(*small)
        with node.rpc() as rpc:
            for k in range(10):
                for n in range(0, 40, 13):
                    self.assertEqual(rpc.call(f"kv/big{k}.get", f"v{n}"), blob)

    def test_a_second_node_on_the_directory_is_refused(self):
        first = self.node()
        second = run("start", "--data", self.data, "--listen", "127.0.0.1:0")
        self.assertNotEqual(second.returncode, 0)
        self.assertIn(self.data, second.stderr, "the sentence names the directory")
        with first.rpc() as rpc:
            self.assertEqual(rpc.call("counter/still.add"), 1)
        self.assertEqual(first.stop(), 0)
        with self.node().rpc() as rpc:
            self.assertEqual(rpc.call("counter/still.get"), 1)

    def test_a_directory_may_move(self):
        node = self.node()
        with node.rpc() as rpc:
            rpc.call("counter/moved.add", 5)
        self.assertEqual(node.stop(), 0)
        os.rename(self.data, self.data + "-elsewhere")
        with Node(self.data + "-elsewhere").rpc() as rpc:
            self.assertEqual(rpc.call("counter/moved.get"), 5)


if __name__ == "__main__":
    main()
