"""local-cluster --auth ldap: accounts in an OpenLDAP server of the cluster's own."""
import os
import subprocess

import pytest
from cluster import ROOT, Cluster
from test_local_cluster import is_alive
from test_sasl import condition
from xmpp import local


@pytest.fixture(scope="module")
def made():
    cluster = Cluster("--auth", "ldap", "--domain", "localhost", "--domain", "second.example")
    cluster.pid_of_slapd = cluster.pid("slapd")
    yield cluster
    if cluster.folder.exists():
        cluster.down()
    assert not is_alive(cluster.pid_of_slapd)


def auth(cluster, name, password, domain=None):
    c = cluster.client(domain=domain)
    c.direct()
    answer = c.auth_plain(name=name, password=password)
    c.close()
    return "success" if local(answer) == "success" else condition(answer)


def slapd_of(cluster):
    return cluster.refresh().env["SALLYPORT_PID_SLAPD"]


def test_people_that_are_added_log_in(made):
    made.adduser("alice", "a secret with spaces")
    c = made.online("alice")
    c.ping()
    assert auth(made, "alice", "wrong") == "not-authorized"
    assert made.wait_event("sm-1", "account-added", account="alice@localhost")["by"] == "directory"


def test_each_domain_has_people_of_its_own(made):
    made.run("adduser", "twin", "first")
    made.run("adduser", "twin@second.example", "second")
    assert auth(made, "twin", "first") == auth(made, "twin", "second", "second.example") == "success"
    assert auth(made, "twin", "first", "second.example") == "not-authorized"


def test_names_beyond_ascii_and_with_signs(made):
    for name in ("jürgen", "o=b+r,#1", "a\\b*c"):
        made.run("adduser", name, "pässword")
        assert auth(made, name, "pässword") == "success", name


def test_go_sendxmpp_logs_in(made, tmp_path):
    name, bob = made.adduser("go"), made.online("bob")
    command = ["go-sendxmpp", "-u", f"{name}@localhost", "-p", "secret", "-j", f"localhost:{made.port}", "-n", bob.bare]
    done = subprocess.run(command, input="hello from go", capture_output=True, text=True, timeout=40, env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"})
    assert done.returncode == 0, done.stderr
    assert "hello from go" in bob.expect("message").findtext("{jabber:client}body")


def test_thousands_are_added_in_one_go(made, tmp_path):
    path = tmp_path / "users"
    path.write_text("".join(f"many-{i} password {i}\n" for i in range(2000)))
    made.run("adduser", "--file", path, timeout=30)
    assert auth(made, "many-1999", "password 1999") == "success"


@pytest.mark.parametrize("args,sentence", [
    (["adduser", "x@nowhere.example", "secret"], "nowhere.example is not a host"),
    (["start", "slapd"], "slapd is running already"),
    (["kill", "ldap"], "no such process: ldap (there are router-1, sm-1, c2s-1, slapd)"),
])
def test_what_is_impossible_is_one_clear_line(made, args, sentence):
    done = made.run(*args, check=False)
    assert done.returncode != 0 and sentence in done.stderr and len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_somebody_who_is_there_already(made):
    made.run("adduser", "double", "first")
    done = made.run("adduser", "double", "second", check=False)
    assert done.returncode != 0 and "double@localhost exists already" in done.stderr
    assert auth(made, "double", "first") == "success"


def test_clients_register_nobody_in_a_directory(tmp_path):
    done = subprocess.run([ROOT / "deploy/local-cluster", "up", "--dir", tmp_path / "c", "--port-base", "0", "--auth", "ldap", "--register"],
                          capture_output=True, text=True)
    assert done.returncode != 0 and "--register: accounts of a directory are not made by clients" in done.stderr


def test_env_is_enough_to_look_into_it(made):
    made.adduser("shown")
    script = ('eval "$(%s/deploy/local-cluster env --dir %s)" && LDAPTLS_CACERT=$SALLYPORT_CA ldapsearch -LLL -x -H "$SALLYPORT_LDAP_URI" '
              '-D "$SALLYPORT_LDAP_ADMIN" -y "$SALLYPORT_LDAP_ADMIN_PASSWORD_FILE" -b "$SALLYPORT_LDAP_BASE" "(uid=shown)" userPassword mail')
    done = subprocess.run(["sh", "-euc", script % (ROOT, made.folder)], capture_output=True, text=True)
    assert done.returncode == 0 and "mail: shown@localhost" in done.stdout, done.stdout + done.stderr
    assert "userPassword:: e1NTSEE1MTJ9" in done.stdout  # {SSHA512}: not in clear


def test_secrets_are_fresh_and_ones_own(made):
    folder = made.folder / "directory"
    for name in ("admin-password", "service-password", "slapd.conf"):
        assert (folder / name).stat().st_mode & 0o077 == 0, name
    assert len({(folder / n).read_text().strip() for n in ("admin-password", "service-password")}) == 2
    assert all(len((folder / n).read_text().strip()) == 32 for n in ("admin-password", "service-password"))
    listening = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True).stdout
    mine = [line.split()[3] for line in listening.splitlines() if f"pid={made.pid('slapd')}," in line]
    assert mine and all(address.startswith("127.0.0.1:") for address in mine), mine


def test_the_directory_dies_and_comes_back(made):
    made.adduser("patient")
    c = made.online("patient")
    made.run("kill", "slapd")
    assert slapd_of(made) == ""
    done = made.run("status", check=False)
    assert done.returncode == 1 and "slapd      not running" in done.stdout
    assert auth(made, "patient", "secret") == "temporary-auth-failure"
    c.ping()
    made.start("slapd")
    assert made.run("status").returncode == 0 and slapd_of(made)
    made.pid_of_slapd = made.pid("slapd")
    made.wait_event("sm-1", "directory-up")
    assert auth(made, "patient", "secret") == "success"


def test_down_leaves_nothing(made):
    cluster = Cluster("--auth", "ldap")
    pid = cluster.pid("slapd")
    assert is_alive(pid)
    cluster.run("down")
    assert not cluster.folder.exists() and not is_alive(pid)
    os.rmdir(cluster.dir)
