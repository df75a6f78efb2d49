"""kill -9 of the session manager while clients chat: what was delivered, or waits, is in the archives of both sides, once, in order, and under
the id that it was delivered with."""
import os

from archives import Page, form, rsm, stanza_id
from talkers import chat_ring, finish, kill_and_restart
from xmpp import CLIENT, q

CLIENTS = int(os.environ.get("CHAOS_CLIENTS", "20"))
ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "3"))


def archive(client, contact):
    """[(number, id)] of all messages with the contact, read in pages."""
    found, page = [], None
    while not page or not page.is_complete:
        page = Page(client, form(**{"with": contact}) + rsm(max=100, **({"after": page.last} if page else {})))
        found += zip(map(int, page.bodies), page.ids)
    return found


def test_what_was_received_is_archived_under_the_same_id(new_cluster):
    cluster = new_cluster("--c2s", "2")
    talkers = chat_ring(cluster, CLIENTS)
    for _ in range(ROUNDS):
        kill_and_restart(cluster, talkers, "sm-1")
    finish(talkers)
    for t in talkers:
        expected = list(zip(t.received, t.ids))
        assert len(set(t.ids)) == len(t.ids) and None not in t.ids
        assert archive(t.client, t.writer.client.bare) == expected
        assert archive(t.writer.client, t.client.bare) == expected


def test_what_waits_while_the_session_manager_dies(new_cluster):
    cluster = new_cluster("--c2s", "2")
    talkers = chat_ring(cluster, 2)
    cluster.adduser("away")
    writer = cluster.online("writer")
    for i in range(ROUNDS):
        for n in range(50):
            writer.message("away@localhost", str(50 * i + n), id=f"m{50 * i + n}")
        kill_and_restart(cluster, talkers, "sm-1")
    writer.ping()
    finish(talkers)
    away = cluster.online("away")
    last = 50 * ROUNDS - 1
    away.expect("message", id=f"m{last}", timeout=60)
    away.ping()
    got = [el for el in away.backlog if el.tag == q(CLIENT, "message")]
    numbers = [int(el.findtext(q(CLIENT, "body"))) for el in got] + [last]
    assert numbers == list(range(50 * ROUNDS))
    kept = archive(away, writer.bare)
    assert [n for n, _ in kept] == numbers and kept == archive(writer, away.bare)
    assert [id for _, id in kept][:-1] == [stanza_id(el, away.bare) for el in got]
