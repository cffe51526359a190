#!/usr/bin/python3
"""tests/e2e/test_dev.py: `perdure dev`: nodes of a cluster in one terminal, killed, paused, cut and mended by lines of a
script; and the commands of operators, of which they are the victims."""
import json
import os
import signal
import socket
import subprocess
import time

from perdure import BIN, Case, main, run

RELAYS = 100


def free_port():
    """A base port whose followers are free, too, as far as one can tell."""
    for base in range(20000 + os.getpid() % 20000, 60000, 211):
        try:
            for port in [base, base + 1, base + 2, base + RELAYS, base + RELAYS + 1, base + RELAYS + 2]:
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            return base
        except OSError:
            continue
    raise OSError("no free ports")


class Dev(Case):
    def dev(self, lines, nodes, timeout=120):
        """Runs a script; the exit status, and what was printed but for the nodes' logs."""
        self.port = free_port()
        args = [BIN, "dev", "--nodes", str(nodes), "--data", f"{self.directory}/dev", "--port", str(self.port)]
        done = subprocess.run(args, input=lines, capture_output=True, text=True, timeout=timeout, check=False)
        printed = [line for line in done.stdout.splitlines() if " | " not in line]
        self.output = done.stdout + done.stderr
        return done.returncode, printed

    def assert_nobody_listens(self, nodes):
        for port in range(self.port, self.port + nodes):
            with socket.socket() as probe:
                self.assertNotEqual(probe.connect_ex(("127.0.0.1", port)), 0, "a node outlived `perdure dev`")

    def test_one_node_obeys_a_script(self):
        status, printed = self.dev("nodes\ncall counter/a add 5\nkill 1\nstart n1\nsleep 1ms\n"
                                   "call counter/a get # kept\npause 1\nresume 1\ncall 'counter/with blank' get\n", 1)
        self.assertEqual(status, 0, self.output)
        self.assertEqual([line for line in printed if line.isdigit()], ["5", "5", "0"], self.output)
        self.assertIn("n1 was ended by signal 9", printed)
        self.assertEqual(printed[-1], "n1 ended with status 0")
        self.assert_nobody_listens(1)

    def test_what_fails_shows_in_the_exit_status(self):
        for line in ["frobnicate", "kill 2", "start 1", "sleep", "call counter/a nonsense", "cut 1"]:
            status, printed = self.dev(f"{line}\nnodes\n", 1)
            self.assertEqual(status, 1, line)
            self.assertTrue(any("pid" in one for one in printed), "it goes on behind what failed")

    def test_misuse_ends_with_2_and_starts_nothing(self):
        for args in [["--nodes", "0"], ["--nodes", "10"], ["--nodes", "x"], ["--port", "70000"], ["more"]]:
            self.assertEqual(run("dev", *args).returncode, 2, args)

    def test_a_port_that_is_taken_is_named(self):
        port = free_port()
        with socket.socket() as other:
            other.bind(("127.0.0.1", port + RELAYS))
            other.listen()
            done = run("dev", "--nodes", "1", "--data", f"{self.directory}/dev", "--port", str(port), stdin="")
        self.assertEqual(done.returncode, 1)
        self.assertIn(str(port + RELAYS), done.stderr)

    def test_nodes_die_with_it(self):
        self.port = free_port()
        args = [BIN, "dev", "--nodes", "1", "--data", f"{self.directory}/dev", "--port", str(self.port)]
        with subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as dev:
            try:
                while " is up" not in dev.stdout.readline():
                    pass
            finally:
                dev.send_signal(signal.SIGKILL)
                dev.wait(10)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) != 0:
                    return
            time.sleep(0.05)
        self.fail("the node outlived it")

    def test_three_nodes_fail_and_come_back(self):
        with Session(self, 3) as dev:
            up = {"n1": "up", "n2": "up", "n3": "up"}
            dev.until_three_vote()
            dev.say("kill 2")
            dev.until_states(dict(up, n2="down"))
            dev.say("start 2")
            dev.until_three_vote()
            dev.say("use 1")
            dev.say("cut 3 1 2")
            dev.until_states(dict(up, n3="down"))
            self.assertIn("cut off from n1 n2", dev.ask("nodes", "n3 "))
            dev.say("heal")
            dev.until_states(up)
            dev.say("pause 2")
            dev.until_states(dict(up, n2="down"))
            dev.say("resume 2")
            dev.until_states(up)
        self.assertEqual(dev.status, 0, dev.text)
        self.assert_nobody_listens(3)

    def test_operators_are_understood(self):
        with Session(self, 3) as dev:
            dev.until_states({"n1": "up", "n2": "up", "n3": "up"})
            dev.say("use 3")
            for paused in ["pause", "pause", "resume"]:  # twice is no mistake
                dev.ask(f"rebalance {paused}", '{"paused"')
                self.assertEqual(dev.ask_status()["directory"]["paused"], paused == "pause")
            for pin in ["pin counter/x --node n2 --empty", "pin counter/x --node n3", "unpin counter/x"]:
                self.assertEqual(json.loads(dev.ask(pin, '{"shard"'))["group"], "counter/x")
            self.assertTrue(json.loads(dev.ask("drain n2 --no-wait", '{"name"'))["draining"])
            self.assertEqual(dev.states()["n2"], "draining")
            self.assertFalse(json.loads(dev.ask("drain n2 --undo", '{"name"'))["draining"])
            self.assertEqual(dev.states()["n2"], "up")
            self.assertEqual(dev.ask_status()["directory"]["shards"], 257)
        self.assertEqual(dev.status, 0, dev.text)

    def test_operators_are_refused_with_a_sentence(self):
        with Session(self, 3) as dev:
            dev.until_states({"n1": "up", "n2": "up", "n3": "up"})
            for line, sentence in [("drain n9", "there is no node n9"), ("remove n2", "must be empty first"),
                                   ("move counter/a n9", "there is no node n9"),
                                   ("pin counter/a --node n2", "would not come along"),
                                   ("unpin counter/a", "it is not pinned"),
                                   ("move 100000 n2 --shard", "there is no such shard")]:
                self.assertIn(sentence, dev.ask(line, '{"code"'))
        self.assertEqual(dev.status, 1)


class Session:
    """`perdure dev` with lines that are typed as one sees what became of the last one."""

    def __init__(self, test, nodes):
        test.port = free_port()
        args = [BIN, "dev", "--nodes", str(nodes), "--data", f"{test.directory}/dev", "--port", str(test.port)]
        self.test, self.text, self.status = test, "", None
        self.process = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.process.kill()
        self.text += self.process.communicate(timeout=60)[0] or ""
        self.status = self.process.returncode

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def ask(self, line, begin):
        """The next line that begins so, after that was said."""
        self.say(line)
        while True:
            answer = self.process.stdout.readline()
            self.test.assertNotEqual(answer, "", f"it ended: {self.text[-2000:]}")
            self.text += answer
            if answer.startswith(begin):
                return answer

    def ask_status(self):
        return json.loads(self.ask("status", '{"cluster"'))

    def states(self):
        return {member["name"]: member["state"] for member in self.ask_status()["members"]}

    def until_three_vote(self):
        """Before that the loss of one of them may be more than the cluster can bear."""
        self.test.eventually(lambda: [member["role"] + member["state"] for member in self.ask_status()["members"]] ==
                             ["voterup"] * 3, "three voters", 40)

    def until_states(self, states):
        self.test.eventually(lambda: self.states() == states, states, 40)


if __name__ == "__main__":
    main()
