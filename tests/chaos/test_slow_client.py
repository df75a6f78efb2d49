"""A client that stops reading: what it does not take goes through the store, holds nobody up, and reaches it once and in order, whoever dies meanwhile."""
import sqlite3
import time

import pytest

COUNT, PADDING = 4000, "x" * 2000
BODY = "{jabber:client}body"


def numbers(client, count):
    return [int(client.expect("message", timeout=60).findtext(BODY).split()[0]) for _ in range(count)]


def rows_of_queues(cluster):
    cluster.kill("sm-1")
    db = sqlite3.connect(cluster.folder / "data/sm-1.db")
    count = db.execute("SELECT count(*) FROM queue").fetchone()[0]
    db.close()
    cluster.start("sm-1")
    return count


def wait_for_no_rows(cluster, timeout=30):
    deadline = time.monotonic() + timeout
    while rows_of_queues(cluster):
        assert time.monotonic() < deadline, "rows of the queue are left behind"


@pytest.mark.parametrize("deaths", [[], ["sm-1"], ["router-1"], ["sm-1", "router-1", "sm-1"]], ids="-".join)
def test_what_a_slow_client_does_not_take_is_kept_in_order(new_cluster, deaths):
    cluster = new_cluster()
    slow, sender = cluster.online("slow"), cluster.online("sender")
    for i in range(COUNT):
        sender.message(slow.jid, f"{i} {PADDING}")
        for name in deaths if i == COUNT // 2 else []:
            cluster.kill(name)
            cluster.start(name)
    sender.ping()  # all that it sent was taken over: the slow one holds nobody up
    for name in deaths:
        cluster.kill(name)
        cluster.start(name)
    assert numbers(slow, COUNT) == list(range(COUNT))
    sender.message(slow.jid, f"{COUNT} the last")
    assert numbers(slow, 1) == [COUNT]
    wait_for_no_rows(cluster)


def test_what_a_slow_client_had_not_got_when_it_was_lost_is_offline(new_cluster):
    cluster = new_cluster()
    slow, sender = cluster.online("slow"), cluster.online("sender")
    for i in range(COUNT):
        sender.message(slow.bare, f"{i} {PADDING}")
    sender.ping()
    slow.close()
    refused = sum(1 for el in sender.backlog if el.get("type") == "error")
    again = cluster.online("slow")
    got = numbers(again, 1)
    while got[-1] < COUNT - 1 - refused and len(got) < 1000:
        got += numbers(again, 1)
    assert got == list(range(got[0], got[0] + len(got))), "a gap, or out of order"
