"""tests/e2e/perdure.py: real processes for the tests: a node, the command line, and a stock msgpack-RPC client.

The environment says what to test: PDR_BIN (perdure), PDR_BENCH (perdure-bench), PDR_SOURCE (the source tree), PDR_CC (a
C compiler), PDR_TEST_DIR (where data directories are made; on a real disk). Every process that is started here is ended
here, by its id, whatever becomes of the test. The client knows nothing of Perdure: it is what the public specification
of msgpack-RPC says, as any language has it."""
import atexit
import itertools
import json
import os
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

try:
    import msgpack
except ImportError:
    sys.exit("tests/e2e: this python3 has no msgpack; on Debian: apt-get install python3-msgpack, and /usr/bin/python3")

BIN = os.environ.get("PDR_BIN") or sys.exit("tests/e2e: set PDR_BIN to the perdure binary (ctest does)")
SOURCE = os.environ.get("PDR_SOURCE", os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
READY = re.compile(r"^perdure (\S+): node (\S+) listens on (\S+:\d+), data in (.+)$")
START_S_MAX = 30
STOP_S_MAX = 30


class RpcError(Exception):
    """The error of a response: a map with `code` and `message`."""

    def __init__(self, error):
        super().__init__(f"{error}")
        self.error = error
        self.code = error.get("code") if isinstance(error, dict) else None
        self.message = error.get("message") if isinstance(error, dict) else None


class Rpc:
    """One connection that speaks msgpack-RPC."""

    def __init__(self, address, timeout=20):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout)
        self.unpacker = msgpack.Unpacker(raw=False, strict_map_key=False)
        self.msgids = itertools.count(1)
        self.answers, self.order, self.notifications = {}, [], []

    def send(self, target, *args):
        msgid = next(self.msgids)
        self.socket.sendall(msgpack.packb([0, msgid, target, list(args)]))
        return msgid

    def notify(self, target, *args):
        self.socket.sendall(msgpack.packb([2, target, list(args)]))

    def receive(self):
        """Takes in what arrives next; False at the end of the connection."""
        data = self.socket.recv(65536)
        self.unpacker.feed(data)
        for message in self.unpacker:
            if message[0] == 1:
                self.answers[message[1]] = message[2:]
                self.order.append(message[1])
            else:
                self.notifications.append(message[1:])
        return data != b""

    def wait(self, msgid):
        while msgid not in self.answers:
            if not self.receive():
                raise ConnectionError(f"the node closed the connection: {self.notifications}")
        error, result = self.answers.pop(msgid)
        if error is not None:
            raise RpcError(error)
        return result

    def call(self, target, *args):
        return self.wait(self.send(target, *args))

    def call_all(self, requests):
        """Sends every (target, arg...) at once, then waits for all: the results in order of the requests."""
        msgids = [next(self.msgids) for _ in requests]
        frames = b"".join(msgpack.packb([0, m, r[0], list(r[1:])]) for m, r in zip(msgids, requests))
        self.send_all(frames)
        return [self.wait(m) for m in msgids]

    def send_all(self, data):
        """Sends and receives by turns, so that neither side waits for the other with full buffers."""
        self.socket.setblocking(False)
        view = memoryview(data)
        while view:
            readable, writable, _ = select.select([self.socket], [self.socket], [], 20)
            if not readable and not writable:
                raise TimeoutError("the node neither takes nor gives bytes")
            if readable and not self.receive():
                raise ConnectionError(f"the node closed the connection: {self.notifications}")
            if writable:
                view = view[self.socket.send(view[:65536]):]
        self.socket.settimeout(20)

    def read_to_end(self):
        """What else arrives until the node closes; False if it does not close in time."""
        try:
            while self.receive():
                pass
            return True
        except ConnectionResetError:
            return True
        except socket.timeout:
            return False

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Node:
    """One `perdure start`. Its log is DIRECTORY.log."""
    live = set()

    def __init__(self, directory, *args, wrap=(), wait=True, env=None):
        self.directory, self.address, self.ready_line = directory, None, None
        self.log_path = directory + ".log"
        self.log = open(self.log_path, "ab")
        argv = [*wrap, BIN, "start", "--data", directory, "--listen", "127.0.0.1:0", *args]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=self.log, stdin=subprocess.DEVNULL,
                                        env={**os.environ, **(env or {})})
        Node.live.add(self)
        if wait:
            self.await_ready()

    def await_ready(self):
        ready, _, _ = select.select([self.process.stdout], [], [], START_S_MAX)
        line = self.process.stdout.readline().decode() if ready else ""
        match = READY.match(line)
        if not match:
            self.kill()
            raise RuntimeError(f"the node did not come up: said {line!r}, status {self.process.poll()}; {self.tail()}")
        self.ready_line = line.rstrip("\n")
        self.version, self.name, self.address = match.group(1, 2, 3)

    @property
    def pid(self):
        return self.process.pid

    def rpc(self):
        return Rpc(self.address)

    def log_text(self):
        with open(self.log_path, "r", errors="replace") as f:
            return f.read()

    def tail(self):
        """What a person wants to see of the log of a node that failed: a sanitizer's first report, or how it ends."""
        text = self.log_text()
        report = re.search(r"^(WARNING: ThreadSanitizer|==\d+==ERROR|.*runtime error:)", text, re.M)
        return f"its log has: {text[report.start():][:6000]}" if report else f"its log ends: {text[-2000:]}"

    def kill(self):
        """SIGKILL: nothing of the process runs on."""
        self.process.kill()
        self.process.wait()
        self.closed()

    def stop(self):
        """SIGTERM; the exit status, once the process has ended."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the node did not end within {STOP_S_MAX} s of SIGTERM; {self.tail()}")
        self.closed()
        if self.process.returncode != 0:
            print(f"the node ended with {self.process.returncode}; {self.tail()}", file=sys.stderr)
        return self.process.returncode

    def closed(self):
        self.process.stdout.close()
        self.log.close()
        Node.live.discard(self)


@atexit.register
def end_all():
    for node in list(Node.live):
        node.kill()


def run(*args, node=None, timeout=30, binary=BIN, stdin=None, env=None, cwd=None):
    """One command of the command line: its CompletedProcess, output as text."""
    environment = {k: v for k, v in os.environ.items() if k != "PERDURE_NODE"}
    argv = [binary, *args] + (["--node", node] if node else [])
    return subprocess.run(argv, capture_output=True, text=True, timeout=timeout, input=stdin, cwd=cwd,
                          env={**environment, **(env or {})})


class Case(unittest.TestCase):
    """A test with a directory of its own, kept when it fails, and nodes that end with it."""

    def setUp(self):
        base = os.environ.get("PDR_TEST_DIR") or tempfile.gettempdir()
        os.makedirs(base, exist_ok=True)
        self.directory = tempfile.mkdtemp(prefix=f"e2e-{self.id().split('.')[-1]}-", dir=base)
        self.data = os.path.join(self.directory, "data")

    def tearDown(self):
        end_all()
        if not self.failed():
            shutil.rmtree(self.directory, ignore_errors=True)

    def failed(self):
        outcome = getattr(self, "_outcome", None)
        errors = getattr(outcome, "errors", None) or getattr(getattr(outcome, "result", None), "errors", [])
        failures = getattr(getattr(outcome, "result", None), "failures", [])
        return any(e[1] for e in errors) or bool(failures)

    def node(self, *args, **more):
        return Node(self.data, *args, **more)

    def build_plugin(self, name, source):
        """Compiles C text into NAME.so against the public headers alone."""
        c, so = (os.path.join(self.directory, name + end) for end in (".c", ".so"))
        with open(c, "w") as f:
            f.write(source)
        compiler = shlex.split(os.environ.get("PDR_CC", "cc"))
        subprocess.run([*compiler, "-std=c11", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror", "-O1", "-fPIC",
                        "-shared", "-I", os.path.join(SOURCE, "include"), "-o", so, c], check=True)
        return so

    def bank(self):
        """The plugin of bank.c."""
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "bank.c")) as f:
            return self.build_plugin("bank", f.read())

    def fails_with(self, code, call, *args):
        """The RpcError that `call` must end with; its shape is checked too."""
        with self.assertRaises(RpcError) as caught:
            call(*args)
        error = caught.exception
        self.assertIsInstance(error.error, dict, "an error is a map")
        self.assertEqual(error.code, code, error.error)
        self.assertIsInstance(error.message, str)
        self.assertGreater(len(error.message), 5, "a message is a sentence")
        return error

    def eventually(self, condition, what, seconds=10):
        end = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), end, f"not within {seconds} s: {what}")
            time.sleep(0.01)


def output_json(test, result):
    """What a command printed, as JSON; it must have succeeded."""
    test.assertEqual(result.returncode, 0, result.stderr)
    try:
        return json.loads(result.stdout)
    except ValueError:
        test.fail(f"not JSON: {result.stdout!r}")


def main():
    unittest.main(verbosity=2)
