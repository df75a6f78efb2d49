"""deploy/local-cluster: what scripts, benchmarks and people build on."""
import os
import pathlib
import socket
import subprocess
import time

import pytest
from cluster import ROOT, Cluster

VARIABLES = ("DIR DOMAIN HOST C2S_PORT C2S_TLS_PORT WS_URL S2S_PORT COMPONENT_PORT COMPONENT_SECRET CA PIDS DB_PIDS "
             "PID_C2S_1 PID_C2S_2 PID_ROUTER_1 PID_SM_1").split()


@pytest.fixture(scope="module")
def made():
    cluster = Cluster("--c2s", "2")
    yield cluster
    if cluster.folder.exists():
        cluster.down()


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_env_is_what_a_shell_can_read(made):
    script = f'eval "$({ROOT}/deploy/local-cluster env --dir {made.folder})" && echo "$SALLYPORT_C2S_PORT:$SALLYPORT_PIDS"'
    done = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, check=True)
    ports, pids = done.stdout.strip().split(":")
    assert len(ports.split(",")) == 2 and len(pids.split(",")) == 4
    assert all(is_alive(p) for p in pids.split(","))
    assert not [v for v in VARIABLES if "SALLYPORT_" + v not in made.env]
    for port in ports.split(","):
        socket.create_connection((made.host, int(port)), 10).close()


def test_kill_start_and_status_go_together(made):
    before = made.pid("c2s-2")
    made.run("kill", "c2s-2")
    done = made.run("status", check=False)
    assert done.returncode == 1 and "c2s-2      not running" in done.stdout and "c2s-1      running" in done.stdout
    assert not is_alive(before)
    made.start("c2s-2")
    assert made.pid("c2s-2") != before
    assert made.run("status").returncode == 0
    made.online("alice", c2s=2).ping()


@pytest.mark.parametrize("args,sentence", [
    (["kill", "c2s-9"], "no such process: c2s-9 (there are router-1, sm-1, c2s-1, c2s-2)"),
    (["start", "sm"], "no such process: sm"),
    (["start", "sm-1"], "sm-1 is running already"),
    (["up"], "runs in"),
    (["adduser"], "adduser NAME PASSWORD"),
    (["adduser", "--file", "/nowhere/users"], "/nowhere/users: No such file or directory"),
    (["adduser", "x@nowhere.example", "secret"], "nowhere.example is not a host"),
])
def test_what_is_impossible_is_one_clear_line(made, args, sentence):
    done = made.run(*args, check=False)
    assert done.returncode != 0 and sentence in done.stderr, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_bad_line_of_many_users_adds_none(made, tmp_path):
    path = tmp_path / "users"
    path.write_text("good secret\nbad\n")
    done = made.run("adduser", "--file", path, check=False)
    assert done.returncode != 0 and f"{path}:2: expected NAME PASSWORD" in done.stderr
    assert "good@" not in made.ctl("users").stdout


def test_many_users_are_added_in_one_go(made, tmp_path):
    path = tmp_path / "users"
    path.write_text("".join(f"many-{i} password {i}\n" for i in range(1000)))
    began = time.monotonic()
    done = made.run("adduser", "--file", path, timeout=100)
    assert "added 1000, failed 0" in done.stdout and time.monotonic() - began < 90
    client = made.client("many-999", "password 999") if made.users.setdefault("many-999", "password 999") else None
    client.login().ping()


def test_two_clusters_live_side_by_side_and_down_leaves_nothing(made):
    other = Cluster("--domain", "other.example")
    assert not set(made.ports) & set(other.ports)
    pids = [int(p) for p in other.env["SALLYPORT_PIDS"].split(",")]
    other.run("down")
    assert not any(is_alive(p) for p in pids)
    assert not other.folder.exists()
    os.rmdir(other.dir)
    done = other.run("status", check=False)
    assert done.returncode != 0 and "no cluster in" in done.stderr
    made.online("bob").ping()
