#!/usr/bin/python3
"""tests/e2e/test_watch.py: events reach who watches, in order, and again from a number on; slow readers hurt nobody."""

from perdure import Case, Rpc, RpcError, main


class Watch(Case):
    def setUp(self):
        super().setUp()
        self.server = self.node()
        self.rpc = self.server.rpc()

    def tearDown(self):
        self.rpc.close()
        super().tearDown()

    def events(self, rpc, count, target="topic/news"):
        """The next `count` events of an actor; notifications of others stay."""
        found = []
        while len(found) < count:
            for n, (to, args) in enumerate(rpc.notifications):
                if to == target:
                    found.append(args)
                    del rpc.notifications[n]
                    break
            else:
                self.assertTrue(rpc.receive(), "the connection has ended")
        return found

    def watches(self, address):
        try:
            return self.rpc.call("_sys/conn.watch", address) == {"seq": 0}
        except RpcError:  # the one that ended is still on its way
            return False

    def test_events_come_in_order_to_all_who_watch(self):
        other = self.server.rpc()
        for rpc in (self.rpc, other):
            self.assertEqual(rpc.call("_sys/conn.watch", "topic/news"), {"seq": 0})
        for n in range(50):
            self.assertEqual(self.rpc.call("topic/news.publish", {"n": n}), 0)
        for rpc in (self.rpc, other):
            self.assertEqual(self.events(rpc, 50), [[{"n": n}] for n in range(50)])
        other.close()

    def test_numbers_when_asked_for(self):
        self.rpc.call("_sys/conn.watch", "topic/news", {"seq": True})
        for n in range(3):
            self.rpc.call("topic/news.publish", n)
        self.assertEqual(self.events(self.rpc, 3), [[0, 1], [1, 2], [2, 3]])

    def test_unwatch_ends_it(self):
        self.rpc.call("_sys/conn.watch", "topic/news")
        self.fails_with("invalid", self.rpc.call, "_sys/conn.watch", "topic/news")
        self.rpc.call("topic/news.publish", 1)
        self.assertEqual(self.events(self.rpc, 1), [[1]])
        self.assertIsNone(self.rpc.call("_sys/conn.unwatch", "topic/news"))
        self.rpc.call("topic/news.publish", 2)
        self.assertEqual(self.rpc.call("echo/x.ping", 3), 3)
        self.assertEqual(self.rpc.notifications, [])
        self.assertEqual(self.rpc.call("_sys/conn.watch", "topic/news"), {"seq": 2})
        self.assertIsNone(self.rpc.call("_sys/conn.unwatch", "topic/never"))

    def test_resumes_behind_a_number_after_sigkill(self):
        for n in range(10):
            self.rpc.call("topic/news.publish", n)
        self.server.kill()
        self.server = self.node()
        self.rpc = self.server.rpc()
        self.assertEqual(self.rpc.call("_sys/conn.watch", "topic/news", {"after": 4, "seq": True}), {"seq": 4})
        self.rpc.call("topic/news.publish", "new")
        self.assertEqual(self.events(self.rpc, 7), [[n, n + 1] for n in range(4, 10)] + [["new", 11]])

    def test_what_is_no_longer_kept_is_seen_in_the_numbers(self):
        for n in range(300):
            self.rpc.send("topic/news.publish", n)
        self.rpc.call("topic/news.publish", 300)
        self.assertEqual(self.rpc.call("_sys/conn.watch", "topic/news", {"after": 0, "seq": True}), {"seq": 45})
        self.assertEqual(self.events(self.rpc, 256), [[n, n + 1] for n in range(45, 301)])

    def test_what_cannot_be_watched(self):
        for args in ([], [1], ["nosuch"], ["topic/x", 1], ["topic/x", {"after": "a"}], ["topic/x", {"seq": 1}],
                     ["_sys/node"]):
            self.fails_with("invalid", self.rpc.call, "_sys/conn.watch", *args)
        self.fails_with("not_found", self.rpc.call, "_sys/conn.watch", "nosuch/x")
        self.fails_with("too_large", self.rpc.call, "topic/x.publish", "x" * 70000)

    def test_a_connection_watches_so_many(self):
        for n in range(1024):
            self.rpc.send("_sys/conn.watch", f"topic/t{n}")
        self.fails_with("overloaded", self.rpc.call, "_sys/conn.watch", "topic/one-more")
        self.rpc.call("_sys/conn.unwatch", "topic/t7")
        self.eventually(lambda: self.watches("topic/one-more"), "there is room again")
        self.rpc.call("topic/one-more.publish", 1)
        self.assertEqual(self.events(self.rpc, 1, "topic/one-more"), [[1]])

    def test_who_does_not_read_misses_and_is_told(self):
        slow = self.server.rpc()
        slow.call("_sys/conn.watch", "topic/news", {"seq": True})
        text = "x" * 60000
        for n in range(400):  # 24 MB, of which it reads none
            self.rpc.call("topic/news.publish", text)
        numbers, missed = [], []
        while not numbers or numbers[-1] < 400:
            self.assertTrue(slow.receive())
            for to, args in slow.notifications:
                if to == "topic/news":
                    numbers.append(args[1])
                else:
                    self.assertEqual((to, args[0]), ("_sys/conn.missed", "topic/news"))
                    missed.append(args[1:])
            slow.notifications.clear()
        self.assertEqual(sorted(set(numbers)), numbers, "in order, none twice")
        self.assertTrue(missed, "it missed some, and was told")
        gone = sum(last - first + 1 for first, last in missed)
        self.assertEqual(len(numbers) + gone, 400, "what did not come was named")
        slow.close()

    def test_actors_subscribe(self):
        self.assertTrue(self.rpc.call("topic/t.subscribe", "counter/heard", "add"))
        self.assertFalse(self.rpc.call("topic/t.subscribe", "counter/heard", "add"))
        self.assertEqual(self.rpc.call("topic/t.subscribers"), [["counter/heard", "add"]])
        for _ in range(3):
            self.assertEqual(self.rpc.call("topic/t.publish", 2), 1)
        self.eventually(lambda: self.rpc.call("counter/heard.get") == 6, "three were told")
        self.assertEqual(self.rpc.call("counter/heard.get"), 6)
        self.assertTrue(self.rpc.call("topic/t.unsubscribe", "counter/heard"))
        self.assertFalse(self.rpc.call("topic/t.unsubscribe", "counter/heard"))
        self.assertEqual(self.rpc.call("topic/t.publish", 2), 0)
        self.fails_with("invalid", self.rpc.call, "topic/t.subscribe", "nonsense", "add")

    def test_a_watcher_that_goes_away_leaves_nothing(self):
        for _ in range(20):
            rpc = Rpc(self.server.address)
            rpc.call("_sys/conn.watch", "topic/news")
            rpc.send("topic/news.publish", 1)
            rpc.close()
        self.eventually(lambda: self.rpc.call("_sys/node.status")["connections"] == 1, "the others are gone")


if __name__ == "__main__":
    main()
