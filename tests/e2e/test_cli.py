#!/usr/bin/python3
"""tests/e2e/test_cli.py: the command line against a live node: output, exit status, sentences; on a terminal and off."""
import json
import os
import pty
import select
import signal
import socket
import subprocess
import threading
import time
import unittest

from perdure import BIN, Case, main, output_json, run


def on_terminal(*args, node, env=None, stream="stdout"):
    """What the command prints when standard output, or another stream, is a terminal; without colours, unless `env` says so."""
    try:
        parent, child = pty.openpty()
    except OSError as error:
        raise unittest.SkipTest(f"this machine gives no terminal: {error}")
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: child}
    process = subprocess.Popen([BIN, *args, "--node", node], env={**os.environ, "NO_COLOR": "1", **(env or {})}, **streams)
    os.close(child)
    text = b""
    while True:
        try:
            piece = os.read(parent, 4096)
        except OSError:  # how Linux says that the other end is closed
            break
        if not piece:
            break
        text += piece
    os.close(parent)
    process.wait(30)
    return text.decode().replace("\r\n", "\n")


class Cli(Case):
    def setUp(self):
        super().setUp()
        self.server = self.node("--label", "zone=a", "--label", "disk=ssd", "--name", "n1")

    def ask(self, *args):
        return run(*args, node=self.server.address)

    def refused(self, status, *args, says=(), node=None):
        result = run(*args, node=node)
        self.assertEqual(result.returncode, status, result.stderr)
        self.assertEqual(result.stdout, "")
        for words in says:
            self.assertIn(words, result.stderr)
        return result

    def test_call_prints_json_and_takes_json_or_strings(self):
        for arg, value in (("5", 5), ("-5", -5), ("1.0", 1.0), ("true", True), ("null", None), ('"5"', "5"), ("hello", "hello"),
                           ('{"a": [1, {"b": null}]}', {"a": [1, {"b": None}]}), ("", ""), ("5 apples", "5 apples"),
                           ("9223372036854775807", 2**63 - 1), ('{"$bin": "AP8="}', {"$bin": "AP8="}),
                           ('{"$map": [[1, 2]]}', {"$map": [[1, 2]]}), ('{"$uint": "18446744073709551615"}', {"$uint": "18446744073709551615"})):
            result = self.ask("call", "echo/any", "ping", arg)
            self.assertEqual(output_json(self, result), value)
            self.assertEqual(result.stdout.count("\n"), 1)

    def test_flags_may_stand_anywhere_and_the_environment_names_the_node(self):
        address = self.server.address
        for args in (["--node", address, "call", "counter/f", "add"], ["call", "--node=" + address, "counter/f", "add"]):
            result = run(*args)
            if args[0] == "call":
                self.assertEqual(output_json(self, result), 1)
            else:  # before the command there are no flags
                self.assertEqual(result.returncode, 2)
        self.assertEqual(output_json(self, run("call", "counter/f", "add", "-3", env={"PERDURE_NODE": address})), -2)
        self.assertEqual(output_json(self, run("call", "echo/x", "ping", "--", "--node", env={"PERDURE_NODE": address})), "--node")

    def test_a_failed_call_is_json_on_standard_error_and_status_1(self):
        for args, code in ((("counter/x", "nosuch"), "not_found"), (("nosuch/x", "add"), "not_found"), (("counter/x", "add", "seven"), "invalid")):
            result = self.ask("call", *args)
            self.assertEqual(result.returncode, 1)
            self.assertEqual(result.stdout, "")
            error = json.loads(result.stderr)
            self.assertEqual(error["code"], code)
            self.assertGreater(len(error["message"]), 5)
        self.ask("call", "counter/big", "add", str(2**63 - 1))
        self.assertEqual(json.loads(self.ask("call", "counter/big", "add", "1").stderr)["code"], "overflow")

    def test_a_wrong_command_line_is_status_2_and_a_sentence(self):
        address = self.server.address
        self.refused(2, "strat", says=['"strat"', '"start"'])
        self.refused(2, "frobnicate", says=["frobnicate"])
        self.refused(2, says=["perdure start"])
        self.refused(2, "call", "counter/x", says=["usage: perdure call TYPE/KEY METHOD"])
        self.refused(2, "call", "counter/x", "add", "--jsno", says=["--jsno"])
        self.refused(2, "call", "counter", "add", says=["TYPE/KEY"], node=address)
        self.refused(2, "call", "counter/x", "a.b", says=["a.b", "method"], node=address)
        self.refused(2, "call", "counter/x", "add", "9223372036854775808", says=["9223372036854775808", "$uint"], node=address)
        self.refused(2, "call", "counter/x", "add", '{"$bin": 5}', says=["base64"], node=address)
        self.refused(2, "call", "counter/x", "add", "--deadline", "5", says=["--deadline", "30s"], node=address)
        self.refused(2, "status", "more", says=["more"], node=address)
        self.refused(2, "ps", "--limit", "0", says=["--limit"], node=address)
        self.refused(2, "status", says=["nonsense"], node="nonsense")
        self.assertEqual(output_json(self, self.ask("call", "counter/x", "get")), 0, "nothing of that was done")

    def test_no_node_is_status_3(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            for args in (("call", "counter/x", "add"), ("tell", "counter/x", "add"), ("watch", "counter/x"), ("inspect", "counter/x"), ("cancel", "counter/x"),
                         ("redeliver", "--all"), ("status",), ("ps",), ("types",)):
                self.refused(3, *args, says=[f"127.0.0.1:{port}", "perdure start"], node=f"127.0.0.1:{port}")

    def test_no_answer_in_time_is_status_4(self):
        """Something that listens, and never answers."""
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            accepted = []
            threading.Thread(target=lambda: accepted.append(deaf.accept()), daemon=True).start()
            began = time.monotonic()
            result = run("call", "counter/x", "add", "--deadline", "300ms", node=f"127.0.0.1:{deaf.getsockname()[1]}")
            self.assertEqual(result.returncode, 4, result.stderr)
            self.assertLess(time.monotonic() - began, 3)
            self.assertEqual(json.loads(result.stderr)["code"], "deadline_exceeded")
            for connection, _ in accepted:
                connection.close()

    def test_tell_is_done_without_a_word(self):
        result = self.ask("tell", "counter/told", "add", "7")
        self.assertEqual((result.returncode, result.stdout), (0, ""))
        self.eventually(lambda: self.ask("call", "counter/told", "get").stdout == "7\n", "the message arrived")

    def test_status_is_json_off_a_terminal_and_a_table_on_one(self):
        status = output_json(self, self.ask("status"))
        for key in ("cluster", "leader", "members", "shards", "lag", "node", "version", "uptime_ms", "actors", "calls"):
            self.assertIn(key, status)
        member, = status["members"]
        self.assertEqual(member["name"], "n1")
        self.assertEqual(member["labels"], {"zone": "a", "disk": "ssd"})
        self.assertEqual(member["address"], self.server.address)
        self.assertEqual(set(member), {"name", "id", "address", "role", "state", "labels"})
        table = on_terminal("status", node=self.server.address)
        for words in ("cluster", status["cluster"], "NAME", "n1", self.server.address, "zone=a"):
            self.assertIn(words, table)
        self.assertEqual(json.loads(on_terminal("status", "--json", node=self.server.address))["node"], "n1")

    def test_ps_lists_what_is_active_and_what_is_on_disk(self):
        with self.server.rpc() as rpc:
            rpc.call_all([(f"counter/p{n:04}.add", 1) for n in range(1200)])
            rpc.call("kv/q.put", "k", "v")
        rows = [json.loads(line) for line in self.ask("ps").stdout.splitlines()]
        self.assertEqual([row["address"] for row in rows], [f"counter/p{n:04}" for n in range(1200)] + ["kv/q"])
        self.assertEqual(set(rows[0]), {"address", "state", "mailbox", "turns", "bytes"})
        self.assertEqual(rows[0]["state"], "active")
        self.assertEqual(len(self.ask("ps", "counter/p00").stdout.splitlines()), 100)
        self.assertEqual(len(self.ask("ps", "--limit", "7").stdout.splitlines()), 7)
        self.assertEqual(len(self.ask("ps", "counter/", "--limit", "750").stdout.splitlines()), 750)
        self.assertEqual(self.ask("ps", "nosuch/").stdout, "")
        table = on_terminal("ps", "kv/", node=self.server.address).splitlines()
        self.assertEqual(table[0].split(), ["ADDRESS", "STATE", "MAILBOX", "TURNS", "BYTES"])
        self.assertEqual(table[1].split()[:2], ["kv/q", "active"])
        self.server.stop()
        self.server = self.node()
        rows = [json.loads(line) for line in self.ask("ps", "counter/p000").stdout.splitlines()]
        self.assertEqual([(row["address"], row["state"]) for row in rows], [(f"counter/p000{n}", "passive") for n in range(10)])
        self.assertGreater(rows[0]["bytes"], 0)

    def test_types_are_listed(self):
        types = {row["name"]: row["methods"] for row in map(json.loads, self.ask("types").stdout.splitlines())}
        self.assertEqual(sorted(types), ["barrier", "bully", "counter", "echo", "group", "kv", "lock", "queue", "semaphore",
                                         "topic"])
        self.assertEqual(types["counter"], ["add", "get", "reset"])
        self.assertIn("counter    add get reset", on_terminal("types", node=self.server.address))

    def test_help_is_everywhere(self):
        for args in (("--help",), ("-h",), ("help",)):
            result = run(*args)
            self.assertEqual(result.returncode, 0)
            for command in ("start", "call", "tell", "watch", "status", "ps", "inspect", "cancel", "redeliver", "types", "help"):
                self.assertIn(f"perdure {command}", result.stdout)
                one = run(command, "--help")
                self.assertEqual(one.returncode, 0)
                self.assertIn(f"usage: perdure {command}", one.stdout)
                self.assertEqual(run("help", command).stdout, one.stdout)
        self.assertRegex(run("--version").stdout, r"^perdure \d+\.\d+\.\d+\n$")

    def test_a_full_standard_output_is_a_failure(self):
        with open("/dev/full", "w") as full:
            result = subprocess.run([BIN, "--version"], stdout=full, stderr=subprocess.PIPE)
        self.assertEqual(result.returncode, 1)


class Start(Case):
    def refused(self, status, *args, says=()):
        result = run("start", "--data", self.data, *args)
        self.assertEqual(result.returncode, status, result.stderr)
        for words in says:
            self.assertIn(words, result.stderr)

    def test_wrong_flags_are_refused_with_a_sentence(self):
        self.refused(2, "--join", "other", says=["--join", "other"])
        self.refused(2, "--advertise", "other", says=["\"other\" is not HOST:PORT"])
        self.refused(2, "--memory", "5", says=["--memory is 16MiB to 1TiB, not 5"])
        self.refused(2, "--idle", "60", says=["--idle takes a time"])
        self.refused(2, "--label", "zone", says=["K=V"])
        self.refused(2, "--memroy", "1GiB", says=["--memory"])
        self.refused(2, "--name", "a b", says=["--name"])
        self.refused(2, "--listen", "nowhere", says=["nowhere", "HOST:PORT"])
        self.refused(2, "--listen", "127.0.0.1:99999", says=["127.0.0.1:99999"])
        self.refused(2, "--threads", "65", says=["--threads is 0 to 64"])
        self.refused(2, "more", says=["more"])
        self.assertFalse(os.path.exists(self.data), "nothing was made")

    def test_what_is_in_the_way_is_refused_with_a_sentence(self):
        node = self.node()
        self.refused(1, "--listen", "127.0.0.1:0", says=[self.data, f"process {node.pid}"])
        other = run("start", "--data", self.data + "2", "--listen", node.address)
        self.assertEqual(other.returncode, 1)
        self.assertIn(node.address, other.stderr)
        self.assertEqual(run("start", "--data", os.path.join(self.data, "no/such/parent")).returncode, 1)

    def test_it_says_where_it_listens_once_it_does(self):
        node = self.node("--name", "n1")
        self.assertEqual(node.ready_line, f"perdure {node.version}: node n1 listens on {node.address}, data in {self.data}")
        self.assertEqual(run("--version").stdout, f"perdure {node.version}\n")
        host, port = node.address.split(":")
        self.assertEqual(host, "127.0.0.1")
        self.assertGreater(int(port), 0)
        with node.rpc() as rpc:
            self.assertEqual(rpc.call("echo/x.ping", 1), 1)
        self.assertEqual(node.process.stdout.peek() if select.select([node.process.stdout], [], [], 0)[0] else b"", b"", "one line")

    def test_its_name_and_identity_stay(self):
        node = self.node("--name", "first")
        with node.rpc() as rpc:
            before = rpc.call("_sys/node.status")
        node.kill()
        node = self.node("--name", "second")
        with node.rpc() as rpc:
            after = rpc.call("_sys/node.status")
        self.assertEqual((before["node"], after["node"]), ("first", "second"))
        self.assertEqual(before["cluster"], after["cluster"])
        self.assertEqual(before["members"][0]["id"], after["members"][0]["id"])

    def test_a_damaged_identity_is_refused(self):
        self.node().kill()
        path = os.path.join(self.data, "identity")
        with open(path, "r+") as f:
            f.write("X")
        self.refused(1, "--listen", "127.0.0.1:0", says=[path, "backup"])
        os.remove(path)
        self.refused(1, "--listen", "127.0.0.1:0", says=[path, "backup"])

    def test_more_threads_than_processors(self):
        node = self.node("--threads", "8")
        with node.rpc() as rpc:
            rpc.call_all([(f"counter/t{n}.add", 1) for n in range(200)])
            self.assertEqual(rpc.call("_sys/node.status")["cores"], 8)
        node.kill()
        node = self.node("--threads", "3")  # another number finds the same actors
        with node.rpc() as rpc:
            self.assertEqual(rpc.call_all([(f"counter/t{n}.get",) for n in range(200)]), [1] * 200)

    def test_a_service_manager_hears_when_it_can_be_called_and_when_it_stops(self):
        path = os.path.join(self.directory, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as file, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as name:
            file.bind(os.path.relpath(path) if len(path) > 100 else path)
            name.bind(b"\0" + path.encode()[-100:])
            for manager, where in ((name, "@" + path[-100:]), (file, path)):
                if len(where) > 107:
                    continue  # no path that a socket can have; the name was tried
                manager.settimeout(20)
                node = self.node(env={"NOTIFY_SOCKET": where})
                self.assertEqual(manager.recv(100), b"READY=1")
                self.assertEqual(node.stop(), 0)
                self.assertEqual(manager.recv(100), b"STOPPING=1")
        node = self.node(env={"NOTIFY_SOCKET": "/nobody/there"})
        self.assertEqual(node.stop(), 0)

    def test_a_second_signal_ends_it_at_once(self):
        """A call that waits holds up the first SIGTERM, up to --drain; the second does not wait."""
        node = self.node("--drain", "1min", "--log-level", "error")
        with node.rpc() as rpc:
            rpc.call("counter/x.add")
            node.process.send_signal(signal.SIGTERM)
            node.process.send_signal(signal.SIGTERM)
        node.process.wait(30)
        self.assertIn(node.process.returncode, (0, 128 + signal.SIGTERM))
        node.closed()


if __name__ == "__main__":
    main()
