"""tests/e2e/netns.py: nodes in network namespaces of their own, on one bridge, and cuts between them.

The bridge, with an address of the test's, is in the namespace of the test, so clients reach every node whatever is
cut. A cut is a rule of nft in the namespace of who no longer hears: what is sent to it is counted and dropped, nothing
is refused, as with a broken cable. Names have the process's id in them; what was left by processes that are gone is
removed by the next one that makes something. Needs root, `ip` and `nft`."""
import atexit
import json
import os
import re
import shutil
import signal
import subprocess

PREFIX = "pdr"
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
TABLE = "inet perdure"


def tool(*args):
    """What `ip` or `nft` printed; it must have succeeded."""
    result = subprocess.run(args, capture_output=True, text=True, timeout=30, env={**os.environ, "PATH": PATH})
    if result.returncode != 0:
        raise RuntimeError(f"{' '.join(args)}: {result.stderr.strip()}")
    return result.stdout


def why_not():
    """Why this cannot be done here, a sentence; None: it can."""
    if os.geteuid() != 0:
        return "network namespaces are for root"
    for name in ("ip", "nft", "nsenter"):
        if shutil.which(name, path=PATH) is None:
            return f"there is no {name}"
    net = None
    try:
        net = Net(1)
        net.cut(1, net.HERE)
        return None
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        return f"no privilege to make a network: {error}"
    finally:
        if net is not None:
            net.remove()


def remove_links(pattern):
    for link in json.loads(tool("ip", "-j", "link", "show")):
        if re.fullmatch(pattern, link["ifname"]):
            subprocess.run(["ip", "link", "del", link["ifname"]], capture_output=True, env={**os.environ, "PATH": PATH})


def remove_leftovers():
    """Of processes that were killed before they could tidy up."""
    names = re.findall(rf"^{PREFIX}(\d+)-\d+", tool("ip", "netns", "list"), re.M)
    bridges = [re.fullmatch(rf"{PREFIX}(\d+)b", e["ifname"]) for e in json.loads(tool("ip", "-j", "link", "show"))]
    for pid in {*names, *(m.group(1) for m in bridges if m)}:
        if not os.path.exists(f"/proc/{pid}"):
            remove(pid)


def remove(pid):
    """What is of this process, with whoever runs in it."""
    for name in re.findall(rf"^({PREFIX}{pid}-\d+)", tool("ip", "netns", "list"), re.M):
        for inside in tool("ip", "netns", "pids", name).split():
            try:
                os.kill(int(inside), signal.SIGKILL)
            except ProcessLookupError:
                pass
        tool("ip", "netns", "del", name)
    remove_links(rf"{PREFIX}{pid}(b|v\d+)")


class Net:
    """`count` namespaces by number, from 1. One at a time in a process. HERE is the test's own side of the bridge."""
    HERE = 254
    live = set()

    def __init__(self, count):
        remove_leftovers()
        self.pid, self.count, self.cuts = os.getpid(), count, set()
        self.subnet = self.free_subnet()
        Net.live.add(self)
        self.bridge = f"{PREFIX}{self.pid}b"
        tool("ip", "link", "add", self.bridge, "type", "bridge")
        tool("ip", "addr", "add", self.address(self.HERE) + "/24", "dev", self.bridge)
        tool("ip", "link", "set", self.bridge, "up")
        for n in range(1, count + 1):
            self.make(n)

    def free_subnet(self):
        taken = tool("ip", "-4", "addr", "show") + tool("ip", "-4", "route", "show")
        for i in range(256):
            subnet = f"10.{(self.pid + i) % 256}.{self.pid // 256 % 256}"
            if f"{subnet}." not in taken:
                return subnet
        raise RuntimeError("no free subnet")

    def make(self, n):
        name, outside = self.name(n), f"{PREFIX}{self.pid}v{n}"
        tool("ip", "netns", "add", name)
        tool("ip", "link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", name)
        tool("ip", "link", "set", outside, "master", self.bridge, "up")
        tool("ip", "-n", name, "addr", "add", self.address(n) + "/24", "dev", "eth0")
        for link in ("lo", "eth0"):
            tool("ip", "-n", name, "link", "set", link, "up")

    def name(self, n):
        return f"{PREFIX}{self.pid}-{n}"

    def address(self, n):
        return f"{self.subnet}.{n}"

    def wrap(self, n):
        """What to put before a command so that it runs there."""
        return ["nsenter", f"--net=/run/netns/{self.name(n)}"]

    def nft(self, n, *args):
        return tool(*self.wrap(n), "nft", *args)

    def cut(self, a, b, one_way=False):
        """`b` no longer hears `a`; nor the other way round, unless one_way."""
        self.deafen(b, a)
        if not one_way:
            self.deafen(a, b)

    def deafen(self, n, to):
        if n == self.HERE:
            return
        if n not in {m for m, _ in self.cuts}:
            self.nft(n, f"add table {TABLE}")
            self.nft(n, f"add chain {TABLE} cut {{ type filter hook input priority 0; }}")
        self.nft(n, f"add rule {TABLE} cut ip saddr {self.address(to)} counter drop")
        self.cuts.add((n, to))

    def part(self, side):
        """Nobody of `side` and nobody of the others hear each other."""
        for a in side:
            for b in set(range(1, self.count + 1)) - set(side):
                self.cut(a, b)

    def dropped(self):
        """Packets, since the cuts were made."""
        return sum(e["rule"]["expr"][1]["counter"]["packets"] for n in {n for n, _ in self.cuts}
                   for e in json.loads(self.nft(n, "-j", f"list table {TABLE}"))["nftables"] if "rule" in e)

    def heal(self):
        for n in {n for n, _ in self.cuts}:
            self.nft(n, f"delete table {TABLE}")
        self.cuts.clear()

    def remove(self):
        Net.live.discard(self)
        remove(self.pid)


@atexit.register
def remove_all():
    for net in list(Net.live):
        net.remove()
