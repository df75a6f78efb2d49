"""kill -9 of the router and of the session manager while clients chat: no connection closes, no message is lost, doubled or out of order, and no
contact sees a change of presence (ARCHITECTURE: the promise)."""
import os
import random
import time

import pytest

from talkers import chat_ring, finish, kill, kill_and_restart, report, wait_progress

CLIENTS = int(os.environ.get("CHAOS_CLIENTS", "100"))
ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "2"))


@pytest.mark.parametrize("links", ["unix", "tls"])
def test_router_and_sm_die_in_turn_and_nobody_notices(new_cluster, links):
    cluster = new_cluster("--links", links, "--c2s", "2")
    talkers = chat_ring(cluster, CLIENTS)
    for name in ["router-1", "sm-1"] * ROUNDS:
        kill_and_restart(cluster, talkers, name)
    finish(talkers)


def kill_some(cluster, names):
    """One of ["router-1"], ["sm-1", "router-1"], ["sm-1", "sm-1"] …: a name that comes twice dies again as soon as it runs."""
    killed_at = [kill(cluster, name) for name in dict.fromkeys(names)][0]
    for name in dict.fromkeys(names):
        cluster.start(name)
    if len(set(names)) < len(names):  # before everything is taken up
        kill(cluster, names[0])
        cluster.start(names[0])
    return killed_at


def test_router_and_sm_die_at_random_also_together_and_twice_in_a_row(new_cluster):
    seed = int(os.environ.get("CHAOS_SEED", time.time_ns() % 1000000))
    print(f"CHAOS_SEED={seed}")
    choose = random.Random(seed)
    cluster = new_cluster("--c2s", "2")
    talkers = chat_ring(cluster, CLIENTS)
    kinds = [["router-1"], ["sm-1"], ["sm-1", "router-1"], ["router-1", "sm-1"], ["sm-1", "sm-1"], ["router-1", "router-1"]]
    for _ in range(ROUNDS):
        choose.shuffle(kinds)
        for names in kinds:
            killed_at = kill_some(cluster, names)
            started_at = time.monotonic()
            if choose.random() < 0.7:  # else the next death comes before all talk again
                wait_progress(talkers)
                report(" and ".join(names), talkers, killed_at, started_at)
    finish(talkers)


def test_one_of_two_routers_dies_and_its_sessions_take_the_other(new_cluster):
    cluster = new_cluster("--router", "2", "--c2s", "2")
    talkers = chat_ring(cluster, CLIENTS // 4)
    for name in ["router-1", "router-2"] * ROUNDS:
        killed_at = kill(cluster, name)
        wait_progress(talkers)
        report(f"{name} of two", talkers, killed_at, time.monotonic())
        cluster.start(name)
        wait_progress(talkers)
    finish(talkers)
