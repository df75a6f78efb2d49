"""sallyportctl against a running cluster: what an administrator does every day."""
import contextlib
import json
import ssl
import subprocess
import threading
import time

import pytest

from xmpp import Closed


def rows(done):
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def test_accounts_are_made_listed_changed_and_removed(cluster, unique):
    name = unique("ctl")
    jid = f"{name}@localhost"
    assert cluster.ctl("adduser", jid, input="first\n").returncode == 0
    again = cluster.ctl("adduser", jid, input="first\n")
    assert again.returncode != 0 and "exists" in again.stderr + again.stdout
    assert jid in cluster.ctl("users", "localhost").stdout
    assert cluster.ctl("passwd", jid, input="second\n").returncode == 0
    cluster.users[name] = "second"
    client = cluster.online(name)
    assert cluster.ctl("deluser", jid).returncode == 0
    client.expect_stream_error("not-authorized")
    assert jid not in cluster.ctl("users", "localhost").stdout
    assert cluster.ctl("deluser", jid).returncode != 0


@pytest.mark.parametrize("args", [("passwd", "nobody@localhost"), ("adduser", "x@elsewhere.example"), ("adduser", "@@")])
def test_impossible_requests_say_what_is_wrong(cluster, args):
    done = cluster.ctl(*args, input="pw\n")
    assert done.returncode != 0 and len((done.stderr + done.stdout).strip()) > 10


def test_sessions_are_listed_and_kicked(cluster, unique):
    alice = cluster.online(unique("alice"), "desk")
    listed = cluster.ctl("--json", "sessions")
    assert alice.jid in listed.stdout
    json.loads(listed.stdout)
    assert cluster.ctl("kick", alice.jid).returncode == 0
    alice.expect("error")
    alice.expect_close()
    assert alice.jid not in cluster.ctl("sessions").stdout


def test_links_show_every_peer_of_each_process(cluster):
    out = cluster.ctl("links").stdout
    for name in ("router-1", "c2s-1", "sm-1"):
        assert name in out
    rows = json.loads(cluster.ctl("--json", "links").stdout)
    assert len({tuple(row) for process in rows.values() for row in process}) == 1, "the columns are the same everywhere"
    assert rows["c2s-1"][0]["instance"] != "" and int(rows["c2s-1"][0]["frames_in"]) > 0


def test_status_and_health_answer_for_every_process(cluster):
    for verb in ("status", "health"):
        done = cluster.ctl(verb)
        assert done.returncode == 0, done.stdout + done.stderr
        assert all(n in done.stdout for n in ("router-1", "c2s-1", "sm-1"))
        json.loads(cluster.ctl("--json", verb).stdout)


def test_health_is_critical_without_the_session_manager(new_cluster):
    cluster = new_cluster()
    cluster.kill("sm-1")
    cluster.wait_log("router-1", "link down")
    assert cluster.ctl("health").returncode == 2


def test_metrics_are_prometheus_text_without_duplicates(cluster, unique):
    cluster.online(unique("alice")).ping()
    for process in ("router-1", "c2s-1", "sm-1"):
        text = cluster.ctl(process, "metrics").stdout
        names = [line.split(" ")[2] for line in text.splitlines() if line.startswith("# TYPE")]
        assert len(names) == len(set(names)) > 5
        assert any(n.startswith(f"sallyport_{process[:-2]}_") for n in names)


def test_metrics_are_served_over_http_on_a_unix_socket(cluster):
    done = subprocess.run(["curl", "-s", "--unix-socket", str(cluster.folder / "s/sm-1+metrics"), "http://localhost/metrics"], capture_output=True, text=True) \
        if subprocess.run(["which", "curl"], capture_output=True).returncode == 0 else None
    if done is None:
        import socket
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(cluster.folder / "s/sm-1+metrics"))
            s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            text = b"".join(iter(lambda: s.recv(65536), b"")).decode()
    else:
        text = done.stdout
    assert "sallyport_sm_sessions" in text


def test_an_unknown_command_is_a_usage_error(cluster):
    assert cluster.ctl("frobnicate").returncode == 64


def test_no_process_is_a_clear_error(cluster, tmp_path):
    done = subprocess.run([str(cluster.binary("sallyportctl")), "--dir", str(tmp_path), "status"], capture_output=True, text=True)
    assert done.returncode == 3 or done.returncode == 66 or done.returncode == 70
    assert str(tmp_path) in done.stderr


def test_reload_and_log_level_answer(cluster):
    assert cluster.ctl("reload").returncode == 0
    assert cluster.ctl("sm-1", "log-level", "debug").returncode == 0


def test_drain_ends_clients_in_order_and_the_process(new_cluster):
    cluster = new_cluster("--c2s", "2")
    alice = cluster.online("alice", c2s=1)
    bob = cluster.online("bob", c2s=2)
    cluster.ctl("c2s-1", "drain")
    alice.expect_stream_error("system-shutdown")
    bob.ping()


def test_audit_log_tells_logins_and_refusals_without_secrets(cluster, unique):
    alice = cluster.online(unique("alice"))
    refused = cluster.client(alice.name)
    refused.direct()
    refused.auth_plain(password="a wrong secret")
    audit = cluster.audit("sm-1")
    assert cluster.events("sm-1", "login", account=alice.bare) and cluster.events("sm-1", "login-refused", claimed=alice.name)
    assert "wrong" not in audit and "secret" not in audit


def test_an_account_that_is_kicked_while_it_logs_in_is_in_or_out(cluster, unique):
    """Also one whose session is being committed: no half session is left."""
    name = cluster.adduser(unique("kicked"))
    jid, done = f"{name}@localhost", threading.Event()

    def kick():
        while not done.is_set():
            cluster.ctl("kick", jid, check=False)

    kicker = threading.Thread(target=kick)
    kicker.start()
    try:
        for _ in range(15):
            client = cluster.client(name)
            with contextlib.suppress(Closed, AssertionError, OSError, ssl.SSLError):
                client.login("desk").ping()
            client.close()
    finally:
        done.set()
        kicker.join()
    cluster.client(name).login("desk").ping()
    cluster.close_clients()
    deadline = time.monotonic() + 20
    while jid in cluster.ctl("sessions").stdout:
        assert time.monotonic() < deadline, cluster.ctl("sessions").stdout
        time.sleep(0.05)
