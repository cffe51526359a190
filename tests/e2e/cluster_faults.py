"""tests/e2e/cluster_faults.py: three to five nodes, each in a network namespace of its own (netns.py), lose their
leader, each other, their time and their disks. Calls that the fault does not touch go on all the time without an error
(load.py), what a session asked is done exactly once, and `perdure status` says how it is.

All of it with one copy of a shard (test_cluster_faults.py), and with three (test_copies_faults.py). One copy: its node
goes on alone, and nobody else can. Three: what a node led goes on where two others are together, and who is alone must
not write.

Skipped without the privilege to make networks. PDR_STANDSTILL_S (3) says how long a node stands still."""
import collections
import os
import random
import sys
import time

import netns
from cluster import Cluster
from load import Load
from perdure import Node, Rpc, RpcError, end_all, output_json, run
from test_faults import SmallDisk

STANDSTILL_S = float(os.environ.get("PDR_STANDSTILL_S", "3"))
WHY_NOT = netns.why_not()
SAME_LINE_A_SECOND_MAX = 5
SMALL = ("--log-segment", "1MiB", "--log-size", "8MiB", "--store-buffer", "1MiB")


class NetCluster(Cluster):
    """Each node in its namespace, on the same port."""

    def __init__(self, test, net, copies):
        super().__init__(test)
        self.net, self.disks = net, {}
        self.args = ("--secret", self.secret, "--copies", str(copies))

        with open(self.secret, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as f:
            f.write("0123456789abcdef0123456789abcdef")

    @property
    def secret(self):
        return os.path.join(self.test.directory, "secret")

    def address(self, n):
        return f"{self.net.address(n)}:7077"

    def again(self, n, wait=True):
        """A start with nothing but its directory, and the secret."""
        return self.start(n, join=[], wait=wait)

    def process(self, n, *args, wait):
        disk = self.disks.get(n)
        if disk is None:
            return Node(self.directory(n), *args, wait=wait, wrap=self.net.wrap(n))
        return Node(self.directory(n), *args, *SMALL, "--data", os.path.join(disk.directory, "data"), wait=wait,
                    wrap=[*self.net.wrap(n), *disk.wrap])

    def status(self, n):
        """Asked for often: what the node says by itself, without a process of the command line."""
        with Rpc(self.address(n)) as rpc:
            return rpc.call("_sys/node.status")

    def told(self, n):
        """What a person is told."""
        return output_json(self.test, run("status", "--json", node=self.address(n), timeout=10))

    def others(self, *but):
        return [n for n in self.nodes if n not in but]

    def state(self, n, of):
        member = self.member(n, of)
        return member["state"] if member else None

    def agreed(self, nodes):
        """The leader that all of these name; 0: they do not agree."""
        leaders = {self.leader(n) for n in nodes}
        return leaders.pop() if len(leaders) == 1 else 0

    def all_up(self):
        nodes = list(self.nodes)
        return self.agreed(nodes) != 0 and all(self.up(n) == len(nodes) for n in nodes)

    def metric(self, n, name):
        with Rpc(self.address(n)) as rpc:
            lines = rpc.call("_sys/node.metrics").splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.split("{")[0].split(" ")[0] == name)


class Faults:
    """With COPIES of each shard; the other half is a Case."""

    def build(self, count, started=None, small=None, apart=lambda: ()):
        """`apart`: no counter that is called has two copies on these nodes."""
        self.net = netns.Net(count)
        self.addCleanup(self.net.remove)
        self.addCleanup(end_all)
        self.cluster = c = NetCluster(self, self.net, self.COPIES)
        if small is not None:
            c.disks[small] = SmallDisk(self, 48, "tmpfs")
        c.start_all(started or count)
        self.eventually(lambda: sum(m["role"] == "voter" for m in c.status(1)["members"]) == 3, "three voters", 30)
        self.eventually(lambda: self.spread(started or count), "every node owns something", 20)
        if self.COPIES > 1:
            self.eventually(lambda: c.whole(1), "every shard has its copies", 30)
        self.apart = {f"n{n}" for n in apart()}
        self.load = Load(self, list(c.nodes), c.address, self.owned)
        self.load.goes_on()
        return c

    def spread(self, count):
        return all(m["leads"] >= 256 // count // 2 for m in self.cluster.told(1)["directory"]["members"])

    def owned(self, owner, count):
        if not hasattr(self, "names"):
            self.names, number = collections.defaultdict(list), 0
            with Rpc(self.cluster.address(1)) as rpc:
                while min((len(self.names[f"n{n}"]) for n in self.cluster.nodes)) <= count:  # one is left for others
                    name = f"counter/k{number}"
                    shard = rpc.call("_sys/directory.shard", name)
                    if len(self.apart & set(shard["in_sync"])) <= 1:
                        self.names[shard["primary"]].append(name)
                    number += 1
        return [self.names[f"n{owner}"].pop() for _ in range(count)]

    def touch(self, *sides, alone=(), unleased=()):
        """As Load.touch. With several copies who is alone is touched, for it may not write."""
        self.load.touch(*sides, *(alone if self.COPIES == 1 else ()), unleased=unleased)

    def takes_over(self, nodes, gone):
        """With several copies: what the gone ones led is called, and answered, through these nodes."""
        want = [(k, k.done + 2) for k in self.load.callers if k.pair[0] in nodes and k.pair[1] in gone]
        if self.COPIES > 1:
            self.eventually(lambda: all(k.done >= n for k, n in want), "others lead what the gone ones led", 20)

    def waits(self, n):
        """With several copies: what it still leads is not written to."""
        if self.COPIES > 1:
            with Rpc(self.cluster.address(n)) as rpc:
                call = (rpc.call, "_sys/conn.call", self.names[f"n{n}"][0], "add", [1], {"deadline_ms": 1000})
                self.fails_with("deadline_exceeded", *call)

    def tells(self, nodes, down):
        """Each of these, asked by a person, says who leads, and who is down; of itself, and from the directory."""
        for n in nodes:
            told = self.cluster.told(n)
            self.assertIn(int(told["leader"][1:]), nodes)
            self.assertEqual(told["directory"]["leader"], told["leader"])
            for members in (told["members"], told["directory"]["members"]):
                self.assertEqual({m["name"] for m in members if m["state"] != "up"}, {f"n{m}" for m in down})

    def tells_nobody_leads(self, nodes):
        for n in nodes:
            told = self.cluster.told(n)
            self.assertEqual((told["leader"], told["directory"]), (None, None))

    def healed(self):
        """The network is whole, and all are started: all is well again, and was never worse than it may be."""
        c = self.cluster
        self.eventually(c.all_up, "all see all, and one leader", 30)
        self.load.touch()
        self.every_pair_works()
        if self.COPIES > 1:
            self.eventually(lambda: c.whole(1), "every shard has its copies again", 30)
        self.load.heal()
        told = self.load.judge()
        print(f"{self.id().split('.')[-1]}: {told}", file=sys.stderr)
        self.quiet()
        for n in list(c.nodes):
            c.stop(n)

    def every_pair_works(self):
        want = [(k, k.done + 2) for k in self.load.callers]
        self.eventually(lambda: all(k.done >= n for k, n in want), "every node reaches every owner again", 30)

    def quiet(self):
        """Nobody fills the disk with one sentence; and nobody ended by a mistake of its own."""
        for name in sorted(os.listdir(self.directory)):
            if name.endswith(".log"):
                with open(os.path.join(self.directory, name), errors="replace") as f:
                    text = f.read()
                said = collections.Counter((line[:19], " ".join(line.split()[1:4])) for line in text.splitlines()
                                           if "store.apply_failed" not in line)  # up to the log's own limit
                for (second, what), times in said.items():
                    self.assertLessEqual(times, SAME_LINE_A_SECOND_MAX, f"{name}, {second}: {what}")
                self.assertNotIn("CHECK", text)

    def test_the_leader_is_killed(self):
        c = self.build(3)
        leader = c.leader(1)
        others = c.others(leader)
        self.load.touch(others)
        c.kill(leader)
        self.eventually(lambda: c.agreed(others) not in (0, leader), "another leads", 20)
        self.eventually(lambda: all(c.state(n, leader) == "down" for n in others), "the dead one is known to be", 20)
        self.tells(others, [leader])
        self.load.goes_on()
        self.takes_over(others, [leader])
        c.again(leader)
        self.healed()

    def test_each_node_is_killed(self):
        """One after the other, the directory's leader last: what it led goes on elsewhere, and nothing is lost."""
        c = self.build(3)
        for n in sorted(c.nodes, key=lambda n: n == c.leader(1)):
            others = c.others(n)
            self.load.touch(others)
            c.kill(n)
            self.eventually(lambda: all(c.state(m, n) == "down" for m in others), "the dead one is known to be", 20)
            self.takes_over(others, [n])
            self.load.goes_on()
            c.again(n)
            self.load.touch()
            self.eventually(c.all_up, "it is back", 30)
            if self.COPIES > 1:
                self.eventually(lambda: c.whole(1), "and has its copies", 30)
        self.healed()

    def minority(self):
        members = self.cluster.status(1)["members"]
        voters = [int(m["name"][1:]) for m in members if m["role"] == "voter"]
        return [self.cluster.leader(1), next(n for n in self.cluster.nodes if n not in voters)]

    def test_a_minority_is_cut_off(self):
        """With the leader in it, and a node that is no voter."""
        c = self.build(5, apart=self.minority)
        few = self.minority()
        leader, many = few[0], c.others(*few)
        self.touch(many, alone=[few], unleased=few)
        self.net.part(few)
        self.eventually(lambda: c.agreed(many) in many, "the majority has another leader", 20)
        self.eventually(lambda: all(c.state(n, m) == "down" for n in many for m in few), "who is cut off is down", 20)
        self.eventually(lambda: c.leader(few[0]) == 0 and c.leader(few[1]) == 0, "who is cut off knows no leader", 20)
        self.eventually(lambda: all(c.metric(n, "perdure_lease_left_ms") == 0 for n in few), "its lease is over", 20)
        self.assertGreater(self.net.dropped(), 0)
        self.load.goes_on()
        self.takes_over(many, few)
        self.waits(leader)
        self.tells(many, few)
        self.tells_nobody_leads(few)
        self.net.heal()
        self.healed()

    def test_the_majority_is_lost_and_back(self):
        c = self.build(3)
        left = next(n for n in c.nodes if n != c.leader(1))
        dead = c.others(left)
        self.touch(alone=[[left]], unleased=[left])
        for n in dead:
            c.kill(n)
        self.eventually(lambda: c.leader(left) == 0, "nobody leads", 20)
        self.eventually(lambda: c.metric(left, "perdure_lease_left_ms") == 0, "its lease is over", 20)
        self.load.goes_on()
        self.waits(left)
        self.tells_nobody_leads([left])
        for n in dead:
            c.again(n)
        self.healed()

    def one_way(self, hears):
        c = self.build(3)
        leader = c.leader(1)
        others = c.others(leader)
        self.load.touch(others)
        for n in others:
            self.net.cut(*((n, leader) if not hears else (leader, n)), one_way=True)
        self.eventually(lambda: c.agreed(others) in others, "another leads", 30)
        self.eventually(lambda: all(c.state(n, leader) == "down" for n in others), "who is cut off is down", 20)
        self.eventually(lambda: c.leader(leader) != leader, "who led knows that it does not", 20)
        self.assertGreater(self.net.dropped(), 0)
        self.load.goes_on()
        self.takes_over(others, [leader])
        self.tells(others, [leader])
        self.net.heal()
        self.healed()

    def test_the_leader_is_not_heard(self):
        self.one_way(hears=True)

    def test_the_leader_hears_nobody(self):
        self.one_way(hears=False)

    def test_the_leader_stands_still(self):
        c = self.build(3)
        leader = c.leader(1)
        others = c.others(leader)
        before = {m["name"]: m["id"] for m in c.status(others[0])["members"]}
        self.load.touch(others)
        c.pause(leader)
        end = time.monotonic() + STANDSTILL_S
        self.eventually(lambda: c.agreed(others) in others, "another leads", 20)
        self.eventually(lambda: all(c.state(n, leader) == "down" for n in others), "who stands still is down", 20)
        self.load.goes_on()
        self.takes_over(others, [leader])
        self.tells(others, [leader])
        time.sleep(max(0, end - time.monotonic()))
        c.resume(leader)
        self.eventually(lambda: c.all_up() and c.leader(leader) in others, "it goes on and follows", 20)
        self.assertEqual({m["name"]: m["id"] for m in c.status(leader)["members"]}, before)
        self.assertIsNone(c.nodes[leader].process.poll())
        self.healed()

    def test_all_are_killed_at_once(self):
        c = self.build(3)
        nodes = list(c.nodes)
        self.load.touch()
        for n in nodes:
            c.nodes[n].process.kill()
        for n in nodes:
            c.kill(n)
        for n in nodes:
            c.again(n, wait=False)
        for n in nodes:
            c.nodes[n].await_ready()
        self.healed()

    def test_a_node_joins_while_the_cluster_is_parted(self):
        c = self.build(4, started=3)
        leader = c.leader(1)
        many = c.others(leader)
        self.touch(many, alone=[[leader]], unleased=[leader])
        self.net.part([leader, 4])
        c.start(4, wait=False)
        self.eventually(lambda: c.agreed(many) in many, "the majority has another leader", 20)
        self.load.goes_on()
        self.takes_over(many, [leader])
        self.assertGreater(self.net.dropped(), 0)
        self.assertTrue(all(c.member(n, 4) is None for n in many), "it is not in")
        c.nodes[4].await_ready()
        self.eventually(lambda: c.leader(4) == 0, "it knows no leader", 20)
        self.tells_nobody_leads([4])
        self.assertEqual([(m["name"], m["role"]) for m in c.status(4)["members"]], [("n4", "joining")], "it waits")
        self.net.heal()
        self.eventually(lambda: all(c.state(n, 4) == "up" for n in c.nodes), "it is in", 30)
        self.healed()

    def test_one_thing_after_the_other(self):
        """Whatever comes, by a seed (PDR_NEMESIS_SEED), and how many (PDR_NEMESIS_STEPS, 8): in the end all is well."""
        seed = int(os.environ.get("PDR_NEMESIS_SEED", time.time_ns() % 1000000))
        chance, told = random.Random(seed), []
        c = self.build(5)
        self.load.touch()
        try:
            for _ in range(int(os.environ.get("PDR_NEMESIS_STEPS", "8"))):
                told.append(self.misfortune(chance))
                time.sleep(chance.choice((0.1, 0.5, 1.5)))
            self.net.heal()
            for n in range(1, 6):
                if n in c.nodes:
                    c.resume(n)
                else:
                    c.again(n)
            self.healed()
        except BaseException:
            print(f"seed {seed}: {'; '.join(told)}", file=sys.stderr)
            raise

    def misfortune(self, chance):
        c, n, m = self.cluster, *chance.sample(range(1, 6), 2)
        what = chance.choice(("kill", "kill", "pause", "part", "part", "one way", "one way", "heal"))
        if what == "kill" and n in c.nodes:
            c.kill(n)
        elif what == "kill":
            c.again(n, wait=False)
        elif what == "pause" and n in c.nodes:
            c.pause(n)
            time.sleep(chance.choice((0.3, 2)))
            c.resume(n)
        elif what == "part":
            self.net.heal()
            self.net.part([n, m])
        elif what == "one way":
            self.net.cut(n, m, one_way=True)
        elif what == "heal":
            self.net.heal()
        return f"{what} {n} {m}"

    def full_disk(self, full):
        """The directory takes in a node while one of its voters can write nothing."""
        c = self.build(4, started=3, small=full)
        others, node, disk = c.others(full), c.nodes[full], c.disks[full]
        self.load.touch(others)
        disk.fill(node)
        self.eventually(lambda: self.refused(full), "writes there are refused", 20)
        c.start(4)
        self.eventually(lambda: all(c.state(n, 4) == "up" for n in others), "the directory goes on", 30)
        self.assertTrue(self.refused(full), "and all the time there was no space")
        self.load.goes_on()
        self.assertIsNone(node.process.poll(), node.tail())
        released = self.released(full)
        disk.free(node)
        self.eventually(lambda: not self.refused(full), "writes are taken again", 30)
        # RocksDB looks for space every five seconds; until then the small log may be filled, and refuse once more.
        self.eventually(lambda: self.released(full) > released, "the store takes over from the log again", 30)
        self.healed()

    def test_the_disk_of_a_voter_is_full(self):
        self.full_disk(3)

    def test_the_disk_of_the_leader_is_full(self):
        self.full_disk(1)

    def released(self, n):
        """How many bytes of its log the store has for good."""
        metrics = [f"perdure_journal_{name}" for name in ("bytes_total", "kept_bytes")]
        written, kept = (self.cluster.metric(n, name) for name in metrics)
        return written - kept

    def refused(self, n):
        """It has no space for a write of its own."""
        with Rpc(self.cluster.address(n)) as rpc:
            try:
                name = self.names[f"n{n}"][0]
                rpc.call("_sys/conn.call", name, "add", [1], {"deadline_ms": 2000})
                return False
            except RpcError as error:
                self.assertIn(error.code, ("no_space", "overloaded", "deadline_exceeded", "unavailable"), error)
                return error.code == "no_space"
