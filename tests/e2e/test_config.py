"""Configuration errors name file, line, key and what was expected, before anything starts."""
import re
import subprocess

import pytest

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
