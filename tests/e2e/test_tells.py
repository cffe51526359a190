#!/usr/bin/python3
"""tests/e2e/test_tells.py: durable tells between actors, and from a client, on a node that is killed with SIGKILL again
and again: each is applied exactly once, and in order between two actors. What fails for good is a dead letter, which is
listed, delivered again, or discarded."""
import json
import random
import time

from perdure import Case, main, run

ROUNDS = 20
SENDERS, RECEIVERS = 12, 6
CONNECTIONS, OUTSTANDING = 3, 16
SEED = 20261124
SETTINGS = ((), ("--threads", "1"), ("--threads", "4", "--idle", "10ms"),
            ("--log-segment", "1MiB", "--log-size", "64MiB"))

PLUGIN = r"""
#include <perdure/actor.h>
#include <stdio.h>

static int64_t number(pdr_turn *turn, const char *key)
{
    int64_t n = 0;
    pdr_get_int(turn, key, &n);
    return n;
}

/* tell [to]: counts what it told, and whom */
static int tell(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes to = pdr_arg_bytes(args, 0, pdr_str(""));
    char key[700];
    uint8_t room[16];
    pdr_writer out;
    snprintf(key, sizeof key, "to/%.*s", (int)to.size, (const char *)to.data);
    int64_t n = number(turn, key) + 1;
    pdr_put_int(turn, key, n);
    pdr_put_int(turn, "sent", number(turn, "sent") + 1);
    pdr_writer_init(&out, room, sizeof room, sizeof room);
    pdr_write_array(&out, 1);
    pdr_write_int(&out, n);
    int status = pdr_tell(turn, to, "take", pdr_written(&out));
    return status == PDR_OK ? pdr_reply_int(turn, number(turn, "sent")) : status;
}

/* take [n]: told; the next number of its sender's, or it counts as disorder; a client's tells have no order */
static int take(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes from = pdr_caller(turn);
    char key[700];
    snprintf(key, sizeof key, "from/%.*s", (int)from.size, (const char *)from.data);
    int64_t n = pdr_arg_int(args, 0, 0);
    if (number(turn, "broken") != 0) {
        return pdr_fail(turn, "broken", "until it is mended");
    }
    if (from.size > 0 && n != number(turn, key) + 1) {
        pdr_put_int(turn, "disorder", number(turn, "disorder") + 1);
    }
    pdr_put_int(turn, key, n);
    return pdr_put_int(turn, from.size > 0 ? "taken" : "given", number(turn, from.size > 0 ? "taken" : "given") + 1);
}

/* doze: writes, then waits for longer than the node lives */
static int doze(pdr_turn *turn, const pdr_args *args)
{
    int status = pdr_put_int(turn, "dozed", number(turn, "dozed") + 1);
    return status == PDR_OK ? pdr_sleep(turn, 20000) : status;
}

static int get(pdr_turn *turn, const pdr_args *args)
{
    char key[32];
    struct pdr_bytes name = pdr_arg_bytes(args, 0, pdr_str("taken"));
    snprintf(key, sizeof key, "%.*s", (int)name.size, (const char *)name.data);
    return pdr_reply_int(turn, number(turn, key));
}

static int set_broken(pdr_turn *turn, const pdr_args *args)
{
    int status = pdr_put_int(turn, "broken", pdr_arg_int(args, 0, 0));
    return status == PDR_OK ? pdr_reply_nil(turn) : status;
}

PDR_ACTOR(teller, PDR_METHOD("tell", tell), PDR_METHOD("take", take), PDR_READER("get", get),
          PDR_METHOD("set_broken", set_broken), PDR_METHOD("doze", doze))
PDR_PLUGIN("teller", "1.0", &pdr_type_teller)
"""


class Tells(Case):
    def setUp(self):
        super().setUp()
        self.plugin = self.build_plugin("teller", PLUGIN)

    def up(self, *args, **more):
        return self.node("--plugin", self.plugin, *args, **more)

    def sum_of(self, rpc, names, key):
        return sum(rpc.call_all([(f"teller/{name}.get", key) for name in names]))

    def load(self, node, rng, seconds, counts):
        """Tells until the time is over, then kills the node in the middle of it."""
        connections = [node.rpc() for _ in range(CONNECTIONS)]
        waiting = [set() for _ in connections]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for rpc, ids in zip(connections, waiting):
                while len(ids) < OUTSTANDING:
                    to = f"teller/r{rng.randrange(RECEIVERS)}"
                    if rng.random() < 0.8:
                        ids.add((rpc.send(f"teller/s{rng.randrange(SENDERS)}.tell", to), "sent"))
                        counts["sent_tried"] += 1
                    else:
                        ids.add((rpc.send("_sys/conn.tell", to, "take", [0]), "given"))
                        counts["given_tried"] += 1
                rpc.receive()
                self.count(rpc, ids, counts)
        node.kill()
        for rpc, ids in zip(connections, waiting):
            try:
                rpc.read_to_end()
            except ConnectionError:
                pass
            self.count(rpc, ids, counts)
            rpc.close()

    def count(self, rpc, ids, counts):
        for msgid, what in [i for i in ids if i[0] in rpc.answers]:
            error, _ = rpc.answers.pop(msgid)
            self.assertIsNone(error)
            counts[what] += 1
            ids.discard((msgid, what))

    def test_exactly_once_across_kills(self):
        rng = random.Random(SEED)
        senders, receivers = [f"s{i}" for i in range(SENDERS)], [f"r{i}" for i in range(RECEIVERS)]
        counts = {"sent": 0, "given": 0, "sent_tried": 0, "given_tried": 0}
        for n in range(ROUNDS):
            if n % 5 == 4:  # killed while it recovers, too
                recovering = self.up(wait=False)
                time.sleep(rng.uniform(0, 0.08))
                recovering.kill()
            self.load(self.up(*rng.choice(SETTINGS)), rng, rng.uniform(0.05, 0.3), counts)
        node = self.up()
        with node.rpc() as rpc:
            sent = self.sum_of(rpc, senders, "sent")
            self.assertTrue(counts["sent"] <= sent <= counts["sent_tried"], (sent, counts))
            self.eventually(lambda: self.sum_of(rpc, receivers, "taken") >= sent, "all that was sent was taken", 30)
            self.eventually(lambda: self.sum_of(rpc, receivers, "given") >= counts["given"], "... and given", 30)
            time.sleep(0.3)  # for one too many
            self.assertEqual(self.sum_of(rpc, receivers, "taken"), sent)
            self.assertLessEqual(self.sum_of(rpc, receivers, "given"), counts["given_tried"])
            self.assertEqual(self.sum_of(rpc, receivers, "disorder"), 0)
            self.assertEqual(rpc.call("_sys/node.dead")["letters"], [])
        self.assertEqual(node.stop(), 0)
        print(f"{ROUNDS} kills, {sent} tells between actors, each once and in order; {counts['given']} of clients")
        self.assertGreater(sent, ROUNDS * 20, "too few tells: the kills hit an idle node")

    def test_dead_letters(self):
        node = self.up()
        with node.rpc() as rpc:
            rpc.call("teller/b.set_broken", 1)
            rpc.call("teller/a.tell", "teller/b")
            self.eventually(lambda: rpc.call("_sys/node.dead")["letters"], "the tell is given up")
            letter, = rpc.call("_sys/node.dead", "teller/", "", 10)["letters"]
            self.assertEqual({k: letter[k] for k in ("actor", "method", "args", "from", "code", "message", "attempts")},
                             {"actor": "teller/b", "method": "take", "args": [1], "from": "teller/a", "code": "broken",
                              "message": "until it is mended", "attempts": 6})
            self.assertLess(abs(letter["when"] / 1000 - time.time()), 60)
        node.kill()
        node = self.up()
        with node.rpc() as rpc:
            self.assertEqual(rpc.call("_sys/node.dead")["letters"], [letter], "it outlives the node")
            rpc.call("teller/b.set_broken", 0)
            listed = run("ps", "--dead", "teller/", node=node.address)
            self.assertEqual([json.loads(line) for line in listed.stdout.splitlines()], [letter])
            again = run("redeliver", letter["id"], node=node.address)
            self.assertEqual((again.returncode, again.stdout), (0, '{"redelivered":1}\n'), again.stderr)
            self.eventually(lambda: rpc.call("teller/b.get", "taken") == 1, "it was delivered again")
            self.fails_with("invalid", rpc.call, "_sys/node.redeliver", letter["id"])
            self.fails_with("invalid", rpc.call, "_sys/node.discard", letter["id"])
            self.eventually(lambda: not rpc.call("_sys/node.dead")["letters"], "it is gone from the list")
            self.assertEqual(rpc.call("teller/b.get", "disorder"), 0)
        self.assertEqual(node.stop(), 0)

    def test_sent_again_under_a_session_it_is_accepted_once(self):
        node = self.up()
        with node.rpc() as rpc:
            session = rpc.call("_sys/conn.hello", {"session": b""})["session"]
            for _ in range(3):
                self.assertIsNone(rpc.call("_sys/conn.tell", "teller/b", "take", [0], {"id": 7}))
            self.fails_with("invalid", rpc.call, "_sys/conn.call", "teller/b", "take", [0], {"id": 7})
        node.kill()
        node = self.up()
        with node.rpc() as rpc:
            rpc.call("_sys/conn.hello", {"session": session})
            self.assertIsNone(rpc.call("_sys/conn.tell", "teller/b", "take", [0], {"id": 7}))
            self.assertIsNone(rpc.call("_sys/conn.tell", "teller/b", "take", [0], {"id": 8}))
            self.eventually(lambda: rpc.call("teller/b.get", "given") == 2, "both were applied")
            time.sleep(0.2)
            self.assertEqual(rpc.call("teller/b.get", "given"), 2)
        self.assertEqual(node.stop(), 0)

    def test_a_turn_that_was_cut_off_is_not_run_again(self):
        node = self.up()
        with node.rpc() as rpc:
            rpc.call("_sys/conn.tell", "teller/b", "doze", [])
            # the turn has the actor to itself, so only others can be asked: its part is committed long before
            time.sleep(0.5)
        node.kill()
        node = self.up()
        with node.rpc() as rpc:
            self.eventually(lambda: rpc.call("_sys/node.dead")["letters"], "it is a dead letter")
            letter, = rpc.call("_sys/node.dead")["letters"]
            self.assertEqual((letter["code"], letter["method"], letter["from"]), ("interrupted", "doze", None))
            self.assertEqual(rpc.call("teller/b.get", "dozed"), 1)
            self.assertIsNone(rpc.call("_sys/node.discard", letter["id"]))
        self.assertEqual(node.stop(), 0)

    def test_a_tell_of_a_client_is_refused_or_kept(self):
        node = self.up()
        with node.rpc() as rpc:
            self.fails_with("not_found", rpc.call, "_sys/conn.tell", "nobody/b", "take", [1])
            self.fails_with("not_found", rpc.call, "_sys/conn.tell", "teller/b", "nothing", [1])
            self.fails_with("invalid", rpc.call, "_sys/conn.tell", "teller/b", "take", [1], {"durability": "volatile"})
            self.assertIsNone(rpc.call("_sys/conn.tell", "teller/b", "take", [1], {"deadline_ms": 5000}))
        node.kill()
        node = self.up()
        with node.rpc() as rpc:
            self.eventually(lambda: rpc.call("teller/b.get", "given") == 1, "what was acknowledged is applied")
        self.assertEqual(node.stop(), 0)


if __name__ == "__main__":
    main()
