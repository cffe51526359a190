#!/usr/bin/python3
"""tests/e2e/test_backup.py: a backup of a node under load has everything that was acknowledged before it began, and no
effect without its cause; what is restored goes on as another node; both fail without leaving or touching anything."""
import os
import pathlib
import select
import shutil
import tempfile
import threading

from perdure import Case, Node, Rpc, RpcError, main, msgpack, output_json, run

COUNTERS, ACCOUNTS, BALANCE, OUTSTANDING = 50, 40, 1000, 64


class Load(threading.Thread):
    """Keeps OUTSTANDING adds and transfers on their way until it is told to end."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.rpc, self.over = Rpc(address), threading.Event()
        self.added = [0] * COUNTERS  # the largest value that an answer named
        self.waiting, self.count, self.errors = {}, 0, []

    def send_one(self):
        n = self.count
        self.count += 1
        if n % 2 == 0:
            counter = n // 2 % COUNTERS
            self.waiting[self.rpc.send(f"counter/c{counter}.add")] = counter
        else:
            one, other = n * 7 % ACCOUNTS, (n * 11 + 1) % ACCOUNTS
            other = (other + 1) % ACCOUNTS if other == one else other
            self.waiting[self.rpc.send(f"account/a{one}.transfer", f"account/a{other}", 1)] = None

    def take(self):
        for msgid, (error, result) in self.rpc.answers.items():
            counter = self.waiting.pop(msgid)
            if error is not None and error["code"] not in ("insufficient_funds", "deadlock"):
                self.errors.append(error)
            if counter is not None and error is None:
                self.added[counter] = max(self.added[counter], result)
        self.rpc.answers.clear()

    def run(self):
        while not self.over.is_set() or self.waiting:
            while not self.over.is_set() and len(self.waiting) < OUTSTANDING:
                self.send_one()
            if select.select([self.rpc.socket], [], [], 0.05)[0] and not self.rpc.receive():
                self.errors.append("the node closed the connection")
                return
            self.take()

    def end(self):
        self.over.set()
        self.join(60)
        self.rpc.close()


class Backup(Case):
    def path(self, name):
        return os.path.join(self.directory, name)

    def restored(self, backup, name="restored", *args):
        result = run("restore", backup, "--data", self.path(name))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(f"perdure start --data {self.path(name)}", result.stdout)
        return Node(self.path(name), *args)

    def identity(self, name):
        lines = pathlib.Path(self.path(name), "identity").read_text().splitlines()[1:]
        return dict(line.split(" ") for line in lines)

    def fails(self, result, *words):
        self.assertNotEqual(result.returncode, 0, result.stdout)
        for word in words:
            self.assertIn(word, result.stderr)
        self.assertNotIn("Sanitizer", result.stderr)

    def check(self, node, before, plugin_total):
        with node.rpc() as rpc:
            values = rpc.call_all([(f"counter/c{n}.get",) for n in range(COUNTERS)])
            for n, value in enumerate(values):
                self.assertGreaterEqual(value, before[n], f"counter/c{n}: acknowledged before the backup began")
            total = sum(rpc.call_all([(f"account/a{n}.show",) for n in range(ACCOUNTS)]))
            self.assertLessEqual(total, plugin_total, "money that was received and not sent: an effect, not its cause")
            self.assertGreaterEqual(total, plugin_total - OUTSTANDING, "more is under way than was sent")

    def test_under_load(self):
        bank = self.bank()
        node = self.node("--plugin", bank, "--threads", "4")
        with node.rpc() as rpc:
            rpc.call_all([(f"account/a{n}.deposit", BALANCE) for n in range(ACCOUNTS)])
        load = Load(node.address)
        load.start()
        self.eventually(lambda: sum(load.added) > 500, "there is load")
        befores = []
        for n in range(4):
            befores.append(list(load.added))
            made = output_json(self, run("backup", self.path(f"b{n}"), node=node.address))
            self.assertEqual(made["directory"], self.path(f"b{n}"))
            self.assertGreater(made["files"], 2)
        load.end()
        self.assertEqual(load.errors, [])
        self.assertGreater(sum(load.added), sum(befores[0]), "it went on meanwhile")
        node.kill()
        for n, before in enumerate(befores):
            again = self.restored(self.path(f"b{n}"), f"r{n}", "--plugin", bank)
            self.check(again, before, ACCOUNTS * BALANCE)
            again.kill()

    def test_what_is_restored_goes_on_as_another_node(self):
        node = self.node()
        with node.rpc() as rpc:
            self.assertEqual(rpc.call("counter/x.add", 5), 5)
            self.assertEqual(rpc.call("kv/deep.put", "k", {"a": [1, 2]}), None)
            rpc.call("_sys/node.backup", self.path("b"))
            self.assertEqual(rpc.call("counter/x.add"), 6)
        node.kill()
        again = self.restored(self.path("b"))
        with again.rpc() as rpc:
            self.assertEqual(rpc.call("counter/x.get"), 5)
            self.assertEqual(rpc.call("kv/deep.get", "k"), {"a": [1, 2]})
            self.assertEqual(rpc.call("counter/x.add", 10), 15)
            rpc.call("_sys/node.backup", self.path("b2"))
        again.kill()
        with Node(self.path("restored")).rpc() as rpc:  # by its own log
            self.assertEqual(rpc.call("counter/x.get"), 15)
        was, now = self.identity("data"), self.identity("restored")
        self.assertNotEqual(now["cluster"], was["cluster"])
        self.assertNotEqual(now["node"], was["node"])
        self.assertEqual((was["incarnation"], now["incarnation"]), ("1", "2"))
        self.assertNotIn("epochs", was)
        self.restored(self.path("b2"), "third").kill()
        self.assertGreater(int(self.identity("third")["epochs"]), int(now["epochs"]))
        manifest = pathlib.Path(self.path("b2"), "manifest").read_text()
        epochs = [int(line.split()[3]) for line in manifest.splitlines() if line.startswith("shard ")]
        self.assertGreaterEqual(max(epochs), int(now["epochs"]), "it went on in epochs of its own")

    def test_to_another_file_system(self):
        if not os.access("/dev/shm", os.W_OK) or os.stat("/dev/shm").st_dev == os.stat(self.directory).st_dev:
            self.skipTest("/dev/shm is no file system of its own")
        other = tempfile.mkdtemp(prefix="perdure-", dir="/dev/shm")
        self.addCleanup(shutil.rmtree, other, True)
        node = self.node()
        with node.rpc() as rpc:
            for n in range(40):
                rpc.call(f"kv/k{n}.put", "blob", os.urandom(50000))
            self.assertIsNone(rpc.call("_sys/node.backup"), "none is under way")
            made = rpc.call("_sys/node.backup", other + "/b")
            self.assertGreater(made["bytes"], 2000000)
        node.kill()
        with self.restored(other + "/b").rpc() as rpc:
            self.assertEqual(len(rpc.call("kv/k39.get", "blob")), 50000)

    def test_an_empty_node(self):
        node = self.node()
        output_json(self, run("backup", "here", node=node.address, cwd=self.directory))
        self.restored(self.path("here")).stop()

    def test_it_fails_without_a_trace(self):
        node = self.node()
        os.mkdir(self.path("full"))
        pathlib.Path(self.path("full"), "precious").write_text("mine")
        with node.rpc() as rpc:
            rpc.call("counter/x.add")
            error = self.fails_with("invalid", rpc.call, "_sys/node.backup", self.path("full"))
            self.assertIn("new directory", error.message)
            self.assertEqual(os.listdir(self.path("full")), ["precious"])
            self.fails_with("invalid", rpc.call, "_sys/node.backup", self.path("no/parent"))
            self.fails_with("invalid", rpc.call, "_sys/node.backup", "relative")
            self.fails_with("invalid", rpc.call, "_sys/node.backup", 5)
            self.fails_with("invalid", rpc.call, "_sys/node.backup", "/" + "x" * 6000)
            rpc.send_all(b"".join(msgpack.packb([0, 900 + n, "_sys/node.backup", [self.path(name)]])
                                  for n, name in enumerate(("one", "two"))))
            self.assertIn("limit backups", self.fails_with("overloaded", rpc.wait, 901).message)
            rpc.wait(900)
            self.assertFalse(os.path.exists(self.path("two")))
            self.assertEqual(sorted(os.listdir(self.data)), ["LOCK", "identity", "log", "secret", "store"])
            rpc.call("_sys/node.backup", self.path("two"))
        self.fails(run("backup", self.path("one"), node=node.address), "invalid", self.path("one"))
        self.assertEqual(run("backup", self.path("x"), node="127.0.0.1:1").returncode, 3)
        os.mkdir(os.path.join(self.data, "backup"))  # a crash in the middle of one
        pathlib.Path(self.data, "backup", "000001.sst").write_text("rest")
        node.kill()
        with self.node().rpc() as rpc:
            self.assertEqual(rpc.call("counter/x.get"), 1)
            self.assertFalse(os.path.exists(os.path.join(self.data, "backup")))

    def test_a_stop_ends_it(self):
        node = self.node()
        with node.rpc() as rpc:
            for n in range(20):
                rpc.call(f"kv/k{n}.put", "blob", os.urandom(90000))
            call = rpc.send("_sys/node.backup", self.path("b"))
            self.assertEqual(node.stop(), 0)
            try:
                rpc.wait(call)
                self.restored(self.path("b")).kill()
            except (RpcError, ConnectionError):
                self.assertFalse(os.path.exists(os.path.join(self.path("b"), "store")))

    def test_restore_refuses(self):
        node = self.node()
        with node.rpc() as rpc:
            rpc.call("counter/x.add")
            rpc.call("_sys/node.backup", self.path("b"))
        backup, target = self.path("b"), self.path("t")
        self.fails(run("restore", backup, "--data", self.data), "in use", str(node.pid))
        node.kill()
        self.fails(run("restore", backup, "--data", self.data), "not overwritten")
        self.fails(run("restore", self.path("nothing"), "--data", target), "no manifest")
        self.fails(run("start", "--data", backup, "--listen", "127.0.0.1:0"), "is a backup", "perdure restore")
        manifest = pathlib.Path(backup, "manifest")
        good = manifest.read_text()
        for bad in (good.replace("seq 1", "seq 2"), good[:-1], good + "x", "", good.replace("backup 1", "backup 9")):
            manifest.write_text(bad)
            self.fails(run("restore", backup, "--data", target), "damaged")
        manifest.write_text(good)
        table = next(pathlib.Path(backup, "store").glob("*.sst"))
        content = table.read_bytes()
        table.unlink()
        self.fails(run("restore", backup, "--data", target), "missing", table.name)
        table.write_bytes(content[:-1])
        self.fails(run("restore", backup, "--data", target), "damaged", table.name)
        table.write_bytes(bytes(len(content)))
        self.fails(run("restore", backup, "--data", target))
        self.assertFalse(os.path.exists(target), "nothing is left of what failed")
        table.write_bytes(content)
        os.mkdir(target)
        with self.restored(backup, "t").rpc() as rpc:
            self.assertEqual(rpc.call("counter/x.get"), 1)


if __name__ == "__main__":
    main()
