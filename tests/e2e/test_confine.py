"""The processes confine themselves: the kernel says so, status says so, and everything that they must do goes on under it."""
import contextlib
import json
import os
import pathlib
import re
import secrets
import signal
import socket
import ssl
import subprocess
import time

import pytest

from planned import binaries, running, talk as talk_through
from test_health import short_certificate
from units import can_filter

PROCESSES = ("c2s-1", "router-1", "sm-1")


def kernel(pid, key):
    """What the kernel says of each thread."""
    texts = (t.read_text() for t in pathlib.Path(f"/proc/{pid}/task").glob("*/status"))
    return {re.search(rf"^{key}:\s*(\S+)", t, re.M).group(1) for t in texts}


def has_landlock():
    return "landlock" in pathlib.Path("/sys/kernel/security/lsm").read_text() if os.path.exists("/sys/kernel/security/lsm") else None


def status(cluster, process):
    done = cluster.ctl("--json", process, "status")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    return answer[0] if isinstance(answer, list) else answer


def talk(cluster, alice="alice", bob="bob"):
    a, b = cluster.online(alice), cluster.online(bob)
    a.message(b.jid, "under guard")
    b.expect("message", body="under guard")
    a.close()
    b.close()


def reload(cluster, process):
    done = cluster.ctl(process, "reload")
    assert done.returncode == 0, done.stdout + done.stderr


def wait_for(what, sentence, seconds=20):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, sentence
        time.sleep(0.02)


@pytest.mark.parametrize("layout", ["a", "b"])
def test_every_thread_is_confined_and_status_says_what_the_kernel_says(new_cluster, layout):
    cluster = new_cluster("--links", "tls", "--layout", layout)
    talk(cluster)  # the pool's threads, too
    for process in PROCESSES:
        pid, said = cluster.pid(process), status(cluster, process)
        assert kernel(pid, "Seccomp") == {"2"} and kernel(pid, "NoNewPrivs") == {"1"}, process
        assert (said["confine"], said["seccomp"], said["no_new_privs"], said["dumpable"], int(said["core_limit"])) == ("yes", "filter", "yes", "no", 0), said
        assert int(said["seccomp_rules"]) > 100 and int(said["uid"]) == os.geteuid()
        if has_landlock() is not None:
            assert (int(said["landlock_abi"]) > 0) == has_landlock() and said["landlock"].startswith("files" if has_landlock() else "none")
        assert re.search(r"Max core file size\s+0\s+0", pathlib.Path(f"/proc/{pid}/limits").read_text())
        assert "seccomp: filter" in cluster.ctl(process, "status").stdout
        assert cluster.ctl(process, "health").returncode == 0
    # What c2s lacks decides about the layout: where it is dialled, fewer calls are left.
    rules = {p: int(status(cluster, p)["seccomp_rules"]) for p in PROCESSES}
    assert rules["c2s-1"] < rules["sm-1"]


@pytest.mark.parametrize("router_host", ["core-1", "gate-1"])
def test_processes_of_the_units_have_both_layers(plan, router_host):
    p = running(plan, router_host=router_host)
    p.reload()
    talk_through(p)
    for name, unit in p.units.items():
        said = json.loads(p.ctl("--json", name, "status").stdout)
        said = said[0] if isinstance(said, list) else said
        assert (said["confine"], said["seccomp"], said["dumpable"], said["no_new_privs"]) == ("yes", "filter", "no", "yes"), said
        assert int(said["seccomp_filters"]) >= 1 + can_filter()
        assert os.geteuid() != 0 or (said["capabilities"], said["uid"] in ("0", 0)) == ("none", False), said


def test_logs_are_rotated_and_certificates_swapped(new_cluster, tmp_path):
    cluster = new_cluster("--links", "tls", "--set", f'c2s:log_file = "{tmp_path}/c2s.log"')
    audits = [cluster.folder / "log" / f"{p}.audit" for p in PROCESSES]
    for path in (*audits, tmp_path / "c2s.log"):
        path.rename(path.with_suffix(".1"))
    serial = served_serial(cluster)
    short_certificate(cluster.folder / "tls", cluster.domain, 60)
    short_certificate(cluster.folder / "link", "c2s-1", 60)
    for process in PROCESSES:
        reload(cluster, process)
    assert served_serial(cluster) != serial
    assert int(status(cluster, "c2s-1")["certificate_days"]) <= 60
    for path in (*audits, tmp_path / "c2s.log"):
        assert path.exists(), path
    talk(cluster)
    wait_for(lambda: "session opened" in (tmp_path / "c2s.log").read_text(), "nothing in the new log")


def served_serial(cluster):
    context = ssl.create_default_context(cafile=cluster.ca)
    with socket.create_connection((cluster.host, cluster.tls_port), 10) as raw, context.wrap_socket(raw, server_hostname=cluster.domain) as tls:
        return tls.getpeercert()["serialNumber"]


@pytest.mark.parametrize("links, layout", [("unix", "a"), ("tls", "b")])
def test_links_come_back_after_each_process_was_killed(new_cluster, links, layout):
    cluster = new_cluster("--links", links, "--layout", layout)
    for process in ("router-1", "sm-1", "c2s-1"):
        cluster.kill(process)
        cluster.start(process)
        wait_for(lambda: cluster.ctl("health").returncode == 0, f"not well again after {process} was killed")
        talk(cluster)


def test_a_reload_that_needs_more_than_the_start_did_says_so_and_changes_nothing(new_cluster):
    cluster = new_cluster("--links", "tls")
    conf = cluster.folder / "conf" / "c2s-1.conf"
    elsewhere = cluster.folder / "elsewhere"
    elsewhere.mkdir()
    for kind in ("pem", "key"):
        (elsewhere / f"new.{kind}").write_bytes((cluster.folder / "tls" / f"{cluster.domain}.{kind}").read_bytes())
    before = conf.read_text()
    for wanted, sentence in ((before.replace(f"{cluster.folder}/tls/{cluster.domain}", f"{elsewhere}/new"), f"may not read files in {elsewhere} "),
                             (before.replace('role = "router"', 'role = "router"\n    dial = "127.0.0.1:1"'), "may not dial over TCP ")):
        conf.write_text(wanted)
        done = cluster.ctl("c2s-1", "reload")
        assert done.returncode != 0 and sentence in done.stdout + done.stderr and "a restart is needed" in done.stdout + done.stderr, done
        talk(cluster)
    conf.write_text(wanted.replace('    dial = "127.0.0.1:1"', "").replace(f"{cluster.folder}/tls/{cluster.domain}", f"{elsewhere}/new"))
    cluster.kill("c2s-1")
    cluster.start("c2s-1")
    talk(cluster)


def test_a_process_that_does_not_confine_itself_is_a_warning(new_cluster):
    cluster = new_cluster("--set", "router:confine = no")
    talk(cluster)
    said = status(cluster, "router-1")
    assert (said["confine"], said["seccomp"], said["landlock"]) == ("no", "none", "none") and kernel(cluster.pid("router-1"), "Seccomp") == {"0"}
    assert cluster.ctl("router-1", "health").returncode == 1 and cluster.ctl("c2s-1", "health").returncode == 0
    assert "does not confine itself" in cluster.log("router-1")


# --- readiness and watchdog ---------------------------------------------------------------------------------------------


class Manager:
    """The socket of a service manager."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(path)

    def wait(self, word, seconds=20):
        deadline = time.monotonic() + seconds
        while True:
            self.sock.settimeout(max(deadline - time.monotonic(), 0.001))
            lines = self.sock.recv(4096).decode().split("\n")
            if word in lines:
                return dict(l.split("=", 1) for l in lines)

    def drain(self):
        self.sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self.sock.recv(4096)

    def is_silent(self, seconds):
        self.sock.settimeout(seconds)
        try:
            return not self.sock.recv(4096)
        except socket.timeout:
            return True


WATCHDOG_SECONDS = 0.4


@pytest.fixture(params=["path", "abstract"])
def router(request, tmp_path):
    """A router alone under a manager with a watchdog: (process, manager)."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/peer").write_text(secrets.token_hex(32))
    (tmp_path / "secret/peer").chmod(0o600)
    (tmp_path / "run").mkdir()
    conf = tmp_path / "conf/router.conf"
    conf.parent.mkdir()
    conf.write_text(f'name = "router-1.example"\ncontrol_dir = "{tmp_path}/run"\npeer "sm-1.example" {{\n    role = "sm"\n'
                    f'    accept = "unix:{tmp_path}/run/link"\n    secret_file = "{tmp_path}/secret/peer"\n}}\n')
    name = f"{tmp_path}/notify" if request.param == "path" else f"@sallyport-{os.getpid()}-{secrets.token_hex(4)}"
    manager = Manager(name.replace("@", "\0", 1))
    env = dict(os.environ, NOTIFY_SOCKET=name, WATCHDOG_USEC=str(int(WATCHDOG_SECONDS * 1e6)))
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen([str(binaries() / "sallyport-router"), "-c", str(conf)], env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    yield process, manager
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()
    manager.sock.close()


def test_ready_comes_when_the_process_is_confined_and_can_be_asked(router):
    process, manager = router
    manager.wait("READY=1")
    assert kernel(process.pid, "Seccomp") == {"2"} and kernel(process.pid, "NoNewPrivs") == {"1"}


def test_the_loop_pings_the_watchdog_and_one_that_stands_still_does_not(router):
    process, manager = router
    manager.wait("READY=1")
    for _ in range(4):
        manager.wait("WATCHDOG=1", WATCHDOG_SECONDS * 5)  # twice in the time, and time for a busy machine
    process.send_signal(signal.SIGSTOP)
    wait_for(lambda: pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T", "it does not stop")
    manager.drain()
    assert manager.is_silent(WATCHDOG_SECONDS * 3)
    process.send_signal(signal.SIGCONT)
    manager.wait("WATCHDOG=1")


def test_reload_and_drain_are_told_with_their_times(router):
    process, manager = router
    assert manager.wait("READY=1")["STATUS"] == "serving"
    before = time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6
    process.send_signal(signal.SIGHUP)
    said = manager.wait("RELOADING=1")
    assert before <= int(said["MONOTONIC_USEC"]) <= time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6
    assert manager.wait("READY=1")["STATUS"] == "serving"
    process.terminate()
    assert manager.wait("STOPPING=1")["STATUS"] == "draining"
    assert process.wait(20) == 0
