"""Copies of the store while it is used, and what comes back from them: deploy/BACKUP.md."""
import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import threading
import time

import pytest

from cluster import ROOT, Cluster
from steps import befriend, interested, items, set_item
from xmpp import q


@pytest.fixture(scope="module")
def shared():
    cluster = Cluster()
    yield cluster
    cluster.down()


@pytest.fixture
def one(shared):
    yield shared
    shared.close_clients()


def data(cluster):
    return cluster.folder / "data"


def backup(cluster, *args):
    done = cluster.ctl("--json", "store", "backup", *args)
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def restore(cluster, copy):
    """The steps of BACKUP.md, on a cluster whose session manager is stopped."""
    store = data(cluster) / "sm-1.db"
    shutil.copyfile(copy, store)
    os.chmod(store, 0o600)


def epoch(cluster):
    return json.loads(cluster.ctl("--json", "sm-1", "status").stdout)["epoch"]


# --- copies ---


def test_a_copy_is_whole_private_and_marked(one, unique):
    one.online(unique("alice")).ping()
    answer = backup(one, f"{unique('first')}.copy")
    assert os.stat(answer["file"]).st_mode & 0o777 == 0o600 and os.stat(answer["file"]).st_size == answer["bytes"]
    db = sqlite3.connect(answer["file"])
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert db.execute("PRAGMA application_id").fetchone() == (0x53707463,)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert db.execute("SELECT count(*) FROM account").fetchone()[0] >= 1
    assert int(db.execute("SELECT value FROM meta WHERE name = 'copy'").fetchone()[0]) / 1e6 == pytest.approx(time.time(), abs=30)
    db.close()
    one.wait_audit("sm-1", "store-copied", answer["file"])
    assert not [p for p in data(one).iterdir() if p.name.endswith(".part")]


def test_a_copy_without_a_name_is_called_by_the_time(one):
    answer = backup(one)
    assert os.path.basename(answer["file"]).startswith("sm-1-2") and answer["file"].endswith("Z.copy")


def test_nothing_is_overwritten(one, unique):
    name = unique("twice")
    file = backup(one, name)["file"]
    before = open(file, "rb").read()
    done = one.ctl("store", "backup", name)
    assert done.returncode == 70 and "exists already" in done.stderr
    assert open(file, "rb").read() == before
    assert one.ctl("store", "backup", "sm-1.db").returncode == 70, "not the store either"


@pytest.mark.parametrize("name", ["../out", "/tmp/out", ".hidden", "-x", "a b", "x" * 101, ""])
def test_a_name_leads_nowhere_else(one, name):
    done = one.ctl("store", "backup", "--", name) if name.startswith("-") else one.ctl("store", "backup", name)
    assert done.returncode == 64, done.stderr


@pytest.mark.parametrize("args", [("store",), ("store", "restore"), ("store", "restored", "x")])
def test_other_words_are_refused(one, args):
    assert one.ctl(*args).returncode == 64


def test_too_little_room_and_no_folder_are_said(new_cluster, tmp_path):
    disk, folder = tmp_path / "disk", tmp_path / "disk/copies"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)], check=True)
    try:
        folder.mkdir()
        cluster = new_cluster("--set", f'sm:backup_dir = "{folder}"')
        done = cluster.ctl("store", "backup")
        assert done.returncode == 70 and "too little room" in done.stderr and list(folder.iterdir()) == []
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        assert backup(cluster, "x")["file"] == str(folder / "x") and os.listdir(folder) == ["x"]
        shutil.rmtree(folder)
        done = cluster.ctl("store", "backup")
        assert done.returncode == 70 and "No such file" in done.stderr
        cluster.online("alice").ping()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


# --- restoring ---


class Chatter(threading.Thread):
    """Messages from one client to another, as fast as they come back, until it is told to stop."""

    def __init__(self, one, other):
        super().__init__()
        self.one, self.other, self.goes_on, self.sent, self.failure, self.slowest = one, other, True, 0, None, 0.0

    def run(self):
        try:
            while self.goes_on:
                began = time.monotonic()
                self.one.message(self.other.bare, f"message {self.sent}")
                assert self.other.expect("message", type="chat").find(q("jabber:client", "body")).text == f"message {self.sent}"
                self.sent += 1
                self.slowest = max(self.slowest, time.monotonic() - began)
        except Exception as e:  # noqa: BLE001: told by finish
            self.failure = e

    def finish(self):
        self.goes_on = False
        self.join()
        assert self.failure is None, self.failure
        return self


def assert_talk(one, other):
    for a, b in ((one, other), (other, one)):
        a.message(b.bare, "after")
        assert b.expect("message", type="chat").find(q("jabber:client", "body")).text == "after"


def bodies(client):
    client.ping()
    found = [m.find(q("jabber:client", "body")).text for m in client.backlog if m.tag == q("jabber:client", "message")]
    client.backlog.clear()
    return found


def with_roster(client):
    client.login("desk").roster()
    return client.online()


def fill(cluster, rows):
    """A store of some size, so that a copy takes more than one slice."""
    cluster.run("kill", "sm-1")
    db = sqlite3.connect(data(cluster) / "sm-1.db")
    db.executemany("INSERT INTO data VALUES (0, 'filler@localhost', 'private', ?, ?)", ((str(i), os.urandom(3000)) for i in range(rows)))
    db.commit()
    db.close()
    cluster.start("sm-1")


def set_in_host(cluster, line):
    path = cluster.folder / "conf/sm-1.conf"
    text = re.sub(r"    stanzas_per_second = .*\n", "", path.read_text())
    path.write_text(text.replace('host "localhost" {\n', f'host "localhost" {{\n    {line}\n'))


def test_an_older_copy_is_put_back_under_everything_that_goes_on(new_cluster):
    cluster = new_cluster("--c2s", "2")
    fill(cluster, 5000)
    alice, bob = interested(cluster, "alice", "desk"), with_roster(cluster.client("bob", c2s=2))
    befriend(alice, bob)
    cluster.adduser("carol")
    alice.message("carol@localhost", "waits for carol")
    alice.ping()
    chatter = Chatter(cluster.online("dave"), cluster.online("erin", c2s=2))
    chatter.start()
    copy = backup(cluster, "monday")
    talk = chatter.finish()
    assert talk.sent > 10 and talk.slowest < 1
    print(f"{talk.sent} messages during a copy of {copy['bytes'] >> 20} MiB in {copy['ms']} ms, slowest {talk.slowest * 1000:.1f} ms")
    keep = cluster.folder / "elsewhere"
    shutil.move(copy["file"], keep)

    # What comes after the copy, and is lost.
    assert set_item(alice, "later@localhost").get("type") == "result"
    lost_version = alice.roster().get("ver")
    cluster.adduser("zoe")
    alice.message("carol@localhost", "lost")
    alice.ping()
    carol = cluster.online("carol")
    assert bodies(carol) == ["waits for carol", "lost"]
    for value in (90, 80, 70):  # versions of the hosts' table that c2s has
        set_in_host(cluster, f"stanzas_per_second = {value}")
        done = cluster.ctl("sm-1", "reload")
        assert done.returncode == 0, done.stderr
    for _ in range(3):  # epochs that c2s follows, and the copy does not know
        cluster.run("kill", "sm-1")
        cluster.start("sm-1")
        alice.ping()
    before = epoch(cluster)

    cluster.run("kill", "sm-1")
    assert (data(cluster) / "sm-1.db-wal").stat().st_size > 0, "what would be taken for the copy's own log"
    restore(cluster, keep)
    cluster.start("sm-1")
    for client in (alice, bob, carol, chatter.one, chatter.other):
        client.expect_stream_error("reset")
        client.expect_close()
    assert epoch(cluster) > before + 1000000
    for c2s in ("c2s-1", "c2s-2"):
        assert "an older table of hosts is ignored" not in cluster.log(c2s)
    cluster.wait_audit("sm-1", "store-restored")

    alice, bob = interested(cluster, "alice", "desk"), cluster.online("bob", "desk", c2s=2)
    assert set(items(alice)) == {"bob@localhost"} and items(alice)["bob@localhost"][0] == "both"
    assert int(alice.roster().get("ver")) > int(lost_version), "a version is never given to two rosters"
    assert_talk(alice, bob)
    carol = cluster.online("carol")
    assert bodies(carol) == ["waits for carol"]
    assert cluster.ctl("passwd", "zoe@localhost", input="x\n").returncode == 66
    rows = json.loads(cluster.ctl("--json", "sessions").stdout)
    assert sorted(r["jid"].split("/")[0] for r in rows) == ["alice@localhost", "bob@localhost", "carol@localhost"]

    # Once: the next start is one like any other.
    now = epoch(cluster)
    cluster.run("kill", "sm-1")
    cluster.start("sm-1")
    alice.ping()
    assert_talk(alice, bob)
    assert epoch(cluster) == now + 1 and cluster.audit("sm-1").count("store-restored") == 1


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / "deploy" / page).read_text(), re.S | re.M)


def run_line(cluster, line, copy):
    """A line of the page, on this cluster instead of a host: its own names and folders, no service manager."""
    words = shlex.split(line, comments=True)
    if words[0] == "sallyportctl":
        assert cluster.ctl(*words[1:]).returncode == 0, line
    elif words[0] == "systemctl":
        assert words[2] == "sallyport-sm@sm-1"
        for verb in {"stop": ("kill",), "start": ("start",), "restart": ("kill", "start")}[words[1]]:
            getattr(cluster, verb)("sm-1")
    elif words[0] == "install":
        assert words[-1] == "/var/lib/sallyport/sm-1/store.db" and words[-2].endswith(".copy")
        user = ["-o", str(os.getuid()), "-g", str(os.getgid())]
        subprocess.run([*words[:3], *user, copy, data(cluster) / "sm-1.db"], check=True)
    else:
        raise AssertionError(f"BACKUP.md has a line that nobody tries: {line}")


def test_the_lines_of_the_page_do_what_it_says(new_cluster):
    cluster = new_cluster()
    client = cluster.online("alice")
    making, restoring, snapshot = (b.splitlines() for b in blocks("BACKUP.md", "sh"))
    for line in making:
        run_line(cluster, line, None)
    copy, = data(cluster).glob("*.copy")
    cluster.adduser("lost")
    for line in restoring:
        run_line(cluster, line, copy)
    client.expect_stream_error("reset")
    assert cluster.ctl("users").stdout.count("@localhost") == 1
    client = cluster.online("alice")
    for line in snapshot:
        run_line(cluster, line, None)
    client.expect_stream_error("reset")
    unit, cron = blocks("BACKUP.md", "ini")[0], blocks("BACKUP.md", "")[0]
    for command in re.findall(r"/usr/bin/(sallyportctl .*store backup)", unit + cron):
        cluster.ctl(*shlex.split(command)[1:], f"c{command.count(' ')}-{time.monotonic_ns()}", check=True)


def test_a_restored_store_serves_a_new_cluster(new_cluster, tmp_path):
    old = new_cluster()
    alice, bob = interested(old, "alice"), interested(old, "bob")
    befriend(alice, bob)
    copy = tmp_path / "copy"
    shutil.move(backup(old, "moved")["file"], copy)
    alice.logout()
    new = new_cluster()
    new.run("kill", "sm-1")
    restore(new, copy)
    new.start("sm-1")
    new.users = dict(old.users)
    alice, bob = interested(new, "alice"), new.online("bob")
    assert set(items(alice)) == {"bob@localhost"}
    assert_talk(alice, bob)


def test_a_kill_while_it_is_restored_changes_nothing(new_cluster):
    cluster = new_cluster()
    client = cluster.online("alice", "one")
    copy = shutil.move(backup(cluster, "c")["file"], cluster.folder / "c")
    for _ in range(3):
        client.ping()
        cluster.run("kill", "sm-1")
        restore(cluster, copy)
        cluster.start("sm-1")
        cluster.run("kill", "sm-1")
        cluster.start("sm-1")
        client.expect_stream_error("reset")
        client = cluster.online("alice", "one")
    assert cluster.audit("sm-1").count("store-restored") == 3


def test_a_clock_behind_the_copy_is_refused(new_cluster):
    cluster = new_cluster()
    copy = backup(cluster, "c")["file"]
    db = sqlite3.connect(copy)
    db.execute("UPDATE meta SET value = ? WHERE name = 'copy'", (str(int((time.time() + 86400) * 1e6)).encode(),))
    db.commit()
    db.close()
    cluster.run("kill", "sm-1")
    shutil.copyfile(data(cluster) / "sm-1.db", cluster.folder / "kept")
    shutil.copyfile(data(cluster) / "sm-1.db-wal", cluster.folder / "kept-wal")
    restore(cluster, copy)
    done = cluster.run("start", "sm-1", check=False)
    assert done.returncode != 0 and "set the clock" in done.stderr + done.stdout + cluster.log("sm-1")
    shutil.copyfile(cluster.folder / "kept", data(cluster) / "sm-1.db")
    shutil.copyfile(cluster.folder / "kept-wal", data(cluster) / "sm-1.db-wal")
    cluster.start("sm-1")


def test_a_snapshot_that_was_put_back_is_told_by_a_command(new_cluster):
    cluster = new_cluster()
    cluster.adduser("alice")
    cluster.run("kill", "sm-1")
    snapshot = {p: p.read_bytes() for p in data(cluster).iterdir()}
    for _ in range(4):
        cluster.start("sm-1")
        client = cluster.online("alice")
        cluster.run("kill", "sm-1")
    for path in data(cluster).iterdir():
        path.unlink()
    for path, content in snapshot.items():
        path.write_bytes(content)
        path.chmod(0o600)
    cluster.start("sm-1")
    cluster.wait_log("c2s-1", "of an older epoch is not followed")
    done = cluster.ctl("store", "restored")
    assert done.returncode == 0 and "restart" in done.stdout
    cluster.run("kill", "sm-1")
    cluster.start("sm-1")
    client.expect_stream_error("reset")
    cluster.online("alice").ping()
