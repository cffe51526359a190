#!/usr/bin/python3
"""tests/e2e/test_sync.py: what strace sees: one fdatasync for a whole group of concurrent writes, and no answer to a
write that did not follow one."""
import os
import re
import shutil
import subprocess
import threading
import unittest

from perdure import Case, main

SEGMENT = re.compile(r"[0-9]{16}\.log>")
NO_LEAK_CHECK = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}  # it cannot run under ptrace


def strace_works():
    if not shutil.which("strace"):
        return False
    return subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True).returncode == 0


@unittest.skipUnless(strace_works(), "strace is not installed, or may not trace here")
class Sync(Case):
    def traced(self, calls):
        """A node under strace, which is its grandchild (-D), so that the process started here is the node itself."""
        self.trace = os.path.join(self.directory, "trace")
        strace = ["strace", "-D", "-f", "-y", "-o", self.trace, "-e", "trace=" + calls, "-e", "signal=none"]
        return self.node(wrap=strace, env=NO_LEAK_CHECK)

    def events(self):
        """"sync" and "send" in the order completed; a call that the trace has in two pieces is put together."""
        pending, found = {}, []
        with open(self.trace) as f:
            for line in f:
                thread, _, text = line.partition(" ")
                text = text.strip()
                if text.endswith("<unfinished ...>"):
                    pending[thread] = text
                    continue
                if text.startswith("<..."):
                    text = pending.pop(thread, "") + text
                if text.startswith("fdatasync(") and SEGMENT.search(text):
                    found.append("sync")
                elif re.match(r"(write|writev|sendmsg|sendto|sendmmsg)\(\d+<(socket|TCP)", text):
                    found.append("send")
        return found

    def syncs(self):
        return self.events().count("sync")

    def status(self, rpc):
        return rpc.call("_sys/node.status")

    def test_concurrent_writes_share_syncs(self):
        node = self.traced("fdatasync")
        count, connections = 500, 8
        with node.rpc() as rpc:
            rpc.call("counter/warm.add")
            traced_before, before = self.syncs(), self.status(rpc)

            def load(n):
                with node.rpc() as mine:
                    mine.call_all([(f"counter/s{n}-{k % 50}.add",) for k in range(count)])
            threads = [threading.Thread(target=load, args=(n,)) for n in range(connections)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            after, traced_after = self.status(rpc), self.syncs()
        adds, syncs = count * connections, traced_after - traced_before
        print(f"{adds} adds, {syncs} fdatasync, {after['log_groups'] - before['log_groups']} groups")
        self.assertGreater(syncs, 0)
        self.assertLess(syncs, adds / 8)
        self.assertLessEqual(abs(after["log_syncs"] - before["log_syncs"] - syncs), 1, "status counts what strace sees")
        groups = after["log_groups"] - before["log_groups"]
        self.assertEqual(after["log_syncs"] - before["log_syncs"], groups, "one sync a group")

    def test_no_answer_before_its_sync(self):
        node = self.traced("fdatasync,write,writev,sendmsg,sendto,sendmmsg")
        adds = 100
        with node.rpc() as rpc:
            rpc.call("counter/one.add")
            begin = len(self.events())
            for _ in range(adds):
                rpc.call("counter/one.add")
            events = self.events()[begin:]
        self.assertGreaterEqual(events.count("send"), adds)
        self.assertLessEqual(events.count("sync"), adds + 10, "one write needs one sync")
        synced = True  # the trace may begin in the middle of what came before
        for n, event in enumerate(events):
            if event == "send":
                self.assertTrue(synced, f"answer without a sync: {events[max(0, n - 6):n + 2]}")
            synced = event == "sync" or (synced and event != "send")

    def test_reads_and_pings_need_no_sync(self):
        node = self.traced("fdatasync")
        with node.rpc() as rpc:
            rpc.call("counter/r.add")
            self.eventually(lambda: self.status(rpc)["unapplied_bytes"] == 0, "the write is in the store")
            before = self.syncs()
            rpc.call_all([("counter/r.get",), ("echo/r.ping", 1), ("counter/untouched.get",)] * 200)
            self.assertLessEqual(self.syncs() - before, 1)


if __name__ == "__main__":
    main()
