"""Processes that are stopped for longer than the links' keepalive and wake up late, and one that dies again while it starts."""
import os
import subprocess

from talkers import Frozen, begin_start, chat_ring, finish, kill, wait_for, wait_link_down, wait_progress

CLIENTS = int(os.environ.get("CHAOS_CLIENTS", "100")) // 4


def test_a_session_manager_that_wakes_up_late_goes_on_where_it_was(new_cluster):
    cluster = new_cluster("--c2s", "2")
    talkers = chat_ring(cluster, CLIENTS)
    with Frozen(cluster, "sm-1"):
        wait_link_down(cluster, "router-1", "sm-1", 1)
    wait_progress(talkers)
    finish(talkers)


def test_a_router_that_wakes_up_late_is_used_again(new_cluster):
    cluster = new_cluster("--c2s", "2")
    talkers = chat_ring(cluster, CLIENTS)
    with Frozen(cluster, "router-1"):
        for name in ("c2s-1", "c2s-2", "sm-1"):
            wait_link_down(cluster, name, "router-1", 1)
    wait_progress(talkers)
    finish(talkers)


def test_one_of_two_routers_sleeps_and_what_it_had_is_not_doubled_when_it_wakes(new_cluster):
    cluster = new_cluster("--router", "2", "--c2s", "2")
    talkers = chat_ring(cluster, CLIENTS)
    with Frozen(cluster, "router-1"):
        for name in ("c2s-1", "c2s-2", "sm-1"):
            wait_link_down(cluster, name, "router-1", 1)
        wait_progress(talkers)  # by the other
    with Frozen(cluster, "router-2"):
        for name in ("c2s-1", "c2s-2", "sm-1"):
            wait_link_down(cluster, name, "router-2", 1)
        wait_progress(talkers)
    finish(talkers)


def test_a_session_manager_sleeps_while_the_router_dies(new_cluster):
    cluster = new_cluster("--c2s", "2")
    talkers = chat_ring(cluster, CLIENTS)
    with Frozen(cluster, "sm-1"):
        kill(cluster, "router-1")
        cluster.start("router-1")
    wait_progress(talkers)
    finish(talkers)


def test_a_second_session_manager_on_the_same_store_is_refused_and_the_first_goes_on(new_cluster):
    cluster = new_cluster()
    client = cluster.online("alice")
    second = subprocess.run([str(cluster.binary("sallyport-sm")), "-c", str(cluster.folder / "conf/sm-1.conf")],
                            capture_output=True, text=True, timeout=60)
    assert second.returncode == 1, second.stderr
    assert "is in use by another process" in second.stderr and "Sanitizer" not in second.stderr, second.stderr
    client.ping()


def start_and_kill(cluster, name, lines):
    """Starts it and kills it when its log has grown by so many lines: somewhere on its way up."""
    before = cluster.log(name).count("\n")
    starter = begin_start(cluster, name)
    wait_for(lambda: cluster.log(name).count("\n") >= before + lines or starter.poll() is not None, 30, f"{name} does not start")
    kill(cluster, name)
    starter.wait(30)


def test_a_session_manager_that_dies_again_and_again_while_it_starts(new_cluster):
    cluster = new_cluster("--c2s", "2", "--log-level", "debug")
    talkers = chat_ring(cluster, CLIENTS)
    kill(cluster, "sm-1")
    for lines in range(0, 24, 3):
        start_and_kill(cluster, "sm-1", lines)
    cluster.start("sm-1")
    wait_progress(talkers)
    finish(talkers)
