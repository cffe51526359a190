#!/usr/bin/python3
"""tests/e2e/test_shutdown.py: SIGTERM and SIGINT end a node in good order: what runs ends, what was answered is there,
nothing is answered that is not."""
import select
import signal
import time

from perdure import Case, main, msgpack


class Shutdown(Case):
    def stop_under_load(self, sig):
        node = self.node()
        rpc = node.rpc()
        answered, msgid, end, signalled = 0, 0, time.monotonic() + 0.3, False
        rpc.socket.setblocking(False)
        try:
            while True:
                room = [rpc.socket] if msgid - answered < 64 else []
                readable, writable, _ = select.select([rpc.socket], room, [], 20)
                self.assertTrue(readable or writable, "the connection was neither answered nor closed")
                if writable:
                    msgid += 1
                    rpc.socket.sendall(msgpack.packb([0, msgid, "counter/last.add", [1]]))
                if readable and not rpc.receive():
                    break
                answered = max(rpc.answers, default=0)
                if not signalled and time.monotonic() > end:
                    node.process.send_signal(sig)
                    signalled = True
        except ConnectionError:
            pass
        rpc.close()
        node.process.wait(30)
        self.assertEqual(node.process.returncode, 0, node.log_text()[-2000:])
        node.closed()
        good = [result for error, result in rpc.answers.values() if error is None]
        for error, _ in rpc.answers.values():
            if error is not None:
                self.assertIn(error["code"], ("unavailable", "cancelled"), error)
        self.assertGreater(len(good), 10)
        with self.node().rpc() as again:
            value = again.call("counter/last.get")
        self.assertGreaterEqual(value, max(good))
        self.assertLessEqual(value, msgid)

    def test_sigterm_under_load(self):
        self.stop_under_load(signal.SIGTERM)

    def test_sigint_under_load(self):
        self.stop_under_load(signal.SIGINT)

    def test_an_idle_node_stops_at_once(self):
        node = self.node()
        idle = node.rpc()
        idle.call("counter/x.add")
        began = time.monotonic()
        self.assertEqual(node.stop(), 0)
        self.assertLess(time.monotonic() - began, 5)
        self.assertTrue(idle.read_to_end())
        idle.close()

    def test_a_second_signal_does_not_spoil_the_first(self):
        node = self.node()
        with node.rpc() as rpc:
            rpc.call("counter/x.add", 9)
        node.process.send_signal(signal.SIGTERM)
        node.process.send_signal(signal.SIGTERM)
        node.process.wait(30)
        node.closed()
        with self.node().rpc() as rpc:
            self.assertEqual(rpc.call("counter/x.get"), 9)

    def test_its_port_can_be_taken_again_at_once(self):
        node = self.node()
        with node.rpc() as rpc:
            rpc.call("counter/x.add")
            address = node.address
            node.kill()
        again = self.node("--listen", address)
        self.assertEqual(again.address, address)


if __name__ == "__main__":
    main()
