"""The session manager and its PostgreSQL server: what it demands, what users see while it is away, and that nothing is lost by its death."""
import json
import os
import pathlib
import re
import socket
import subprocess
import time

import pytest

from xmpp import CLIENT, q
from test_health import OK, WARNING, wait_health

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def server(cluster, verb, *args):
    """One verb of local-postgresql for the cluster's own server."""
    folder = cluster.env["SALLYPORT_DB_DIR"]
    return subprocess.run([str(ROOT / "deploy/local-postgresql"), verb, folder, *args], capture_output=True, text=True, timeout=120, check=True).stdout


def conf_of(cluster, tmp_path, *changes):
    """A copy of the session manager's file, with (pattern, text) replaced."""
    text = (cluster.folder / "conf" / "sm-1.conf").read_text()
    for pattern, new in changes:
        text, count = re.subn(pattern, new, text)
        assert count, pattern
    path = tmp_path / "sm.conf"
    path.write_text(text)
    return path


def try_to_start(cluster, conf):
    """What a session manager says that must not start."""
    done = subprocess.run([str(cluster.binary("sallyport-sm")), "-c", str(conf)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stderr
    return done.stderr


# A second process of the name must not take the first one's sockets or audit log.
APART = [(r"control_dir = .*\n", ""), (r"metrics = .*\n", ""), (r"audit_file = .*\n", "")]


def status(cluster):
    return json.loads(cluster.ctl("--json", "sm-1", "status").stdout)


@pytest.fixture(scope="module")
def kept():
    from cluster import Cluster

    made = Cluster("--store", "postgresql", "--log-level", "debug")
    yield made
    made.down()


def test_status_says_what_is_promised(kept):
    said = kept.ctl("sm-1", "status").stdout
    assert "store: ok" in said and "store_kind: postgresql" in said
    assert "survives a loss of power, but not the loss of this server" in said


def test_a_second_session_manager_is_refused(kept, tmp_path):
    assert "another session manager uses it" in try_to_start(kept, conf_of(kept, tmp_path, *APART))
    kept.online("second-alice").ping()


def test_its_copies_are_postgresqls_own_business(kept):
    done = kept.ctl("store", "backup")
    assert done.returncode == 70 and "pg_basebackup" in done.stdout + done.stderr


def test_a_pooler_in_between_is_refused(kept, tmp_path):
    folder = pathlib.Path(kept.env["SALLYPORT_DB_DIR"]) / "pooler"
    folder.mkdir()
    folder.chmod(0o777)
    password = (folder.parent / "password").read_text().strip()
    (folder / "users").write_text(f'"sallyport" "{password}"\n')
    (folder / "ini").write_text(f"[databases]\nsallyport = host={folder.parent}/socket\n[pgbouncer]\nunix_socket_dir = {folder}\n"
                                f"auth_type = scram-sha-256\nauth_file = {folder}/users\npool_mode = transaction\nlisten_port = 6432\n")
    pooler = subprocess.Popen(["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "/usr/sbin/pgbouncer", str(folder / "ini")],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while not (folder / ".s.PGSQL.6432").exists():
            assert time.monotonic() < deadline and pooler.poll() is None
            time.sleep(0.02)
        conf = conf_of(kept, tmp_path, (r"store_hosts = .*", f'store_hosts = {{"{folder}:6432"}}'), *APART)
        assert "there is a pooler between us and the server" in try_to_start(kept, conf)
    finally:
        pooler.kill()
        pooler.wait()


@pytest.mark.parametrize("mode", ["immediate", "kill"])
def test_what_was_accepted_is_delivered_once_when_the_server_dies_under_load(kept, unique, mode):
    bob = unique("bob")
    kept.adduser(bob)
    alice = kept.online(unique("alice"))
    for i in range(150):
        alice.message(f"{bob}@localhost", str(i), id=str(i))
        if i == 60:
            server(kept, "stop", "--mode", mode)
    wait_health(kept, "sm-1", WARNING)
    assert "store: away" in kept.ctl("sm-1", "status").stdout
    server(kept, "start")
    wait_health(kept, "sm-1", OK)
    alice.ping()  # the session stayed, and all before is handled
    receiver = kept.online(bob)
    assert [receiver.expect("message").find(q(CLIENT, "body")).text for _ in range(150)] == [str(i) for i in range(150)]
    receiver.expect_none("message")


def test_a_login_waits_for_the_server_and_goes_on(kept, unique):
    alice = kept.client(unique("alice"))
    server(kept, "stop", "--mode", "immediate")
    alice.connect(direct_tls=True)
    alice.open()
    alice.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>")
    server(kept, "start")
    assert alice.expect() is not None  # an answer, whatever it is
    wait_health(kept, "sm-1", OK)
    kept.online(unique("carol")).ping()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_over_tcp_the_certificate_is_checked_for_the_name(new_cluster, tmp_path):
    cluster = new_cluster("--store", "postgresql")
    folder, tls, port = pathlib.Path(cluster.env["SALLYPORT_DB_DIR"]), cluster.folder / "tls", free_port()
    (folder / "data/server.crt").write_bytes((tls / "localhost.pem").read_bytes())
    (folder / "data/server.key").write_bytes((tls / "localhost.key").read_bytes())
    owner = folder.stat()
    for name in ("server.crt", "server.key"):
        os.chown(folder / "data" / name, owner.st_uid, owner.st_gid)
        os.chmod(folder / "data" / name, 0o600)
    for line in (f"port = {port}", "listen_addresses = '127.0.0.1,::1'", "ssl = on"):
        with open(folder / "data/postgresql.conf", "a") as conf:
            conf.write(line + "\n")
    with open(folder / "data/pg_hba.conf", "w") as hba:
        hba.write("local all all scram-sha-256\nhostssl all all all scram-sha-256\n")
    hosts = lambda host, *more: [(r"store_hosts = .*", f'store_hosts = {{"{host}:{port}"}}\n' + "\n".join(more))]
    cluster.kill("sm-1")
    server(cluster, "stop")
    server(cluster, "start")
    ca = f'store_ca = "{tls}/ca.pem"'
    assert "127.0.0.1" in try_to_start(cluster, conf_of(cluster, tmp_path, *hosts("127.0.0.1", ca), *APART)), "another name than the certificate's"
    wrong = f'store_ca = "{cluster.folder}/tls/localhost.pem"'
    assert "certificate" in try_to_start(cluster, conf_of(cluster, tmp_path, *hosts("localhost", wrong), *APART)), "of another authority"
    conf = cluster.folder / "conf" / "sm-1.conf"
    conf.write_text(conf_of(cluster, tmp_path, *hosts("localhost", ca)).read_text())
    cluster.start("sm-1")
    alice = cluster.online("alice")
    assert server(cluster, "sql", "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'sallyport-sm'") == "t\n"
    server(cluster, "stop", "--mode", "kill")  # and again, confined, by name
    server(cluster, "start")
    cluster.wait_log("sm-1", "the store is back")
    alice.ping()
