"""Clients that are gone: with their c2s, while nobody could be told, and both at once. Contacts hear of it once; what was not written waits for them."""
import os
import time

import pytest

from talkers import begin_start, chat_ring, kill, wait_for
from xmpp import CLIENT, local, q

CLIENTS = max(int(os.environ.get("CHAOS_CLIENTS", "100")) // 5, 4)
RECENT = 2 * 5  # written to the socket of a client, or read by it, when c2s died: may be lost or come again (ARCHITECTURE: the promise)


def presences(talker):
    return [(el.get("from"), el.get("type")) for el in talker.others if local(el) == "presence"]


def gone(talkers):
    return [t for t in talkers if t.has_expected_end]


def staying(talkers):
    return [t for t in talkers if not t.has_expected_end]


def wait_unavailable(talkers):
    """Until those that stay, each of whom has a contact that is gone, have heard of it."""
    wait_for(lambda: all(presences(t) for t in staying(talkers)), 30,
             lambda: f"not told: {[(t.client.jid, presences(t)) for t in staying(talkers)]}")


def check_told_once(talkers):
    for t in staying(talkers):
        assert presences(t) == [(t.neighbour.client.jid, "unavailable")], t.client.jid
        assert not t.failure


def stop(talkers):
    """Nobody writes any more; those whose connection is there answer a ping, so that all that they wrote is handled."""
    for t in talkers:
        t.limit = 0
        t.stopping = True
        t.join(30)
        assert not t.is_alive()
    for t in staying(talkers):
        t.client.ping()
        t.others += [el for el in t.client.backlog if local(el) != "message"]


def check_waiting_messages(cluster, talkers, died_at):
    """What was written to those that are gone, after they were, is there when they log in again: once, in order, nothing missing."""
    for t in gone(talkers):
        again = cluster.online(t.client.name, "r", c2s=2)
        again.ping()
        got = [int(el.findtext(q(CLIENT, "body"))) for el in again.backlog if local(el) == "message"]
        first = next((i + 1 for i, at in enumerate(t.writer.sent_at) if at > died_at), t.writer.sent + 1)
        assert got == list(range(t.writer.sent - len(got) + 1, t.writer.sent + 1)), (t.client.jid, got)
        assert len(got) >= t.writer.sent - first + 1, (t.client.jid, got, first)
        assert not got or len(t.received) - RECENT <= got[0] - 1 <= len(t.received) + RECENT, (len(t.received), got)
        again.logout()


def half_goes(talkers):
    """Every second client: those of c2s-1."""
    for t in talkers[::2]:
        t.has_expected_end = True


@pytest.mark.parametrize("returns", [True, False], ids=["it returns", "it stays away"])
def test_a_c2s_dies_and_only_its_clients_are_gone(new_cluster, returns):
    cluster = new_cluster("--c2s", "2", *([] if returns else ["--set", "sm:lost_c2s = 1s"]))
    talkers = chat_ring(cluster, CLIENTS)
    half_goes(talkers)
    died_at = kill(cluster, "c2s-1")
    if returns:
        cluster.start("c2s-1")
    wait_unavailable(talkers)
    stop(talkers)
    check_told_once(talkers)
    check_waiting_messages(cluster, talkers, died_at)


def test_a_c2s_dies_while_the_session_manager_is_down(new_cluster):
    cluster = new_cluster("--c2s", "2")
    talkers = chat_ring(cluster, CLIENTS)
    half_goes(talkers)
    kill(cluster, "sm-1")
    died_at = kill(cluster, "c2s-1")
    starter = begin_start(cluster, "c2s-1")  # it is not ready before somebody has told it the hosts
    cluster.start("sm-1")
    assert starter.wait(30) == 0
    wait_unavailable(talkers)
    stop(talkers)
    check_told_once(talkers)
    check_waiting_messages(cluster, talkers, died_at)


@pytest.mark.parametrize("in_order", [True, False], ids=["they end their streams", "their sockets close"])
@pytest.mark.parametrize("process", ["sm-1", "router-1"])
def test_clients_leave_while_nobody_can_be_told(new_cluster, in_order, process):
    cluster = new_cluster("--c2s", "2")
    talkers = chat_ring(cluster, CLIENTS)
    half_goes(talkers)
    kill(cluster, process)
    for t in gone(talkers):
        t.leave(in_order)
        t.join(30)
    left_at = time.monotonic()
    cluster.start(process)
    wait_unavailable(talkers)
    stop(talkers)
    check_told_once(talkers)
    assert sum(line.count("@") for line in cluster.ctl("sm-1", "sessions").stdout.splitlines()) == len(staying(talkers))
    check_waiting_messages(cluster, talkers, left_at)
