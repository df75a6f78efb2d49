"""What is in the store while processes die: the queue of a client that does not read, rosters, offline messages."""
import os
import threading
import time

from talkers import add_users, chat_ring, finish, kill, kill_and_restart, wait_for
from xmpp import CLIENT, ROSTER, local, q

CLIENTS = int(os.environ.get("CHAOS_CLIENTS", "100"))
ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "2"))
FILLER = "x" * 6000  # the kernel alone takes 2.6 MB for a socket on loopback
QUEUE_SETTINGS = ["--set", "sm:session_window = 32", "--set", "sm:session_queue = 50", "--set", "c2s:session_window = 16"]


class Writer(threading.Thread):
    """Writes numbered messages to an address until it is told to stop."""

    def __init__(self, client, to):
        super().__init__(daemon=True)
        self.client, self.to = client, to
        self.count = 0
        self.stopping = False
        self.failure = None

    def run(self):
        try:
            while not self.stopping:
                self.count += 1
                self.client.message(self.to, f"{self.count} {FILLER}", id=f"w{self.count}")
                if self.count % 20 == 0:
                    self.client.ping()  # what is before it was handled; the connection lives
        except (OSError, AssertionError) as e:
            self.failure = repr(e)

    def finish(self):
        """How many it wrote."""
        self.stopping = True
        self.join(60)
        assert not self.is_alive() and not self.failure, self.failure
        return self.count


def write_until(writer, count):
    wait_for(lambda: writer.failure or writer.count >= count, 60, lambda: f"stuck at {writer.count} of {count}")
    assert not writer.failure, writer.failure


def numbers(elements):
    return [int(el.findtext(q(CLIENT, "body")).split()[0]) for el in elements if local(el) == "message"]


def read_numbers(client, last):
    """Of all messages up to the number `last`, in the order in which they came, and of what came behind it until a ping is answered."""
    wait_number(client, last)
    client.ping()
    return numbers(client.backlog)


def wait_number(client, last):
    """Reads without taking anything out of the backlog until message `last` is in it."""
    deadline = time.monotonic() + 60
    while not any(el.get("id") == f"w{last}" for el in client.backlog):
        client.read_some(deadline)


def test_a_client_that_does_not_read_gets_all_of_it_afterwards_once_and_in_order(new_cluster):
    cluster = new_cluster("--c2s", "2", *QUEUE_SETTINGS)
    slow = cluster.online("slow", "r")
    writer = Writer(cluster.online("writer", c2s=2), slow.jid)
    writer.start()
    write_until(writer, 800)  # much more than sockets, window and queue hold
    for name in ["sm-1", "router-1", "sm-1"] * ROUNDS:
        write_until(writer, writer.count + 100)
        kill(cluster, name)
        cluster.start(name)
    count = writer.finish()
    assert read_numbers(slow, count) == list(range(1, count + 1))


def test_a_client_reads_slowly_while_everything_dies(new_cluster):
    cluster = new_cluster("--c2s", "2", *QUEUE_SETTINGS)
    slow = cluster.online("slow", "r")
    writer = Writer(cluster.online("writer", c2s=2), slow.jid)
    writer.start()
    write_until(writer, 800)
    for name in ["sm-1", "router-1", "sm-1"] * ROUNDS:
        kill(cluster, name)
        read_part(slow)
        cluster.start(name)
        read_part(slow)
    count = writer.finish()
    assert read_numbers(slow, count) == list(range(1, count + 1))


def test_what_a_slow_client_did_not_take_is_there_at_its_next_login(new_cluster):
    cluster = new_cluster("--c2s", "2", *QUEUE_SETTINGS)
    slow = cluster.online("slow", "r")
    writer = Writer(cluster.online("writer", c2s=2), slow.jid)
    writer.start()
    write_until(writer, 700)
    kill(cluster, "sm-1")
    slow.close()  # nobody to tell it to
    cluster.start("sm-1")
    write_until(writer, writer.count + 40)
    count = writer.finish()
    again = cluster.online("slow", "r", c2s=2)
    got = read_numbers(again, count)
    assert got == list(range(got[0], count + 1)), got
    assert got[0] > 1  # the first ones were written to the socket


def read_part(client):
    for _ in range(40):
        client.read_some(time.monotonic() + 20)


class Editor(threading.Thread):
    """Adds to its roster, item by item, each when the one before was acknowledged; and writes to somebody who is offline."""

    def __init__(self, client, absent):
        super().__init__(daemon=True)
        self.client, self.absent = client, absent
        self.items = []
        self.messages = 0
        self.stopping = False
        self.failure = None

    def run(self):
        try:
            while not self.stopping:
                item = f"friend{len(self.items)}@{self.client.domain}"
                answer = self.client.iq("set", f"<query xmlns='{ROSTER}'><item jid='{item}' name='n'/></query>", timeout=60)
                assert answer.get("type") == "result"
                self.items.append(item)
                for _ in range(3):
                    self.messages += 1
                    self.client.message(self.absent, str(self.messages))
        except (OSError, AssertionError) as e:
            self.failure = repr(e)

    def finish(self):
        self.stopping = True
        self.join(60)
        assert not self.is_alive() and not self.failure, self.failure

    def pushed(self):
        """The items of roster pushes, as they came."""
        return [el.find(q(ROSTER, "query"))[0].get("jid") for el in self.client.backlog if local(el) == "iq" and el.get("type") == "set"]


def test_no_change_of_a_roster_and_no_offline_message_is_lost_or_doubled(new_cluster):
    cluster = new_cluster("--c2s", "2", "--set", "sm:max_offline = 100000")
    names = [f"e{i}" for i in range(max(CLIENTS // 10, 2))]
    add_users(cluster, ["absent", *names])
    editors = [Editor(cluster.online(n, c2s=1 + i % 2), f"absent@{cluster.domain}") for i, n in enumerate(names)]
    for e in editors:
        e.client.roster()
        e.start()
    for name in ["sm-1", "router-1", "sm-1"] * ROUNDS:
        before = [len(e.items) for e in editors]
        wait_for(lambda: all(e.failure or len(e.items) > n for e, n in zip(editors, before)), 60, "an editor is stuck")
        kill(cluster, name)
        cluster.start(name)
    for e in editors:
        e.finish()
    for e in editors:
        e.client.ping()
        assert e.pushed() == e.items
        assert sorted(i.get("jid") for i in e.client.roster()) == sorted(e.items)
        assert all(i.get("type") != "error" for i in e.client.backlog)
    absent = cluster.online("absent")
    deadline = time.monotonic() + 60
    while len(numbers(absent.backlog)) < sum(e.messages for e in editors):
        absent.read_some(deadline)
    absent.ping()
    for e in editors:
        mine = [el for el in absent.backlog if el.get("from") == e.client.jid]
        assert numbers(mine) == list(range(1, e.messages + 1)), e.client.jid


def test_the_session_manager_dies_while_offline_messages_are_being_delivered(new_cluster):
    cluster = new_cluster("--c2s", "2", *QUEUE_SETTINGS)
    cluster.adduser("absent")
    writer = cluster.online("writer", c2s=2)
    count = 600
    for i in range(1, count + 1):
        writer.message(f"absent@{cluster.domain}", f"{i} {FILLER}", id=f"w{i}")
    writer.ping()
    absent = cluster.client("absent").login("r")
    absent.presence()
    for name in ["sm-1", "router-1", "sm-1"]:
        read_part(absent)
        kill(cluster, name)
        cluster.start(name)
    assert read_numbers(absent, count) == list(range(1, count + 1))
    absent.logout()
    again = cluster.online("absent")
    again.expect_none("message")


def test_rings_talk_on_beside_a_client_that_does_not_read(new_cluster):
    cluster = new_cluster("--c2s", "2", *QUEUE_SETTINGS)
    slow = cluster.online("slow", "r")
    writer = Writer(cluster.online("writer", c2s=2), slow.jid)
    writer.start()
    write_until(writer, 600)
    talkers = chat_ring(cluster, max(CLIENTS // 5, 2))
    for name in ["sm-1", "router-1"] * ROUNDS:
        kill_and_restart(cluster, talkers, name)
    finish(talkers)
    count = writer.finish()
    assert read_numbers(slow, count) == list(range(1, count + 1))
