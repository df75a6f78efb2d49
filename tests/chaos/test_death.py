"""kill -9 of the router and of the session manager while clients chat: no connection closes, no message is lost, doubled or out of order, and no
contact sees a change of presence (ARCHITECTURE: the promise)."""
import os
import random
import time

import pytest

from talkers import finish, make_ring, wait_progress

CLIENTS = int(os.environ.get("CHAOS_CLIENTS", "100"))
ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "3"))


def subscribe_ring(clients):
    """Each sees the next one's presence and is seen by it, so that a false change of presence would be noticed."""
    for i, c in enumerate(clients):
        c.presence(to=clients[(i + 1) % len(clients)].bare, type="subscribe")
    for c in clients:
        request = c.expect("presence", type="subscribe")
        c.presence(to=request.get("from"), type="subscribed")
    for i, c in enumerate(clients):
        c.expect("presence", from_=clients[(i + 1) % len(clients)].jid, type=None)
    for c in clients:
        c.ping()
        c.backlog.clear()


def chat_ring(cluster, count):
    names = [f"c{i}" for i in range(count)]
    path = cluster.folder / "users"
    path.write_text("".join(f"{n} secret\n" for n in names))
    cluster.run("adduser", "--file", path)
    cluster.users.update({n: "secret" for n in names})
    c2s = len(cluster.ports)
    clients = [cluster.client(n, c2s=1 + i % c2s).login("r").online() for i, n in enumerate(names)]
    for c in clients:
        c.roster()
    subscribe_ring(clients)
    talkers = make_ring(clients)
    for t in talkers:
        t.start()
    wait_progress(talkers)
    return talkers


def kill_and_restart(cluster, talkers, name):
    """Seconds from the kill to the first message that came through afterwards, and the part of it that the restart took."""
    killed_at = time.monotonic()
    cluster.kill(name)
    cluster.start(name)
    started_at = time.monotonic()
    wait_progress(talkers)
    first = min(t.last_at for t in talkers)
    print(f"{name}: restarted after {started_at - killed_at:.2f} s, all talk again by {time.monotonic() - killed_at:.2f} s (earliest {first - killed_at:.2f} s)")


@pytest.mark.parametrize("links", ["unix", "tls"])
def test_router_and_sm_die_in_turn_and_nobody_notices(new_cluster, links):
    cluster = new_cluster("--links", links, "--c2s", "2")
    talkers = chat_ring(cluster, CLIENTS)
    for name in ["router-1", "sm-1"] * ROUNDS:
        kill_and_restart(cluster, talkers, name)
    finish(talkers)


def test_router_and_sm_die_at_random_also_together(new_cluster):
    seed = int(os.environ.get("CHAOS_SEED", time.time_ns() % 1000000))
    print(f"CHAOS_SEED={seed}")
    choose = random.Random(seed)
    cluster = new_cluster("--c2s", "2")
    talkers = chat_ring(cluster, CLIENTS)
    for _ in range(ROUNDS * 2):
        names = choose.choice([["router-1"], ["sm-1"], ["sm-1", "router-1"], ["sm-1", "sm-1"]])
        for name in dict.fromkeys(names):
            cluster.kill(name)
        for name in dict.fromkeys(names):
            cluster.start(name)
        if names == ["sm-1", "sm-1"]:  # dies again right after its start, before everything is taken up
            cluster.kill("sm-1")
            cluster.start("sm-1")
        wait_progress(talkers)
    finish(talkers)


def test_one_of_two_routers_dies_and_its_sessions_take_the_other(new_cluster):
    cluster = new_cluster("--router", "2", "--c2s", "2")
    talkers = chat_ring(cluster, CLIENTS // 4)
    for name in ["router-1", "router-2"] * ROUNDS:
        cluster.kill(name)
        wait_progress(talkers)
        cluster.start(name)
        wait_progress(talkers)
    finish(talkers)
