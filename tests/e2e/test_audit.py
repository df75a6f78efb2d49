"""The audit log: what is in it, who is named, where it goes, and what deploy/AUDIT.md says about it. rsyslog and logrotate are Debian's; journald cannot
run here, so that a socket stands for it which reads its native protocol as its documentation has it."""
import importlib.util
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import pytest

from cluster import ROOT, Cluster

PAGE = ROOT / "deploy/AUDIT.md"
PROCESSES = ("router-1", "c2s-1", "sm-1")
# A user of every Debian system and two groups that it is not in: nothing has to be made or removed.
NOBODY, READERS, ADMINS = "nobody", "games", "audio"


def wait_until(check, what, timeout=20):
    deadline = time.monotonic() + timeout
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.02)


def blocks(language):
    """The fenced examples of the page."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.M | re.S)


def table():
    """name -> (severity, writers, fields) of deploy/audit-events.txt"""
    rows = [[c.strip() for c in l.split("|")] for l in (ROOT / "deploy/audit-events.txt").read_text().splitlines() if l and l[0] != "#"]
    return {r[0]: (r[1], r[2].split(), set(r[3].split())) for r in rows}


def complain(e, known):
    severity, writers, fields = known[e["event"]]
    unknown = set(e) - {"time", "event", "process", "role", "pid", "seq"} - fields
    if e["role"] not in writers or unknown:
        return f"{e}: written by {e['role']}, not in the table: {unknown}"
    return None if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", e["time"]) else f"{e}: its time"


# --- daemons -----------------------------------------------------------------------------------------------------------


def certificates(folder, *names):
    """log-ca.pem, and NAME.pem and NAME.key for each."""
    def openssl(*args):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "5", *args],
                       cwd=folder, capture_output=True, check=True)

    openssl("-keyout", "ca.key", "-out", "log-ca.pem", "-subj", "/CN=log CA")
    for name in names:
        openssl("-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
                "-addext", "basicConstraints=critical,CA:FALSE", "-CA", "log-ca.pem", "-CAkey", "ca.key")


class Rsyslog:
    """A real rsyslogd with a configuration, sockets and files of its own."""

    def __init__(self, folder, name, config):
        self.folder, self.name = folder, name
        (folder / f"{name}.d").mkdir()
        self.config = folder / f"{name}.conf"
        self.config.write_text(f'global(workDirectory="{folder}/{name}.d")\n' + config)
        self.process = None

    def start(self, until):
        self.process = subprocess.Popen(["rsyslogd", "-n", "-f", self.config, "-i", self.folder / f"{self.name}.pid"],
                                        stdout=subprocess.DEVNULL, stderr=open(self.folder / f"{self.name}.log", "ab"))
        wait_until(lambda: self.process.poll() is None and until(), f"{self.name} is there: {(self.folder / f'{self.name}.log').read_text()}")
        return self

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(20)
            self.process = None


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def is_open(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


class Journal:
    """Where journald would be: a datagram is an entry in the native protocol (systemd: Native Journal Protocol)."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(str(path))
        self.sock.settimeout(0.02)
        self.entries = []

    @staticmethod
    def parse(data):
        entry = {}
        while data:
            line, data = data.split(b"\n", 1)
            name, is_text, value = line.partition(b"=")
            if not is_text:
                size = int.from_bytes(data[:8], "little")
                value, end, data = data[8:8 + size], data[8 + size:9 + size], data[9 + size:]
                assert end == b"\n"
            assert re.fullmatch(rb"[A-Z0-9][A-Z0-9_]{0,63}", name), name
            entry[name.decode()] = value.decode()
        return entry

    def wait(self, **fields):
        def found():
            try:
                while True:
                    self.entries.append(self.parse(self.sock.recv(1 << 20)))
            except socket.timeout:
                return next((e for e in self.entries if all(e.get(k) == v for k, v in fields.items())), None)

        return wait_until(found, f"{fields} in {[e.get('SALLYPORT_EVENT') for e in self.entries]}")


class Stage:
    """A cluster whose sm forwards to rsyslog, which forwards over TLS to another, and whose router forwards to a journal. Both rsyslogs have what the
    page says, with other paths."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="spa-"))
        self.socket, self.local, self.remote = self.folder / "log", self.folder / "local.json", self.folder / "remote.json"
        self.port = free_port()
        certificates(self.folder, "log.example.internal", "core-1.example.internal")
        client, server = blocks("rsyslog")
        self.server = Rsyslog(self.folder, "server", self.adapted(server, "log.example.internal", self.remote)).start(lambda: is_open(self.port))
        self.rsyslog = Rsyslog(self.folder, "client", 'module(load="imuxsock" SysSock.Use="off")\n'
                               f'input(type="imuxsock" Socket="{self.socket}")\n' + self.adapted(client, "core-1.example.internal", self.local))
        self.rsyslog.start(self.socket.exists)
        self.journal = Journal(self.folder / "journal")
        forward = {"sm-1": ("syslog", self.socket), "router-1": ("journal", self.folder / "journal")}
        lines = [f"{p}:{line}" for p, (to, path) in forward.items() for line in (f"audit_forward = {to}", f'audit_socket = "{path}"')]
        groups = [f'{p}:{key} = "{group}"' for p in PROCESSES for key, group in (("control_group", READERS), ("control_admin_group", ADMINS))]
        settings = [*lines, *(groups if os.geteuid() == 0 else [])]
        self.cluster = Cluster("--register", *(f"--set={s}" for s in settings))

    def adapted(self, text, name, output):
        changes = {"/etc/sallyport/log-ca.pem": f"{self.folder}/log-ca.pem", "/etc/sallyport/log.pem": f"{self.folder}/{name}.pem",
                   "/etc/sallyport/log.key": f"{self.folder}/{name}.key", "/var/log/sallyport/audit.json": str(output),
                   'target="log.example.internal"': 'target="127.0.0.1"', '"6514"': f'"{self.port}"'}
        for old, new in changes.items():
            text = text.replace(old, new)
        return text

    def end(self):
        try:
            self.cluster.down()
        finally:
            self.rsyslog.stop()
            self.server.stop()
            shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def stage():
    s = Stage()
    yield s
    s.end()


@pytest.fixture(scope="module")
def audited(stage):
    return stage.cluster


def lines_of(path):
    """Whole lines of a file that somebody writes."""
    return path.read_text().split("\n")[:-1] if path.exists() else []


def arrived(path, event, **fields):
    found = [json.loads(l) for l in lines_of(path)]
    return [e for e in found if e["event"] == event and all(e.get(k) == v for k, v in fields.items())]


# --- where it goes -----------------------------------------------------------------------------------------------------


def test_rsyslog_gets_each_event_and_passes_it_on_over_tls_to_a_server_that_is_known(stage, unique):
    alice = stage.cluster.online(unique("alice"))
    for path in (stage.local, stage.remote):
        event, = wait_until(lambda: arrived(path, "login", account=alice.bare), f"the login in {path}")
        assert event == stage.cluster.events("sm-1", "login", account=alice.bare)[0]


def test_what_happens_while_rsyslog_is_away_arrives_when_it_is_back(stage, unique):
    stage.rsyslog.stop()
    name = unique("absent")
    assert stage.cluster.ctl("adduser", f"{name}@localhost", input="pw\n").returncode == 0
    stage.cluster.wait_event("sm-1", "account-added", account=f"{name}@localhost")
    assert not arrived(stage.local, "account-added", account=f"{name}@localhost")
    stage.rsyslog.start(stage.socket.exists)
    wait_until(lambda: arrived(stage.local, "account-added", account=f"{name}@localhost"), "the event behind the pause")
    assert not stage.cluster.events("sm-1", "audit-lost")


def test_the_journal_gets_a_field_for_each_attribute(stage):
    entry = stage.journal.wait(SALLYPORT_EVENT="link-up", SALLYPORT_PEER_ROLE="sm")
    line = json.loads(entry["MESSAGE"])
    assert line in stage.cluster.events("router-1", "link-up")
    own = {f"SALLYPORT_{k.upper()}": str(v) for k, v in line.items() if k not in ("time", "pid")}
    usual = {"PRIORITY": "5", "SYSLOG_FACILITY": "10", "SYSLOG_IDENTIFIER": "sallyport-router-1", "SYSLOG_PID": str(line["pid"])}
    assert entry == {"MESSAGE": entry["MESSAGE"], **own, **usual}


def test_examples_that_need_a_journal_name_fields_that_it_gets(stage):
    """journalctl needs journald: the queries are held against the table instead."""
    known, queries = table(), [l.split()[1:] for text in blocks("sh") for l in text.splitlines() if l.startswith("journalctl ")]
    assert queries
    for words in queries:
        fields = dict(w.split("=", 1) for w in words if "=" in w)
        _, writers, names = known[fields["SALLYPORT_EVENT"]]
        assert all(k in ("SALLYPORT_EVENT", "SYSLOG_IDENTIFIER") or k[10:].lower() in names for k in fields), fields


# --- what is in it -----------------------------------------------------------------------------------------------------


def test_accounts_sessions_and_refusals(audited, unique):
    name = audited.adduser(unique("alice"))
    jid = f"{name}@localhost"
    assert audited.wait_event("sm-1", "account-added", account=jid)["by"] == "administrator"
    alice = audited.online(name, "desk")
    login = audited.wait_event("sm-1", "login", account=jid)
    assert login["address"].startswith("127.0.0.1:") and login["c2s"] == "c2s-1.cluster.internal" and login["mechanism"]
    guesser = audited.client(name)
    guesser.direct()
    guesser.auth_plain(password="a wrong one")
    refused = audited.wait_event("sm-1", "login-refused", claimed=name)
    assert (refused["condition"], refused["mechanism"], refused["c2s"]) == ("not-authorized", "PLAIN", "c2s-1.cluster.internal")
    assert refused["address"].startswith("127.0.0.1:") and refused["host"] == "localhost"
    alice.send(f"<iq type='set' id='pw' to='localhost'><query xmlns='jabber:iq:register'><username>{name}</username>"
               "<password>another</password></query></iq>")
    assert alice.expect("iq", id="pw").get("type") == "result"
    assert audited.wait_event("sm-1", "password-changed", account=jid)["by"] == "user"
    alice.send("<iq type='set' id='rm' to='localhost'><query xmlns='jabber:iq:register'><remove/></query></iq>")
    assert audited.wait_event("sm-1", "account-removed", account=jid)["by"] == "user"
    assert audited.wait_event("sm-1", "session-ended", account=jid)["session"] == login["session"]


def test_a_session_that_its_client_ends_is_a_logout(audited, unique):
    bob = audited.online(unique("bob"))
    bob.send("</stream:stream>")
    bob.expect_close()
    assert audited.wait_event("sm-1", "logout", account=bob.bare)["why"] == "closed"


def test_administration_names_who_asked_for_what_and_what_came_of_it(audited, unique):
    jid = f"{unique('carol')}@localhost"
    for verb, code in (("adduser", 0), ("adduser", 70), ("passwd", 0), ("deluser", 0), ("deluser", 66)):
        since = len(audited.audit("sm-1"))
        done = audited.ctl(verb, jid, input="top secret\n")
        assert done.returncode == code, done
        asked = audited.wait_event("sm-1", "control-command", since=since, command=verb, subject=jid)
        result = audited.wait_event("sm-1", "control-result", since=since, request=asked["request"])
        assert (result["exit"], result["uid"], result["user"]) == (code, os.geteuid(), subprocess.check_output(["id", "-un"], text=True).strip())
        assert asked["caller_pid"] == result["caller_pid"] > 0
    assert "top secret" not in audited.audit("sm-1")


def test_a_connection_over_the_limit_of_its_address_and_sessions_of_a_dead_connection_manager(new_cluster):
    cluster = new_cluster()
    conf = cluster.folder / "conf/c2s-1.conf"
    conf.write_text(re.sub(r"connections_per_address = \d+", "connections_per_address = 2", conf.read_text()))
    assert cluster.ctl("c2s-1", "reload").returncode == 0
    alice, bob = cluster.online("alice"), cluster.online("bob")
    with socket.create_connection((cluster.host, cluster.port)) as third:
        third.sendall(b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='localhost' version='1.0'>")
        event = cluster.wait_event("c2s-1", "policy-violation", what="too many connections from this address")
        assert event["address"] == f"127.0.0.1:{third.getsockname()[1]}"
    assert cluster.ctl("adduser", "carol@localhost", input="pw\n").returncode == 0
    cluster.kill("sm-1")  # what was answered was written before
    assert cluster.events("sm-1", "control-result", command="adduser", subject="carol@localhost")[0]["exit"] == 0
    cluster.start("sm-1")
    cluster.kill("c2s-1")
    cluster.start("c2s-1")
    for client in (alice, bob):
        assert cluster.wait_event("sm-1", "session-ended", account=client.bare)["condition"] == "lost"
    assert not cluster.events("sm-1", "logout")


def as_nobody(cluster, groups, *args, user=NOBODY):
    """sallyportctl as another user, in these groups alone."""
    os.chmod(cluster.dir, 0o711)
    os.chmod(cluster.folder, 0o711)
    os.chmod(cluster.folder / "control", 0o755)
    tool = pathlib.Path(cluster.dir) / "sallyportctl"
    if not tool.exists():
        shutil.copy(cluster.binary("sallyportctl"), tool)
    become = ["setpriv", f"--reuid={user}", "--regid=nogroup", f"--groups={groups}" if groups else "--clear-groups"]
    return subprocess.run([*become, str(tool), "--dir", str(cluster.folder / "control"), *args], capture_output=True, text=True, timeout=60,
                          env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_one_group_reads_another_administers_and_who_is_refused_is_named(audited, unique):
    uid = int(subprocess.check_output(["id", "-u", NOBODY]))
    for process in PROCESSES:
        assert as_nobody(audited, READERS, process, "status").returncode == 0
        since = len(audited.audit(process))
        refused = as_nobody(audited, READERS, process, "log-level", "debug")
        assert refused.returncode == 77 and "administrators" in refused.stdout + refused.stderr
        event = audited.wait_event(process, "control-refused", since=since, command="log-level")
        assert (event["uid"], event["user"], event["subject"]) == (uid, NOBODY, "debug") and event["reason"] == "not on the administrators' socket"
        assert not audited.events(process, "control-command", since=since)
        done = as_nobody(audited, f"{READERS},{ADMINS}", process, "log-level", "info")
        assert done.returncode == 0, done
        event = audited.wait_event(process, "control-result", since=since, command="log-level")
        assert (event["uid"], event["user"], event["exit"]) == (uid, NOBODY, 0)
        stranger = as_nobody(audited, "", process, "status")
        assert stranger.returncode != 0 and "may not use this control socket" in stranger.stderr


def test_links_that_come_and_go_are_told_on_both_sides(new_cluster):
    cluster = new_cluster("--links", "tls")
    up = cluster.wait_event("router-1", "link-up", peer="c2s-1.cluster.internal")
    assert (up["peer_role"], up["identity"]) == ("c2s", "certificate") and up["address"].startswith("127.0.0.1:")
    cluster.kill("router-1")
    assert cluster.wait_event("c2s-1", "link-down", peer="router-1.cluster.internal")["reason"]
    # The router comes back with another secret than c2s has: refused by one, told by both.
    secret, = (cluster.folder / "secret").glob("c2s-1+router-1")
    secret.write_text("ab" * 32 + "\n")
    cluster.start("router-1")
    refused = cluster.wait_event("c2s-1", "link-refused", peer="router-1.cluster.internal")
    assert refused["cause"] == "protocol" and "handshake is wrong" in refused["reason"]
    assert cluster.wait_event("router-1", "link-refused-by-peer", peer="c2s-1.cluster.internal")["condition"] == "not-authorized"
    os.kill(cluster.pid("c2s-1"), signal.SIGHUP)
    cluster.wait_event("c2s-1", "configuration-reloaded", result="ok")
    lives = [e["pid"] for e in cluster.events("router-1", "process-started")]
    assert len(set(lives)) == 2 and not cluster.events("router-1", "process-stopped"), "it was killed"
    # A certificate for clients that ends in five days, then one that is none.
    (cluster.folder / "short").mkdir()
    certificates(cluster.folder / "short", "elsewhere")
    conf = (cluster.folder / "conf/c2s-1.conf").read_text()
    cert, key = (pathlib.Path(re.search(rf'\b{k} = "([^"]+)"', conf[conf.index("certificate"):])[1]) for k in ("cert", "key"))
    shutil.copy(cluster.folder / "short/elsewhere.pem", cert)
    shutil.copy(cluster.folder / "short/elsewhere.key", key)
    os.kill(cluster.pid("c2s-1"), signal.SIGHUP)
    soon = cluster.wait_event("c2s-1", "certificate-expiring", certificate="domains")
    assert soon["days"] in (4, 5) and abs(soon["expiry"] - time.time() - 5 * 86400) < 600
    assert cluster.wait_event("c2s-1", "configuration-reloaded")["result"] == "ok"
    assert cluster.wait_event("c2s-1", "certificate-missing")["host"] == "localhost"
    cert.write_text("not a certificate\n")
    os.kill(cluster.pid("c2s-1"), signal.SIGHUP)
    assert str(cert) in cluster.wait_event("c2s-1", "certificate-not-loaded", certificate="domains")["reason"]
    assert str(cert) in cluster.wait_event("c2s-1", "configuration-reloaded", result="failed")["why"]
    (cluster.folder / "link/router-1.pem").write_text("not a certificate either\n")
    os.kill(cluster.pid("router-1"), signal.SIGHUP)
    assert "link/router-1.pem" in cluster.wait_event("router-1", "certificate-not-loaded", certificate="link")["reason"]
    cluster.run("down", "--keep", check=False)
    for process in PROCESSES:
        assert cluster.events(process, "process-stopped")[-1]["exit"] == 0
        assert cluster.events(process)[-1]["event"] == "process-stopped"


def test_a_flood_of_one_event_is_bounded_and_hides_no_other(audited):
    conf = audited.folder / "conf/c2s-1.conf"
    text = conf.read_text()
    conf.write_text("audit_rate = 1\n" + text)
    try:
        since = len(audited.audit("c2s-1"))
        assert audited.ctl("c2s-1", "reload").returncode == 0
        path = str(audited.folder / "control/c2s-1.sock")
        for i in range(30):
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(path)
                s.sendall(f"text\x1fno-such-{i}\n".encode())
                assert s.makefile().read().startswith("64\n")
        assert audited.ctl("c2s-1", "log-level", "info").returncode == 0
        assert audited.wait_event("c2s-1", "control-result", since=since, command="log-level")
        told = audited.wait_event("c2s-1", "audit-suppressed", since=since, suppressed="control-refused")
        deadline = time.monotonic() + 20
        while True:
            written = len(audited.events("c2s-1", "control-refused", since=since))
            told = sum(e["count"] for e in audited.events("c2s-1", "audit-suppressed", since=since, suppressed="control-refused"))
            if written + told == 30:
                break
            assert time.monotonic() < deadline, (written, told)
            time.sleep(0.02)
        assert written < 30
        assert re.search(r"^sallyport_audit_suppressed_total [1-9]", audited.ctl("c2s-1", "metrics").stdout, re.M)
    finally:
        conf.write_text(text)
        audited.ctl("c2s-1", "reload")


# --- the page ----------------------------------------------------------------------------------------------------------


def test_after_logrotate_the_file_is_new_and_nothing_is_missing(audited, unique, tmp_path):
    text, = blocks("logrotate")
    text = text.replace("/var/log/sallyport/*/audit.log", f"{audited.folder}/log/*.audit")
    text = text.replace("/usr/bin/sallyportctl", f"{audited.binary('sallyportctl')} --dir {audited.folder}/control")
    (tmp_path / "rotate.conf").write_text(text)
    (tmp_path / "rotate.conf").chmod(0o644)
    before = {p: audited.events(p) for p in PROCESSES}
    log = audited.folder / "log"
    mode = log.stat().st_mode
    log.chmod(0o755)  # logrotate refuses folders that others may write to
    done = subprocess.run(["logrotate", "--force", "--state", tmp_path / "state", tmp_path / "rotate.conf"], capture_output=True, text=True)
    log.chmod(mode)
    assert done.returncode == 0, done.stderr
    alice = audited.online(unique("alice"))
    audited.wait_event("sm-1", "login", account=alice.bare)
    for process in PROCESSES:
        old = [json.loads(l) for l in lines_of(log / f"{process}.audit.1")]
        new = audited.wait_event(process, "control-result", command="reload")
        assert old[:len(before[process])] == before[process]
        numbers = [e["seq"] for e in old + audited.events(process)]
        assert numbers == list(range(1, len(numbers) + 1)) and new["exit"] == 0
        assert (log / f"{process}.audit").stat().st_mode & 0o777 == 0o640
    assert gaps(log / "sm-1.audit.1") == "" == gaps(log / "sm-1.audit")


def gaps(path):
    """What the page's program says about a file."""
    text, = blocks("python")
    return subprocess.run([sys.executable, "-c", text, str(path)], capture_output=True, text=True, check=True).stdout


def test_the_page_s_program_finds_a_line_that_is_missing(audited, tmp_path):
    lines = [json.dumps({"process": "sm-1", "pid": pid, "seq": seq, "event": "process-started" if seq == 1 else "login"}) + "\n"
             for pid, seq in ((7, 5), (7, 6), (8, 1), (8, 2), (7, 7), (8, 4), (8, 5), (9, 1))]
    spoilt = tmp_path / "spoilt"
    spoilt.write_text("".join(lines))
    assert gaps(spoilt) == "gap before " + lines[5]
    assert gaps(sorted((audited.folder / "log").glob("sm-1.audit*"))[-1]) == ""


def test_every_line_is_as_the_table_says(audited, unique):
    audited.online(unique("alice"))
    known = table()
    events = [e for p in PROCESSES for f in (audited.folder / "log").glob(f"{p}.audit*") for e in map(json.loads, lines_of(f))]
    problems = [complain(e, known) for e in events]
    assert len(events) > 20 and not [p for p in problems if p]


def test_the_page_s_examples_are_as_the_table_says():
    text, = blocks("json")
    known = table()
    events = [json.loads(l) for l in text.splitlines()]
    assert not [p for p in (complain(e, known) for e in events) if p]
    assert len({e["event"] for e in events}) == len(events) > 8


def test_the_page_names_every_key(audited):
    shown = subprocess.run([audited.binary("sallyport-sm"), "--reference=markdown"], capture_output=True, text=True, check=True).stdout
    keys = set(re.findall(r"\baudit_\w+", shown))
    assert keys == {"audit_file", "audit_forward", "audit_socket", "audit_rate"} == set(re.findall(r"^\| `(audit_\w+)` \|", PAGE.read_text(), re.M))
    default, = re.findall(r"`audit_rate`:[^`]*default (\d+);", shown)
    assert re.search(rf"^\| `audit_rate` \|.*\({default}\) \|$", PAGE.read_text(), re.M)


def test_the_lint_of_names_sees_fields_severities_and_conditions(tmp_path):
    spec = importlib.util.spec_from_file_location("names", ROOT / "tests/lint/names.py")
    names = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(names)
    source = tmp_path / "x.c"
    source.write_text('audit_warning("a-b", kv_text(x > 0 ? "one" : "two", f("(")), kv_err(e),\n  kv_u64("three", g(1, 2)));\n'
                      'put(get_event("c"), AUDIT_ERROR,\n LOG_PAIRS(kv_i64("four", 4)));\naudit_write(s, event, pairs);\n')
    assert list(names.events_of(source)) == [("a-b", "warning", ["one", "two", "error", "three"]), ("c", "error", ["four"])]
