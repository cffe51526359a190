#!/usr/bin/python3
"""tests/e2e/test_cli_node.py: what the command line asks a node, and what it makes of the answers: events, lost
connections, dead messages, refusals. The node is a script, so that each of these comes when the test wants it."""
import json
import signal
import socket
import subprocess
import threading
import time
import unittest

import msgpack

from perdure import BIN, Case, main, run
from test_cli import on_terminal


class Refused(Exception):
    def __init__(self, code, message="not now", **more):
        super().__init__(code)
        self.error = {"code": code, "message": message, **more}


class Script:
    """Answers calls by methods, a dictionary of target to function(connection, *args); keeps what was asked."""

    def __init__(self, **methods):
        self.methods = methods
        self.asked = []
        self.connections = []
        self.changed = threading.Condition()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.changed:
                self.connections.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        unpacker = msgpack.Unpacker(raw=False)
        while True:
            try:
                data = connection.recv(65536)
            except OSError:
                return
            if not data:
                connection.close()  # or who said goodbye lingers
                return
            unpacker.feed(data)
            for message in unpacker:
                self.take(connection, message)

    def take(self, connection, message):
        target, args = message[-2:]
        with self.changed:
            self.asked.append((target, args))
            self.changed.notify_all()
        if message[0] == 2:
            return
        method = self.methods.get(target.rpartition(".")[2])
        try:
            if method is None:
                raise Refused("not_found", "there is no such method")
            answer = [1, message[1], None, method(connection, *args)]
        except Refused as refused:
            answer = [1, message[1], refused.error, None]
        connection.sendall(msgpack.packb(answer))
        after = getattr(method, "after", None)
        if after:
            after(connection)

    def asked_for(self, target):
        return [args for name, args in self.asked if name == target]

    def close(self):
        self.listener.close()
        for connection in self.connections:
            connection.close()


def emit(connection, address, event, seq):
    connection.sendall(msgpack.packb([2, address, [event, seq]]))


class WithScript(Case):
    def script(self, **methods):
        script = Script(**methods)
        self.addCleanup(script.close)
        return script

    def refused(self, result, status, code):
        self.assertEqual(result.returncode, status, result.stderr)
        self.assertEqual(json.loads(result.stderr.splitlines()[-1])["code"], code)


class Tell(WithScript):
    def test_done_means_accepted(self):
        script = self.script(tell=lambda _, *args: None)
        result = run("tell", "queue/mail", "push", "5", "x", node=script.address)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
        self.assertEqual(script.asked, [("_sys/conn.tell", ["queue/mail", "push", [5, "x"]])])

    def test_a_refusal_is_told(self):
        def tell(_, *args):
            raise Refused("overloaded", "the outbox is full", retry_ms=50) if args else Refused("invalid", "nothing to tell")
        script = self.script(tell=tell)
        result = run("tell", "queue/mail", "push", node=script.address)
        self.refused(result, 5, "overloaded")
        self.assertEqual(json.loads(result.stderr)["retry_ms"], 50)

    def test_a_type_that_is_not_there_is_no_older_node(self):
        def tell(_, *args):
            raise Refused("not_found", "there is no type nosuch") if args else Refused("invalid", "nothing to tell")
        script = self.script(tell=tell)
        result = run("tell", "nosuch/mail", "push", node=script.address)
        self.refused(result, 1, "not_found")
        self.assertIn("there is no type nosuch", result.stderr)
        self.assertEqual(script.asked_for("nosuch/mail.push"), [])

    def test_an_older_node_gets_a_notification_and_the_caller_hears_of_it(self):
        script = self.script()
        result = run("tell", "queue/mail", "push", "5", node=script.address)
        self.assertEqual((result.returncode, result.stdout), (0, ""))
        self.assertIn("older", result.stderr)
        self.eventually(lambda: script.asked_for("queue/mail.push") == [[5]], "it was sent")


class ExitStatus(WithScript):
    def test_scripts_can_tell_what_may_be_tried_again(self):
        for code, status in (("invalid", 1), ("not_found", 1), ("cancelled", 1), ("internal", 1), ("poor", 1), ("deadline_exceeded", 4),
                             ("overloaded", 5), ("unavailable", 5), ("moved", 5), ("no_space", 5)):
            def ping(_, *args):
                raise Refused(code)
            self.refused(run("call", "echo/x", "ping", node=self.script(ping=ping).address), status, code)

    def test_a_connection_that_breaks_may_be_tried_again(self):
        script = self.script(ping=lambda connection: connection.shutdown(socket.SHUT_RDWR))
        self.refused(run("call", "echo/x", "ping", node=script.address), 5, "unavailable")


class Watch(WithScript):
    def watch(self, script, *args):
        process = subprocess.Popen([BIN, "watch", *args, "--node", script.address], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def emitter(self, address, *numbered):
        """A `watch` that is answered, and then emits."""
        def watch(connection, *args):
            return {"seq": 0}
        watch.after = lambda connection: [emit(connection, address, event, seq) for seq, event in numbered]
        return watch

    def test_events_are_lines(self):
        script = self.script(watch=self.emitter("topic/news", (1, {"a": 1}), (2, "x"), (3, None), (4, 4)))
        result = run("watch", "topic/news", "--count", "3", node=script.address)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(result.stdout, '{"a":1}\n"x"\nnull\n')
        self.assertEqual(script.asked_for("_sys/conn.watch"), [["topic/news", {"seq": True}]])

    def test_numbers_on_request_and_from_a_number_on(self):
        script = self.script(watch=self.emitter("topic/news", (42, "x")))
        result = run("watch", "topic/news", "--count", "1", "--seq", "--after", "41", node=script.address)
        self.assertEqual(result.stdout, '{"seq":42,"event":"x"}\n')
        self.assertEqual(script.asked_for("_sys/conn.watch"), [["topic/news", {"seq": True, "after": 41}]])

    def test_a_signal_ends_it_well(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            process = self.watch(self.script(watch=self.emitter("topic/news", (1, "x"))), "topic/news")
            self.assertEqual(process.stdout.readline(), '"x"\n')  # at once, not when a buffer is full
            process.send_signal(number)
            self.assertEqual(process.wait(20), 0)

    def test_a_lost_connection_is_resumed(self):
        script = self.script(watch=self.emitter("topic/news", (7, "x")))
        process = self.watch(script, "topic/news")
        self.assertEqual(process.stdout.readline(), '"x"\n')
        script.connections[-1].shutdown(socket.SHUT_RDWR)
        self.assertEqual(process.stdout.readline(), '"x"\n')
        self.assertEqual(script.asked_for("_sys/conn.watch")[1], ["topic/news", {"seq": True, "after": 7}])
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(20), 0)
        lost, back = process.stderr.read().splitlines()
        self.assertIn("was lost", lost)
        self.assertIn(script.address, back)

    def test_a_refusal_ends_it(self):
        def watch(_, *args):
            raise Refused("not_found", "there is no type nosuch")
        self.refused(run("watch", "nosuch/x", node=self.script(watch=watch).address), 1, "not_found")

    def test_a_wrong_command_line(self):
        for args in (("nokey",), ("a/b", "--count", "0"), ("a/b", "--after", "x"), ()):
            self.assertEqual(run("watch", *args, node="127.0.0.1:1").returncode, 2)
        self.assertEqual(run("watch", "a/b", node="127.0.0.1:1").returncode, 3)


class Status(WithScript):
    """Of a node that knows no leader of its cluster."""
    SELF = {"cluster": "c1", "leader": None, "node": "n1", "version": "0", "uptime_ms": 1, "shards": 256,
            "members": [{"name": "n1", "id": "1", "address": "a:1", "role": "voter", "state": "up", "labels": {}}]}

    def asked(self, directory):
        """A node, and what its directory does when it is asked: with a deadline, by _sys/conn.call."""
        return self.script(status=lambda _: self.SELF, call=lambda _, *args: directory())

    def test_it_says_that_nobody_leads(self):
        def directory():
            raise Refused("unavailable", "nobody leads the directory")
        shown = on_terminal("status", node=self.asked(directory).address)
        self.assertIn("c1, no leader", shown)
        self.assertIn("nobody leads the directory", shown)
        self.assertIn("LAST STATE", shown)
        self.assertIsNone(json.loads(run("status", node=self.asked(directory).address).stdout)["directory"])

    def test_it_does_not_wait_for_a_directory_that_is_silent(self):
        ended = threading.Event()
        self.addCleanup(ended.set)
        result = run("status", node=self.asked(lambda: ended.wait(60)).address, timeout=20)
        self.assertIsNone(json.loads(result.stdout)["directory"])


class Inspect(WithScript):
    STATE = {"address": "counter/x", "state": {"n": 5}, "waiting": [{"method": "add", "since_ms": 1200}] * 3}

    def test_json_off_a_terminal_and_lines_on_one(self):
        script = self.script(inspect=lambda _, address: {**self.STATE, "address": address})
        result = run("inspect", "counter/x", node=script.address)
        self.assertEqual(json.loads(result.stdout), self.STATE)
        self.assertEqual(result.stdout.count("\n"), 1)
        shown = on_terminal("inspect", "counter/x", node=script.address)
        self.assertEqual(json.loads(shown), self.STATE)
        self.assertGreater(shown.count("\n"), 5)
        self.assertEqual(on_terminal("inspect", "counter/x", "--json", node=script.address), result.stdout)

    def test_colours_on_a_terminal_alone_and_where_they_are_wanted(self):
        script = self.script(inspect=lambda _, address: self.STATE, ps=lambda _, *args: {"actors": [], "next": None})
        for command in (("inspect", "counter/x"), ("ps",)):
            self.assertIn("\033[", on_terminal(*command, node=script.address, env={"TERM": "xterm", "NO_COLOR": ""}))
            self.assertNotIn("\033[", on_terminal(*command, node=script.address, env={"TERM": "xterm", "NO_COLOR": "1"}))
            self.assertNotIn("\033[", on_terminal(*command, node=script.address, env={"TERM": "dumb", "NO_COLOR": ""}))
            self.assertNotIn("\033[", run(*command, node=script.address, env={"TERM": "xterm", "NO_COLOR": ""}).stdout)

    def test_cancel(self):
        script = self.script(cancel=lambda _, address: None)
        result = run("cancel", "counter/x", node=script.address)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
        self.assertEqual(script.asked, [("_sys/node.cancel", ["counter/x"])])
        self.assertEqual(run("cancel", "counter", node=script.address).returncode, 2)


class Dead(WithScript):
    LETTERS = [{"id": f"{n}-1", "from": "a/1", "actor": "b/2", "method": "add", "attempts": 9, "code": "poor", "message": "no money"} for n in range(3)]

    def dead(self, _, prefix, cursor, limit):
        """Two pages."""
        return {"letters": self.LETTERS[:2], "next": 2} if cursor is None else {"letters": self.LETTERS[cursor:], "next": None}

    def test_they_are_listed(self):
        script = self.script(dead=self.dead)
        result = run("ps", "--dead", "b/", node=script.address)
        self.assertEqual([json.loads(line) for line in result.stdout.splitlines()], self.LETTERS)
        self.assertEqual(script.asked_for("_sys/node.dead"), [["b/", None, 500], ["b/", 2, 500]])
        table = on_terminal("ps", "--dead", node=script.address).splitlines()
        self.assertEqual(table[0].split(), ["ID", "FROM", "TO", "METHOD", "ATTEMPTS", "CODE", "MESSAGE"])
        self.assertEqual(table[1].split(), ["0-1", "a/1", "b/2", "add", "9", "poor", "no", "money"])

    def test_they_are_delivered_anew(self):
        script = self.script(dead=self.dead, redeliver=lambda _, letter: None)
        self.assertEqual(run("redeliver", "0-1", "7", node=script.address).stdout, '{"redelivered":2}\n')
        self.assertEqual(script.asked_for("_sys/node.redeliver"), [["0-1"], [7]])
        del script.asked[:]
        self.assertEqual(run("redeliver", "--all", node=script.address).stdout, '{"redelivered":3}\n')
        self.assertEqual(script.asked_for("_sys/node.redeliver"), [["0-1"], ["1-1"], ["2-1"]])

    def test_how_far_it_is_on_a_terminal_and_nothing_of_it_elsewhere(self):
        def redeliver(_, letter):
            time.sleep(0.4)
        script = self.script(redeliver=redeliver)
        letters = ("redeliver", "1", "2", "3")
        shown = on_terminal(*letters, node=script.address, stream="stderr")
        self.assertRegex(shown, r"[23] of 3 messages")
        self.assertTrue(shown.endswith("\r\033[K"), "and it is gone at the end")
        self.assertEqual(run(*letters, node=script.address).stderr, "")

    def test_one_that_is_gone_does_not_hold_up_the_others(self):
        def redeliver(_, letter):
            if letter == "0-1":
                raise Refused("not_found", "there is no dead message 0-1")
        script = self.script(dead=self.dead, redeliver=redeliver)
        result = run("redeliver", "--all", node=script.address)
        self.assertEqual(result.stdout, '{"redelivered":2}\n')
        self.refused(result, 1, "not_found")

    def test_a_node_that_cannot_now_is_asked_once(self):
        def redeliver(_, letter):
            raise Refused("overloaded")
        script = self.script(redeliver=redeliver)
        result = run("redeliver", "1", "2", node=script.address)
        self.refused(result, 5, "overloaded")
        self.assertEqual(len(script.asked_for("_sys/node.redeliver")), 1)

    def test_a_wrong_command_line(self):
        for args in ((), ("1", "--all")):
            self.assertEqual(run("redeliver", *args, node="127.0.0.1:1").returncode, 2)


if __name__ == "__main__":
    main()
