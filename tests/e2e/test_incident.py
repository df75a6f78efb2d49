"""`sallyportctl incident c2s NAME --since T`: a connection manager was in an attacker's hands."""
import contextlib
import datetime
import json
import re
import sqlite3
import time

import pytest

from cluster import ROOT, Cluster
from xmpp import local

C2S = ("c2s-1.cluster.internal", "c2s-2.cluster.internal")


@pytest.fixture(scope="module")
def two():
    """A cluster with two connection managers and two domains, for all tests here."""
    cluster = Cluster("--domain", "localhost", "--domain", "second.example", "--c2s", "2", "--register")
    yield cluster
    cluster.down()


@pytest.fixture
def pair(two):
    yield two
    two.close_clients()


@contextlib.contextmanager
def store_of(cluster):
    """The store's file, while the session manager is stopped."""
    cluster.run("kill", "sm-1")
    db = sqlite3.connect(cluster.folder / "data/sm-1.db")
    try:
        yield db
        db.commit()
    finally:
        db.close()
        cluster.start("sm-1")


def incident(cluster, c2s, *options):
    done = cluster.ctl("--json", "incident", "c2s", c2s, *options)
    assert done.returncode == 0, done.stderr + done.stdout
    answer = json.loads(done.stdout)
    return answer, {row["account"]: row for row in answer["rows"]}


def by_scram(client, resource=None):
    return client.login(resource, mechanism="SCRAM-SHA-256").online()


def assert_reset(*clients):
    for client in clients:
        client.expect_stream_error("reset")
        client.expect_close()


def condition(failure):
    assert local(failure) == "failure"
    return local(failure[0])


def try_plain(cluster, name, password=None, c2s=1):
    client = cluster.client(name, password=password, c2s=c2s)
    client.direct()
    return client.auth_plain()


def test_sessions_end_and_only_clear_passwords_must_change(pair, unique):
    plain, scram, other = (unique(n) for n in ("plain", "scram", "other"))
    alice = pair.online(plain, c2s=1)
    elsewhere = pair.online(plain, c2s=2)
    bob = by_scram(pair.client(scram, c2s=1))
    bystander = by_scram(pair.client(other, c2s=2))
    unbound = pair.client(unique("unbound"), c2s=1)
    unbound.direct()
    unbound.authenticate("SCRAM-SHA-256")
    second = f"{unique('dave')}@second.example"
    pair.ctl("adduser", second, input="secret\n", check=True)
    pair.users[second.split("@")[0]] = "secret"
    dave = pair.client(second.split("@")[0], domain="second.example").login().online()

    answer, rows = incident(pair, C2S[0], "--since", "1h", "--dry-run")
    assert {alice.bare, bob.bare, unbound.bare, dave.bare} <= set(rows) and bystander.bare not in rows
    assert [rows[c.bare]["password"] for c in (alice, bob, unbound, dave)] == ["change", "keep", "keep", "change"]
    assert rows[alice.bare]["sessions"] == "2" and "sessions_ended" not in answer and "SCRAM" in answer["message"]
    for client in (alice, elsewhere, bob, dave):
        client.ping()

    answer, rows = incident(pair, "c2s-1", "--since", "1h")
    assert answer["sessions_ended"] >= 5 and answer["tokens_revoked"] == 0 and answer["passwords_expired"] == 0
    assert answer["passwords_to_change"] >= 2 and answer["places_forgotten"] >= 4 and answer["derived_keys_dropped"] == 0
    assert_reset(alice, elsewhere, bob, dave, unbound)
    bystander.ping()
    for client in (alice, elsewhere):
        pair.wait_audit("sm-1", "incident-session", client.jid)
    pair.wait_audit("sm-1", "incident-session", unbound.bare)
    pair.wait_audit("sm-1", "incident", "passwords_to_change")
    by_scram(pair.client(scram, c2s=1)).ping()
    pair.online(plain, c2s=2).ping()


def test_the_record_outlives_logout_and_kill(pair, unique):
    name = unique("gone")
    pair.online(name).logout()
    pair.run("kill", "sm-1")
    pair.start("sm-1")
    rows = incident(pair, C2S[0], "--since", "5m", "--dry-run")[1]
    row = rows[f"{name}@localhost"]
    assert row["sessions"] == "0" and row["password"] == "change"


def test_a_session_that_was_opened_before_counts_as_use_now(pair, unique):
    name = unique("old")
    client = by_scram(pair.client(name, c2s=1))
    week = 7 * 86400 * 1000000
    with store_of(pair) as db:
        for table, column in (("c2s_use", "first_us"), ("c2s_use", "last_us"), ("session", "opened_us")):
            db.execute(f"UPDATE {table} SET {column} = {column} - {week} WHERE account = ?", (client.bare,))
    client.ping()
    row = incident(pair, C2S[0], "--since", "1h", "--dry-run")[1][client.bare]
    assert row["sessions"] == "1" and row["password"] == "keep"
    client.logout()
    pair.client(name, c2s=2).login()  # a commit behind that of the session's end
    assert client.bare in incident(pair, C2S[0], "--since", "1h", "--dry-run")[1]


def test_expired_passwords_open_nothing_until_an_administrator_sets_another(pair, unique):
    name, other = unique("expired"), unique("kept")
    alice, bob = pair.online(name), by_scram(pair.client(other, c2s=1))
    answer, rows = incident(pair, C2S[0], "--since", "10m", "--expire-passwords")
    assert rows[alice.bare]["password"] == "change" and answer["passwords_expired"] == answer["passwords_to_change"] >= 1
    assert_reset(alice, bob)
    pair.wait_audit("sm-1", "password-expired", alice.bare)
    by_scram(pair.client(other, c2s=2)).ping()
    for c2s in (1, 2):
        assert condition(try_plain(pair, name, c2s=c2s)) == "credentials-expired"
        client = pair.client(name, c2s=c2s)
        client.direct()
        assert condition(client.auth_scram()) == "credentials-expired"
    assert condition(try_plain(pair, name, "wrong")) == "not-authorized"
    pair.ctl("passwd", alice.bare, input="another\n", check=True)
    assert condition(try_plain(pair, name)) == "not-authorized"
    pair.users[name] = "another"
    pair.online(name).ping()


def test_a_password_that_was_set_through_it_went_in_clear(pair, unique):
    name = unique("changer")
    client = by_scram(pair.client(name, c2s=1))
    assert incident(pair, C2S[0], "--since", "5m", "--dry-run")[1][client.bare]["password"] == "keep"
    answer = client.iq("set", f"<query xmlns='jabber:iq:register'><username>{name}</username><password>new</password></query>",
                       to="localhost")
    assert answer.get("type") == "result"
    pair.users[name] = "new"
    assert incident(pair, C2S[0], "--since", "5m", "--dry-run")[1][client.bare]["password"] == "change"


def test_a_registered_password_went_in_clear(pair, unique):
    name = unique("fresh")
    client = pair.client()
    client.direct()
    client.send(f"<iq type='set' id='r'><query xmlns='jabber:iq:register'><username>{name}</username><password>pw</password></query></iq>")
    assert client.expect("iq").get("type") == "result"
    row = incident(pair, C2S[0], "--since", "5m", "--dry-run")[1][f"{name}@localhost"]
    assert row["sessions"] == "0" and row["password"] == "change"


def test_rows_go_with_their_account(pair, unique):
    client = pair.online(unique("deleted"))
    assert client.bare in incident(pair, C2S[0], "--since", "5m", "--dry-run")[1]
    pair.ctl("deluser", client.bare, check=True)
    client.expect_close()
    pair.online(unique("after")).ping()
    assert client.bare not in incident(pair, C2S[0], "--since", "5m", "--dry-run")[1]
    pair.ctl("adduser", client.bare, input="secret\n", check=True)
    by_scram(pair.client(client.name, c2s=1)).logout()
    assert incident(pair, C2S[0], "--since", "5m", "--dry-run")[1][client.bare]["password"] == "keep", "it is another account"


def test_within_the_minute_what_is_new_is_written_down(pair, unique):
    name = unique("quick")
    steps = [("SCRAM-SHA-256", 1, "keep", None), ("PLAIN", 2, "keep", "change"), ("SCRAM-SHA-256", 1, "keep", "change"),
             ("PLAIN", 1, "change", "change")]
    for mechanism, c2s, first, second in steps:
        client = pair.client(name, c2s=c2s).login(mechanism=mechanism).online()
        client.logout()
        rows = [incident(pair, c, "--since", "5m", "--dry-run")[1].get(client.bare, {}).get("password") for c in C2S]
        assert rows == [first, second]


FUTURE = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("args, code, words", [
    (("c2s", C2S[0], "--since", FUTURE), 64, "future"),
    (("c2s", C2S[0], "--since", "yesterday"), 64, "--since takes"),
    (("c2s", C2S[0], "--since", "-2h"), 64, "--since takes"),
    (("c2s", C2S[0]), 64, "usage"),
    (("c2s", "--since", "2h"), 64, "usage"),
    (("router", "router-1", "--since", "2h"), 64, "usage"),
    (("c2s", C2S[0], "--since", "2h", "more"), 64, "usage"),
    (("c2s", "c2s-9.cluster.internal", "--since", "2h"), 66, "none of that name"),
])
def test_what_makes_no_sense_is_refused(pair, args, code, words):
    done = pair.ctl("incident", *args)
    assert done.returncode == code and words in done.stderr, done.stderr


def test_it_is_for_administrators(pair):
    done = pair.ctl("sm-1", "commands")
    assert "incident c2s NAME" in done.stdout
    request = "\x1f".join(("text", "incident", "c2s", C2S[0], "--since", "1h")) + "\n"
    assert ask_raw(pair.folder / "control/sm-1.sock", request).startswith("77\n")


def ask_raw(path, request):
    import socket
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(str(path))
        s.sendall(request.encode())
        return s.makefile().read()


def test_the_commands_of_the_page_are_taken(pair, unique):
    name = unique("page")
    client = pair.online(name)
    page = (ROOT / "deploy/INCIDENT.md").read_text()
    lines = re.findall(r"^sallyportctl (incident .*)$", page, re.M)
    assert len(lines) == 2
    for line in lines:
        words = line.replace("c2s-1.example.internal", C2S[0]).split()
        assert pair.ctl(*words).returncode == 0, line
    client.expect_stream_error("reset")
    line, = re.findall(r"`sallyportctl (passwd) JID`", page)
    pair.ctl(line, client.bare, input="secret\n", check=True)
    pair.online(name).ping()


MANY = 5000


def test_thousands_of_accounts_hold_nobody_up(new_cluster):
    cluster = new_cluster("--c2s", "2")
    clients = [cluster.online("alice", f"r{i}") for i in range(15)]
    witness = by_scram(cluster.client("witness", c2s=2))
    now = int(time.time() * 1000000)
    with store_of(cluster) as db:
        for i in range(MANY):
            name = f"user-{i:05}@localhost"
            old = 2 * 86400 * 1000000 if i % 2 else 0
            db.execute("INSERT INTO account (slot, jid, host, created_us, roster_version) VALUES (0, ?, 'localhost', 0, 0)", (name,))
            db.execute("INSERT INTO c2s_use VALUES (0, ?, ?, 1, ?, ?)", (name, C2S[0], now - old, now - old if i % 4 < 2 else 0))
    witness.ping()
    answer, rows = incident(cluster, C2S[0], "--since", "1d", "--dry-run")
    assert answer["accounts"] == len(rows) == MANY // 2 + 1 and answer["passwords_to_change"] == MANY // 4 + 1
    assert "record begins" in incident(cluster, C2S[0], "--since", "3d", "--dry-run")[0]["message"]

    import threading
    result = {}
    worker = threading.Thread(target=lambda: result.update(zip(("answer", "rows"),
                              incident(cluster, C2S[0], "--since", "3d", "--expire-passwords"))))
    worker.start()
    slowest = 0.0
    while worker.is_alive():
        began = time.monotonic()
        witness.ping()
        slowest = max(slowest, time.monotonic() - began)
    worker.join()
    assert result["answer"]["accounts"] == MANY + 1 and result["answer"]["sessions_ended"] == len(clients)
    assert result["answer"]["passwords_expired"] == MANY // 2 + 1
    assert slowest < 2, f"a ping took {slowest:.2f} s"
    print(f"slowest ping {slowest * 1000:.0f} ms")
    assert_reset(*clients)


def test_what_is_older_than_the_history_is_swept(new_cluster):
    cluster = new_cluster()
    cluster.online("alice").logout()
    cluster.online("bob").logout()
    with store_of(cluster) as db:
        db.execute("UPDATE c2s_use SET last_us = last_us - ? WHERE account LIKE 'bob@%'", (91 * 86400 * 1000000,))
    cluster.wait_log("sm-1", "old uses of c2s are deleted")
    with store_of(cluster) as db:
        assert [r[0] for r in db.execute("SELECT account FROM c2s_use")] == ["alice@localhost"]
