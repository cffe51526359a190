#!/usr/bin/python3
"""tests/e2e/test_plugin.py: a type written against perdure/actor.h alone, built apart, loaded by --plugin; and every
way in which a plugin can be wrong is refused with a sentence that names the file."""
import os

from perdure import Case, main, run


WRONG_ABI = r"""
#include <perdure/actor.h>
#undef PDR_ACTOR_ABI
#define PDR_ACTOR_ABI 99u
static int nothing(pdr_turn *turn, const pdr_args *args) { return pdr_reply_nil(turn); }
PDR_ACTOR(small, PDR_METHOD("add", nothing))
PDR_PLUGIN("small", "1.0", &pdr_type_small)
"""
SMALL = r"""
#include <perdure/actor.h>
static int nothing(pdr_turn *turn, const pdr_args *args) { return pdr_reply_nil(turn); }
PDR_ACTOR_WITH(%s, 0, NULL, NULL, PDR_DURABILITY_DEFAULT, PDR_METHOD("%s", nothing))
PDR_PLUGIN("small", "1.0", &pdr_type_%s)
"""


class Plugin(Case):
    def test_a_type_of_its_own(self):
        node = self.node("--plugin", self.bank())
        with node.rpc() as rpc:
            call = rpc.call
            self.assertEqual(call("account/anna.deposit", 100), 100)
            self.assertEqual(call("account/anna.withdraw", 30), 70)
            error = self.fails_with("insufficient_funds", call, "account/anna.withdraw", 71)
            self.assertEqual(error.message, "71 is more than the balance of 70")
            self.assertEqual(call("account/anna.show"), 70, "a turn that fails has written nothing")
            self.fails_with("invalid", call, "account/anna.illegal")
            self.assertEqual(call("account/anna.show"), 70)
            self.assertEqual(call("account/anna.transfer", "account/bert", 20), 20)
            self.assertEqual([call("account/anna.show"), call("account/bert.show")], [50, 20])
            self.assertEqual(call("account/anna.whoami"), "anna")
            self.assertEqual(call("account/anna.deposit_fast", 1), 51)

    def test_calls_between_actors_fail_as_promised(self):
        node = self.node("--plugin", self.bank())
        with node.rpc() as rpc:
            rpc.call("account/a.deposit", 10)
            self.fails_with("deadlock", rpc.call, "account/a.call_myself")
            self.fails_with("not_found", rpc.call, "account/a.transfer", "nosuch/x", 1)
            self.fails_with("invalid", rpc.call, "account/a.transfer", "no address", 1)
            # What a turn wrote commits before its call leaves; a call to no address never does.
            self.assertEqual(rpc.call("account/a.show"), 9)
            rpc.call("account/a.tell_other", "counter/told")
            self.eventually(lambda: rpc.call("counter/told.get") == 1, "the tell arrived")

    def test_waiting_does_not_block_others_and_deadlines_hold(self):
        node = self.node("--plugin", self.bank(), "--threads", "1")
        with node.rpc() as rpc:
            slow = [rpc.send(f"account/s{n}.nap", 300) for n in range(100)]
            self.assertEqual(rpc.call("echo/x.ping", 1), 1)
            self.assertEqual(rpc.answers, {}, "the ping overtook those that sleep")
            self.assertEqual([rpc.wait(m) for m in slow], [True] * 100)
            self.fails_with("deadline_exceeded", rpc.call, "_sys/conn.call", "account/s1", "nap", [5000],
                            {"deadline_ms": 50})
            self.assertEqual(rpc.call("account/s1.show"), 0)

    def test_memory_hooks_and_timers(self):
        node = self.node("--plugin", self.bank())
        with node.rpc() as rpc:
            self.assertEqual([rpc.call("account/m.turns") for _ in range(3)], [101, 102, 103])
            rpc.call("account/t.start_ticking")
            self.eventually(lambda: rpc.call("account/t.show") >= 3, "the timer runs")
            stopped = rpc.call("account/t.stop_ticking")
            for _ in range(20):
                rpc.call("echo/x.ping")
            self.assertLessEqual(rpc.call("account/t.show"), stopped + 1)

    def test_its_state_outlives_sigkill_and_waits_for_the_plugin(self):
        plugin = self.bank()
        node = self.node("--plugin", plugin)
        with node.rpc() as rpc:
            rpc.call("account/anna.deposit", 7)
        node.kill()
        node = self.node()
        with node.rpc() as rpc:
            self.fails_with("not_found", rpc.call, "account/anna.show")
        node.kill()
        with self.node("--plugin", plugin).rpc() as rpc:
            self.assertEqual(rpc.call("account/anna.show"), 7)

    def refused(self, path, *words):
        result = run("start", "--data", self.data, "--listen", "127.0.0.1:0", "--plugin", path)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn(os.path.basename(path), result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)

    def test_wrong_plugins_are_refused_with_a_sentence(self):
        with self.subTest("another ABI"):
            self.refused(self.build_plugin("abi", WRONG_ABI), "99", "2")
        with self.subTest("no plugin at all"):
            self.refused(self.build_plugin("none", "int something_else = 1;\n"), "pdr_plugin")
        with self.subTest("not a shared object"):
            text = os.path.join(self.directory, "text.so")
            with open(text, "w") as f:
                f.write("hello\n")
            self.refused(text)
        with self.subTest("no such file"):
            self.refused(os.path.join(self.directory, "absent.so"))
        with self.subTest("the name of a builtin type"):
            self.refused(self.build_plugin("twice", SMALL % ("counter", "add", "counter")), "counter")
        with self.subTest("a name that is none"):
            self.refused(self.build_plugin("upper", SMALL % ("Upper", "add", "Upper")), "Upper")
        with self.subTest("a method's name that is none"):
            self.refused(self.build_plugin("method", SMALL % ("fine", "not fine", "fine")), "not fine")


if __name__ == "__main__":
    main()
