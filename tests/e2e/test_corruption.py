#!/usr/bin/python3
"""tests/e2e/test_corruption.py: a log whose tail a crash tore is used without its tail; a log that is damaged anywhere
else is refused with a sentence, and left as it is (replication.md R71).

What is known here of the format (core/journal/record.c): a group begins at a multiple of 4 KiB with "PDRG", and holds
its position at byte 32 and the size of its records, which follow its 64 bytes of header, at byte 52."""
import os
import pathlib
import struct

from perdure import Case, Node, main, run

BLOCK, HEADER = 4096, 64
ADDS = 60


class Group:
    def __init__(self, path, offset, head):
        self.path, self.offset = path, offset
        self.position, = struct.unpack_from("<Q", head, 32)
        self.records_size, = struct.unpack_from("<I", head, 52)

    def __repr__(self):
        return f"{self.path.name}@{self.offset}"


class Corruption(Case):
    def groups(self):
        """Of the whole log, in the order written."""
        found = []
        for path in sorted(pathlib.Path(self.data).rglob("[0-9]*.log")):
            if len(path.name) == 20:
                data = path.read_bytes()
                found += [Group(path, at, data[at:at + HEADER]) for at in range(0, len(data), BLOCK)
                          if data[at:at + 4] == b"PDRG"]
        self.assertGreater(len(found), 0, "no groups found: has the format changed?")
        return sorted(found, key=lambda g: g.position)

    def fill(self):
        """One add after the other: at least one group each. Then SIGKILL, so that all of it is in the log alone."""
        node = self.node()
        with node.rpc() as rpc:
            for n in range(1, ADDS + 1):
                self.assertEqual(rpc.call("counter/x.add"), n)
        node.kill()

    def change(self, path, offset, change):
        with open(path, "r+b") as f:
            f.seek(offset)
            before = f.read(1)
            f.seek(offset)
            f.write(bytes([change(before[0])]))
            os.fsync(f.fileno())

    def value(self):
        node = self.node()
        with node.rpc() as rpc:
            value = rpc.call("counter/x.get")
            rpc.call("counter/after.add")  # and it goes on
        node.kill()
        return value, node.log_text()

    def refused(self, *words):
        """It does not start, and says why; returns the sentence."""
        result = run("start", "--data", self.data, "--listen", "127.0.0.1:0")
        self.assertNotEqual(result.returncode, 0, "it started on a damaged log")
        for word in words:
            self.assertIn(word, result.stderr)
        self.assertFalse("Sanitizer" in result.stderr, result.stderr[:2000])
        return result.stderr

    def test_a_torn_tail_is_cut_off(self):
        self.fill()
        last = self.groups()[-1]
        with open(last.path, "r+b") as f:  # only the first bytes of the block reached the disk
            f.seek(last.offset + 48)
            f.write(bytes(BLOCK - 48))
        value, _ = self.value()
        self.assertIn(value, (ADDS - 1, ADDS))
        again, _ = self.value()
        self.assertEqual(again, value)

    def test_a_flipped_bit_in_the_last_group_counts_as_torn(self):
        self.fill()
        last = self.groups()[-1]
        self.change(last.path, last.offset + HEADER + last.records_size // 2, lambda b: b ^ 4)
        value, _ = self.value()
        self.assertIn(value, (ADDS - 1, ADDS))

    def test_a_flipped_bit_in_the_middle_is_refused_and_can_be_undone(self):
        self.fill()
        groups = self.groups()
        for group in (groups[1], groups[len(groups) // 2], groups[-3]):
            for at in (0, 20, 33, 60, HEADER, HEADER + group.records_size - 1):
                with self.subTest(group=group, at=at):
                    self.change(group.path, group.offset + at, lambda b: b ^ 1)
                    self.refused(group.path.name, "damaged", "backup")
                    self.change(group.path, group.offset + at, lambda b: b ^ 1)
        value, _ = self.value()
        self.assertEqual(value, ADDS, "what was refused was not changed")

    def test_a_lost_block_in_the_middle_is_refused(self):
        self.fill()
        groups = self.groups()
        group = groups[len(groups) // 2]
        with open(group.path, "r+b") as f:
            f.seek(group.offset)
            f.write(bytes(BLOCK))
        self.refused(group.path.name, "damaged")

    def test_a_log_of_another_directory_is_refused(self):
        self.fill()
        other = os.path.join(self.directory, "other")
        node = Node(other)
        with node.rpc() as rpc:
            for _ in range(ADDS // 2):
                rpc.call("counter/y.add")
        node.kill()
        groups = self.groups()
        victim = groups[len(groups) // 2]
        stranger = pathlib.Path(str(victim.path).replace(self.data, other)).read_bytes()
        with open(victim.path, "r+b") as f:  # a whole, valid group, but of another log
            f.seek(victim.offset)
            at = victim.offset if stranger[victim.offset:victim.offset + 4] == b"PDRG" else 2 * BLOCK
            self.assertEqual(stranger[at:at + 4], b"PDRG")
            f.write(stranger[at:at + BLOCK])
        self.refused(victim.path.name, "damaged")


if __name__ == "__main__":
    main()
