"""tests/e2e/cluster.py: several nodes of one cluster on loopback, each a real process on a port that it keeps."""
import os
import signal
import socket
import time

from perdure import Node, RpcError, output_json, run


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Cluster:
    """Nodes by number, from 1; the first one founds the cluster. `test` is a Case."""

    def __init__(self, test, *args, env=None):
        self.test, self.args, self.env, self.nodes, self.ports = test, args, env, {}, {}

    def directory(self, n):
        return os.path.join(self.test.directory, f"n{n}")

    @property
    def secret(self):
        return os.path.join(self.directory(1), "secret")

    def address(self, n):
        return f"127.0.0.1:{self.ports[n]}"

    def start(self, n, *args, join=None, wait=True):
        """`join`: numbers; None: all that were started before, but for the first."""
        self.ports.setdefault(n, free_port())
        asked = [m for m in self.ports if m != n] if join is None and n != 1 else (join or [])
        more = ["--join", ",".join(self.address(m) for m in asked), "--secret", self.secret] if asked else []
        self.nodes[n] = self.process(n, "--name", f"n{n}", "--listen", self.address(n), *more, *self.args, *args, wait=wait)
        return self.nodes[n]

    def process(self, n, *args, wait):
        return Node(self.directory(n), *args, wait=wait, env=self.env)

    def start_all(self, count):
        """Their shards are spread over all of them."""
        self.start(1, "--expect", str(count))
        for n in range(2, count + 1):
            self.start(n)
        for n in range(1, count + 1):
            self.test.eventually(lambda: self.up(n) == count, f"node {n} sees {count} members", 20)

    def status(self, n):
        return output_json(self.test, run("status", "--json", node=self.address(n)))

    def told(self, n):
        """What a person is told."""
        return self.status(n)

    def member(self, n, of):
        """What node `n` says of node `of`; None: nothing."""
        return next((m for m in self.status(n)["members"] if m["name"] == f"n{of}"), None)

    def up(self, n):
        return sum(m["state"] == "up" for m in self.status(n)["members"])

    def voters(self, n):
        """A node may be lost when there are three."""
        return sum(m["role"] == "voter" for m in self.status(n)["members"])

    def short(self, n):
        """How many shards have fewer copies in sync than they ought to, or no primary; as node `n` says."""
        directory = self.told(n)["directory"]
        return directory["short"] + directory["headless"] + directory["moving"] if directory else None

    def whole(self, n):
        return self.short(n) == 0

    def leader(self, n):
        """The number of the node that leads, as node `n` says; 0: none."""
        leader = self.status(n)["leader"]
        return int(leader[1:]) if leader else 0

    def kill(self, n):
        self.nodes.pop(n).kill()

    def stop(self, n):
        status = self.nodes.pop(n).stop()
        self.test.assertEqual(status, 0)

    def pause(self, n):
        self.nodes[n].process.send_signal(signal.SIGSTOP)

    def resume(self, n):
        self.nodes[n].process.send_signal(signal.SIGCONT)
