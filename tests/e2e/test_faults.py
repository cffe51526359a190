#!/usr/bin/python3
"""tests/e2e/test_faults.py: the machine fails, and the node does what was promised: a full disk refuses writes by name,
serves reads, and is over when there is space; no more descriptors; clocks that jump; a process that stood still. (Torn
and damaged logs: test_corruption.py. Two nodes on one directory: test_restart.py. Signals: test_shutdown.py.)

A full disk is a small file system in a mount namespace of the node's own, which takes a privilege: without it those
tests are skipped. PDR_STANDSTILL_S (5) says how long a node stands still."""
import os
import resource
import shutil
import signal
import socket
import subprocess
import time

from perdure import Case, Node, RpcError, main, run

STANDSTILL_S = float(os.environ.get("PDR_STANDSTILL_S", "5"))
BLOB = os.urandom(50000)
FAKETIME = next((path for path in ("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
                                   "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1") if os.path.exists(path)),
                None)


class SmallDisk:
    """A file system of `megabytes` at `directory`, seen by the node alone; here it is below /proc/PID/root."""

    def __init__(self, test, megabytes, kind):
        self.directory = os.path.join(test.directory, "small")
        os.mkdir(self.directory)
        if kind == "tmpfs":
            mount = f"mount -t tmpfs -o size={megabytes}m tmpfs \"$0\""
            flags = ["-rm"] if os.geteuid() != 0 else ["-m"]
        else:
            image = os.path.join(test.directory, "image")
            with open(image, "wb") as f:
                f.truncate(megabytes << 20)
            tool = shutil.which("mkfs.ext4", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
            if tool is None:
                test.skipTest("there is no mkfs.ext4")
            subprocess.run([tool, "-q", "-m", "0", image], check=True)
            mount, flags = f"mount -o loop '{image}' \"$0\"", ["-m"]
        self.wrap = ["unshare", *flags, "sh", "-c", mount + " && exec \"$@\"", self.directory]
        try:
            if subprocess.run([*self.wrap, "true"], capture_output=True, timeout=20).returncode != 0:
                test.skipTest(f"no privilege to mount {kind} in a namespace of one's own")
        except FileNotFoundError:
            test.skipTest("there is no unshare")

    def path(self, node, name=""):
        return f"/proc/{node.pid}/root{self.directory}/{name}"

    def fill(self, node):
        """Takes all that is left."""
        with open(self.path(node, "filler"), "wb") as f:
            for size in (1 << 20, 4096):
                try:
                    while True:
                        f.write(b"\0" * size)
                        f.flush()
                except OSError:
                    pass
            try:
                f.close()
            except OSError:
                pass

    def free(self, node):
        os.unlink(self.path(node, "filler"))


class Faults(Case):
    def put(self, rpc, n):
        """True if it was done; False if refused for want of space, by name."""
        try:
            rpc.call(f"kv/k{n % 20}.put", "blob", BLOB + bytes([n % 256]))
            return True
        except RpcError as error:
            self.assertIn(error.code, ("no_space", "overloaded"), error)
            if error.code == "no_space":
                self.assertIn("disk", error.message + "disk" * ("undone" in error.message))
            return False

    def backed_up(self, rpc, directory):
        try:
            rpc.call("_sys/node.backup", directory)
            return True
        except RpcError as error:
            self.assertEqual(error.code, "no_space", error)
            time.sleep(0.2)
            return False

    def full_disk(self, kind):
        disk = SmallDisk(self, 48, kind)
        self.data = os.path.join(disk.directory, "data")
        log = os.path.join(self.directory, "node")
        args = ("--log-segment", "4MiB", "--log-size", "16MiB", "--store-buffer", "1MiB")
        node = SmallNode(self.data, log, *args, wrap=disk.wrap)
        with node.rpc() as rpc:
            self.assertEqual(rpc.call("counter/before.add", 7), 7)
            self.assertTrue(self.put(rpc, 0))
            disk.fill(node)
            n, refused = 0, 0
            while refused < 20:
                n += 1
                self.assertLess(n, 5000, "the disk is full, and every write is taken")
                refused += not self.put(rpc, n)
            self.assertEqual(rpc.call("counter/before.get"), 7, "reads go on")
            self.assertEqual(rpc.call("echo/x.ping", 1), 1)
            self.assertIsNotNone(rpc.call("_sys/node.status"))
            for text in ("no_space", "flush_failed", "apply_failed"):
                if text in node.log_text():
                    break
            else:
                self.fail(f"nothing in the log of the node says so; {node.tail()}")
            error = self.fails_with("no_space", rpc.call, "_sys/node.backup", os.path.join(disk.directory, "b"))
            self.assertFalse(os.path.exists(disk.path(node, "b")), f"the rest of a backup is removed: {error}")
            disk.free(node)
            self.eventually(lambda: self.put(rpc, 5), "writes are taken again", 20)
            self.assertEqual(rpc.call("counter/before.add"), 8)
            self.eventually(lambda: self.backed_up(rpc, os.path.join(disk.directory, "b")), "the store has room too", 30)
            held = rpc.call("kv/k5.get", "blob")
            self.assertEqual(held[-1], 5)
        self.assertEqual(node.stop(), 0, node.tail())

    def test_a_full_disk_tmpfs(self):
        self.full_disk("tmpfs")

    def test_a_full_disk_ext4(self):
        self.full_disk("ext4")

    def test_no_more_descriptors(self):
        """Connections never get those that files need; who connects in vain waits, and comes in when others go."""
        if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 512:
            self.skipTest("this process may have few descriptors itself")
        node = self.node("--store-buffer", "1MiB", "--log-segment", "1MiB", "--log-size", "16MiB", "--threads", "2",
                         wrap=["sh", "-c", 'ulimit -n 100; exec "$@"', "sh"])
        host, port = node.address.rsplit(":", 1)
        with node.rpc() as rpc:
            rpc.call("counter/x.add")
            crowd = [socket.create_connection((host, int(port)), 10) for _ in range(150)]
            self.eventually(lambda: "listener.paused" in node.log_text(), "it is said in the log")
            for n in range(300):  # segments and tables come and go
                rpc.call(f"kv/k{n % 50}.put", "blob", BLOB)
            self.assertNotIn("no_space", node.log_text())
            self.assertEqual(len(rpc.call("kv/k7.get", "blob")), len(BLOB))
            self.assertLess(len(os.listdir(f"/proc/{node.pid}/fd")), 100)
            for s in crowd:
                s.close()
            with node.rpc() as late:
                self.assertEqual(late.call("counter/x.get"), 1)
        self.assertLess(node.log_text().count("listener.paused"), 4)
        self.assertEqual(node.stop(), 0)

    def test_the_wall_clock_jumps(self):
        """Deadlines, idleness and timers live on a clock that does not jump."""
        if FAKETIME is None:
            self.skipTest("libfaketime is not installed")
        if run("--version", env={"LD_PRELOAD": FAKETIME}).returncode != 0:
            self.skipTest("libfaketime cannot be loaded: it and a sanitizer do not share a process")
        offset = os.path.join(self.directory, "offset")
        with open(offset, "w") as f:
            f.write("+0")
        node = self.node("--plugin", self.bank(), env={
            "LD_PRELOAD": FAKETIME, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_TIMESTAMP_FILE": offset,
            "FAKETIME_NO_CACHE": "1"})
        with node.rpc() as rpc:
            rpc.call("account/t.start_ticking")
            for jump in ("+3d", "-3d", "+0"):
                with open(offset, "w") as f:
                    f.write(jump)
                nap = rpc.send("account/n.nap", 50)
                self.assertEqual(rpc.call("counter/x.get"), rpc.call("counter/x.get"))
                self.assertTrue(rpc.wait(nap), "neither its sleep nor its deadline jumps")
                ticks = rpc.call("account/t.show")
                self.eventually(lambda: rpc.call("account/t.show") > ticks, "the timer beats on")
                self.assertLess(rpc.call("account/t.show") - ticks, 1000, "and not for the days that never were")
                rpc.call("counter/x.add")
            self.assertEqual(rpc.call("account/t.stop_ticking"), rpc.call("account/t.show"))
        with open(offset, "w") as f:
            f.write("-4000d")
        self.assertEqual(node.stop(), 0)
        self.assertIn(time.strftime("\n%Y-", time.gmtime(time.time() - 4000 * 86400)), node.log_text(), "it did jump")
        with self.node().rpc() as rpc:
            self.assertEqual(rpc.call("counter/x.get"), 3)

    def test_it_stands_still_and_goes_on(self):
        node = self.node("--plugin", self.bank())
        with node.rpc() as rpc:
            rpc.call("account/t.start_ticking")
            rpc.call("counter/x.add")
            node.process.send_signal(signal.SIGSTOP)
            late = rpc.send("_sys/conn.call", "counter/x", "add", [10], {"deadline_ms": 60000})
            time.sleep(STANDSTILL_S)
            node.process.send_signal(signal.SIGCONT)
            self.assertEqual(rpc.wait(late), 11)
            ticks = rpc.call("account/t.show")
            self.assertLess(ticks, 150, "a timer does not make up for what it missed")
            self.eventually(lambda: rpc.call("account/t.show") > ticks, "and it beats on")
            self.assertEqual(rpc.call("counter/x.add"), 12)
        self.assertEqual(node.stop(), 0)

    def test_a_stop_keeps_to_its_limit(self):
        """A turn that would take an hour does not hold up SIGTERM for longer than --drain."""
        node = self.node("--plugin", self.bank(), "--drain", "500ms")
        with node.rpc() as rpc:
            rpc.call("counter/x.add")
            call = rpc.send("_sys/conn.call", "account/n", "nap", [3600000], {"deadline_ms": 3600000})
            self.eventually(lambda: rpc.call("_sys/node.ps", "account/", None, 5)["actors"] != [], "it runs")
            began = time.monotonic()
            self.assertEqual(node.stop(), 0, node.tail())
            self.assertLess(time.monotonic() - began, 10)
            try:
                rpc.wait(call)
                self.fail("it cannot have ended")
            except (RpcError, ConnectionError):
                pass
        with self.node().rpc() as rpc:
            self.assertEqual(rpc.call("counter/x.get"), 1)

    def test_a_start_on_a_full_disk_is_refused_with_a_sentence(self):
        disk = SmallDisk(self, 8, "tmpfs")
        result = subprocess.run(
            [*disk.wrap[:-1], disk.directory, "sh", "-c", f"dd if=/dev/zero of={disk.directory}/f bs=4096 2>/dev/null; "
             f"exec \"$@\"", "sh", os.environ["PDR_BIN"], "start", "--data", disk.directory + "/data", "--listen",
             "127.0.0.1:0"], capture_output=True, text=True, timeout=30)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn(disk.directory, result.stderr)
        self.assertIn("space", result.stderr.lower())


class SmallNode(Node):
    """A node whose data directory is on a file system that is not seen here: its log is elsewhere."""

    def __init__(self, directory, log, *args, **more):
        super().__init__(log, *args, "--data", directory, **more)


if __name__ == "__main__":
    main()
