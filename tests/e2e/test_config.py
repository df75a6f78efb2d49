"""Configuration errors name file, line, key and what was expected, before anything starts."""
import pathlib
import re
import subprocess

import hub
import pytest
from cluster import ROOT

CASES = [
    ("c2s", "frobnicate = 1\n", "frobnicate"),
    ("c2s", "connections_per_address = many\n", "connections_per_address"),
    ("sm", "store_queue = -5\n", "store_queue"),
    ("router", "log_level = \"loud\"\n", "log_level"),
    ("sm", 'host "localhost" {\n', "host"),
    ("c2s", 'name = "twice.internal"\nname = "again.internal"\n', "name"),
]


def check(cluster, role, path):
    return subprocess.run([str(cluster.binary(f"sallyport-{role}")), "-c", str(path), "--check"], capture_output=True, text=True)


@pytest.mark.parametrize("role,line,key", CASES)
def test_an_error_names_file_line_and_key(cluster, tmp_path, role, line, key):
    path = tmp_path / "bad.conf"
    path.write_text((cluster.folder / "conf" / f"{role}-1.conf").read_text() + line)
    done = check(cluster, role, path)
    assert done.returncode == 78
    assert re.search(rf"{re.escape(str(path))}:\d+: .*{key}", done.stderr), done.stderr


@pytest.mark.parametrize("role", ["c2s", "router", "sm"])
def test_a_good_file_is_accepted_and_nothing_starts(cluster, role):
    done = check(cluster, role, cluster.folder / "conf" / f"{role}-1.conf")
    assert done.returncode == 0, done.stderr


def test_a_missing_file_is_named(cluster, tmp_path):
    done = check(cluster, "sm", tmp_path / "none.conf")
    assert done.returncode == 78 and "none.conf" in done.stderr


def test_a_bad_reload_keeps_the_old_configuration(new_cluster):
    cluster = new_cluster()
    alice = cluster.online("alice")
    conf = cluster.folder / "conf" / "sm-1.conf"
    good = conf.read_text()
    conf.write_text(good + "nonsense = 1\n")
    done = cluster.ctl("sm-1", "reload")
    assert done.returncode != 0 and "nonsense" in done.stdout + done.stderr
    conf.write_text(good)
    assert cluster.ctl("sm-1", "reload").returncode == 0
    alice.ping()


@pytest.mark.parametrize("role", ["c2s", "router", "sm"])
def test_the_reference_lists_every_key_once(cluster, role):
    text = subprocess.run([str(cluster.binary(f"sallyport-{role}")), "--reference"], capture_output=True, text=True, check=True).stdout
    assert "log_level" in text and "link_cert" in text


CONTRADICTIONS = [
    # role, what is changed, into what, what the error must begin with
    ("c2s", r'address = "127.0.0.1:', 'address = "somewhere', 'listen "client": address: '),
    ("c2s", r'role = "router"', 'role = "sm"', 'peer "router-1.cluster.internal": role: '),
    ("c2s", r'name = "c2s-1.cluster', 'name = "C2S-1.cluster', "name: "),
    ("c2s", r'secret_file = "', 'secret_file = "/nowhere', 'peer "router-1.cluster.internal": secret_file: '),
    ("c2s", r'  cert = "', '  cert = "/nowhere', 'certificate "localhost": cert: '),
    ("router", r'component_listen = "127.0.0.1', 'component_listen = "192.0.2.1', "component_listen: "),
    ("router", r'(?s)(component "[^"]*" .)\n    secret_file = "', r'\1\n    secret_file = "/nowhere', 'component "'),
    ("router", r'accept = "unix:', 'dial = "unix:/x"\n    accept = "unix:', 'peer "sm-1.cluster.internal": '),
    ("sm", r'store_path = "', 'store_path = "/nowhere', "store_path: "),
    ("sm", r'store_path = .*', 'store = "postgresql"\nstore_hosts = {"db.example:0"}\nstore_ca = "/etc/passwd"', "store_hosts: "),
    ("sm", r'store_path = .*', 'store = "postgresql"\nstore_hosts = {"db.example"}\nstore_ca = "/nowhere"', "store_ca: "),
    ("sm", r'store_path = .*', 'store = "postgresql"\nstore_hosts = {"/run"}\nstore_password = "/nowhere"', "store_password: "),
    ("sm", r'host "localhost"', 'host "not a domain"', 'host "not a domain": '),
    ("sm", r'(?m)^inside = .*$', 'inside = {"C2S 1"}', "inside: "),
    ("sm", r'host "localhost" .', 'host "localhost" {\n    mechanisms_dmz = {"scram"}', 'host "localhost": mechanisms_dmz: '),
]


@pytest.mark.parametrize("role,old,new,expected", CONTRADICTIONS)
def test_what_no_single_key_can_tell_names_file_and_line_as_well(cluster, tmp_path, role, old, new, expected):
    good = (cluster.folder / "conf" / f"{role}-1.conf").read_text()
    bad = re.sub(old, new, good, count=1)
    assert bad != good
    path = tmp_path / "bad.conf"
    path.write_text(bad)
    done = check(cluster, role, path)
    found = re.search(rf"^{re.escape(str(path))}:(\d+): {re.escape(expected)}", done.stderr, re.M)
    assert done.returncode == 78 and found, done.stderr
    key = re.search(r"(\w+): $", expected)
    line = bad.splitlines()[int(found[1]) - 1]
    assert (key[1] if key else expected.split()[0]) in line, (line, done.stderr)


def example(name, folder):
    """An example with its paths moved into folder, and what they name put there."""
    text = re.sub(r'"(unix:)?(/[^"]*)"', lambda m: f'"{m[1] or ""}{folder}{m[2]}"', (ROOT / "deploy/examples" / name).read_text())
    cert, key = hub.make_certificate(folder, re.search(r'^name = "(.*)"', text, re.M)[1])[1:]
    for path in map(pathlib.Path, re.findall(r'"(?:unix:)?(/[^"]*)"', text)):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".pem", ".key"):
            path.write_bytes((key if path.suffix == ".key" else cert).read_bytes())
        elif path.parent.name == "secret":
            path.write_text("5" * 64)
            path.chmod(0o600)
    (folder / name).write_text(text)
    return folder / name


@pytest.mark.parametrize("role", ["c2s", "router", "sm"])
def test_the_example_is_a_good_file_once_what_it_names_is_there(cluster, tmp_path, role):
    done = check(cluster, role, example(f"{role}.conf", tmp_path))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("role", ["c2s", "router", "sm"])
def test_the_example_alone_is_refused_for_each_file_that_is_not_there(cluster, role):
    done = check(cluster, role, ROOT / "deploy/examples" / f"{role}.conf")
    assert done.returncode == 78 and re.match(rf"{ROOT}/deploy/examples/{role}.conf:\d+: \w", done.stderr), done.stderr
