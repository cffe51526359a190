#!/usr/bin/env python3
"""tests/bench/reminders.py [ACTORS [EACH]]: what pending reminders cost a node.

ACTORS actors (1,000) set EACH reminders (1,000, the most an actor may have), due evenly over the hour to come. Then the
node's resident memory before and after, the time from exec to the first answer of the next start, and its memory once it
has looked at what is due. The environment is that of tests/e2e:

    PDR_BIN=build/release/bin/perdure PDR_TEST_DIR=/var/tmp python3 tests/bench/reminders.py"""
import os
import subprocess
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import perdure  # noqa: E402

HOUR_MS = 3_600_000
HERE = os.path.dirname(os.path.abspath(__file__))
WINDOW = 256


def resident_mib(node):
    with open(f"/proc/{node.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


def fill(node, actors, each):
    rpc, waiting = node.rpc(), []
    for k in range(actors):
        waiting.append(rpc.send(f"many/{k}.fill", each, HOUR_MS, HOUR_MS * k // (actors * each)))
        if len(waiting) == WINDOW:
            assert rpc.wait(waiting.pop(0)) == each
    for msgid in waiting:
        assert rpc.wait(msgid) == each


def main():
    actors = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    each = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    directory = tempfile.mkdtemp(prefix="bench-reminders-", dir=os.environ.get("PDR_TEST_DIR"))
    plugin = os.path.join(directory, "reminders.so")
    subprocess.run([os.environ.get("PDR_CC", "cc"), "-O2", "-shared", "-fPIC", f"-I{perdure.SOURCE}/include",
                    f"-I{os.path.dirname(os.path.dirname(perdure.BIN))}/include", "-o", plugin,
                    os.path.join(HERE, "reminders_plugin.c")], check=True)
    data = os.path.join(directory, "data")
    flags = ["--plugin", plugin]
    node = perdure.Node(data, *flags)
    node.rpc().call("many/0.fired")
    print(f"empty: {resident_mib(node):.1f} MiB resident")
    began = time.monotonic()
    fill(node, actors, each)
    print(f"{actors * each:,} reminders set in {time.monotonic() - began:.1f} s")
    time.sleep(10)
    print(f"ten seconds later: {resident_mib(node):.1f} MiB")
    node.stop()
    began = time.monotonic()
    node = perdure.Node(data, *flags)
    node.rpc().call("many/0.fired")
    print(f"started again: {1000 * (time.monotonic() - began):.0f} ms to the first answer")
    time.sleep(10)
    print(f"ten seconds later: {resident_mib(node):.1f} MiB")
    soon = range(max(1, actors // 1000)) # the first to be due, all of them by now
    fired = sum(node.rpc().call(f"many/{k}.fired") > 0 for k in soon)
    print(f"of the {len(soon)} that were due first {fired} have fired")
    assert fired == len(soon)
    node.stop()
    shutil.rmtree(directory)


main()
