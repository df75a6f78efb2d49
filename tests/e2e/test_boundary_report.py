"""sallyportctl boundary: what the kernel knows of a host's processes against what is declared, on hosts of tests/boundary with real processes."""
import contextlib
import copy
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import time

import pytest

E2E = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(E2E.parent / "boundary"))
from netsplit import Split  # noqa: E402
from network import HERE, can_run  # noqa: E402

pytestmark = pytest.mark.skipif(not can_run(), reason="needs root and namespaces")
CLEAN, FINDINGS, USAGE, FAILED = 0, 2, 64, 70


def start(layout):
    return Split(layout).start()


def report(host, *args, code=None):
    """The report of a host as a document; code: the expected exit code."""
    done = host.run("sallyportctl", "boundary", "--json", *args, check=False)
    assert done.returncode in (CLEAN, FINDINGS) if code is None else done.returncode == code, f"{done.returncode}: {done.stdout}{done.stderr}"
    return json.loads(done.stdout)


def told(document):
    return sorted((f["code"], f["process"]) for f in document["findings"])


def codes(document, kind="findings"):
    return sorted(f["code"] for f in document[kind])


@pytest.fixture(scope="module")
def split():
    """Layout a, with a client that is logged in."""
    with start("a") as s:
        s.adduser("alice", "secret of alice")
        s.client("alice", "secret of alice").login("a", "SCRAM-SHA-256").online()
        yield s


@contextlib.contextmanager
def running(host, code, *args):
    """A program on the host, in Python, until the end of the block; it says when it is ready."""
    p = host.popen(sys.executable, "-c", code, *args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert p.stdout.readline() == "ready\n"
        yield p
    finally:
        p.stdin.close()  # it ends at the end of its input
        p.wait(30)
        p.stdout.close()


# --- what is as it should be --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["b"])
def test_a_cluster_with_the_router_in_the_dmz_is_clean(layout):
    with start(layout) as s:
        reports = {}
        for name, host in s.hosts.items():
            reports[name] = report(host, code=CLEAN)
            assert not reports[name]["findings"] and codes(reports[name], "notes") == ["not-whole-host"], reports[name]["notes"]
        assert merged(s, reports).returncode == CLEAN


def test_a_cluster_with_the_router_inside_is_clean(split):
    for host in split.hosts.values():
        document = report(host, code=CLEAN)
        assert not document["findings"] and codes(document, "notes") == ["not-whole-host"], document["notes"]
        assert {s["verdict"] for s in document["sockets"]} <= {"declared", "expected", "idle"}
        said = host.run("sallyportctl", "boundary")
        assert said.endswith("nothing that is not declared\n") and all(p["process"] in said for p in document["processes"])


def test_every_socket_of_a_process_without_network_is_told(split):
    """c2s has a network namespace of its own, and its TCP sockets are of another."""
    gate = split.hosts["gate-1"]
    document = report(gate)
    process, = document["processes"]
    rows = {(s["direction"], s["local"].rsplit(":", 1)[-1], s["from"]) for s in document["sockets"] if s["kind"] == "tcp"}
    assert {("listens", "5222", "clients"), ("listens", "5223", "clients"), ("listens", "5275", "router-1"), ("in", "5275", "router-1")} <= rows
    assert all(s["network_namespace"] not in (0, process["network_namespace"]) for s in document["sockets"] if s["kind"] == "tcp")
    held = gate.run("sh", "-c", f"ls -l /proc/{process['pid']}/fd | grep -c socket:")
    assert int(held) == sum(s["count"] for s in document["sockets"])


def test_facts_of_confinement_are_those_of_the_kernel(split):
    process, = report(split.hosts["gate-1"])["processes"]
    status = split.hosts["gate-1"].run("cat", f"/proc/{process['pid']}/status")
    assert f"CapEff:\t{process['cap_effective']}" in status and f"CapBnd:\t{process['cap_bounding']}" in status
    assert process["user"] == "sallyport-c2s" and f"Uid:\t{process['uid']}" in status
    assert process["no_new_privs"] == ("NoNewPrivs:\t1" in status) and (process["seccomp"] == "filter") == ("Seccomp:\t2" in status)
    assert process["program"] == "/usr/sbin/sallyport-c2s" and process["is_planned"]


def test_clients_are_counted_and_with_each_told_one_by_one(split):
    gate = split.hosts["gate-1"]
    second = split.client("alice", "secret of alice").login("b", "SCRAM-SHA-256").online()

    def clients(*args):
        return [s for s in report(gate, *args)["sockets"] if s["from"] == "clients" and s["direction"] == "in"]

    row, = clients()
    assert row["count"] == 2 and row["remote"] == "*"
    assert sorted(s["remote"].split(":")[0] for s in clients("--each")) == [split.network.address("internet")] * 2
    second.close()


def test_two_reports_differ_in_their_time_alone(split):
    first, second = (report(split.hosts["core-1"]) for _ in range(2))
    for r in (first, second):
        assert r.pop("time").endswith("Z") and r["format"] == "sallyport-boundary-1" and r["host"] == "core-1"
    assert first == second


# --- what is planted ----------------------------------------------------------------------------------------------------

# A process by its unit, to which more sockets are handed over than the unit has: what a process that was taken over might hold.
PLANTED = """
import os, socket, sys, ctypes
sys.path.insert(0, sys.argv[1])
from netinit import UNITS, WORK, Unit, listen
libc = ctypes.CDLL(None, use_errno=True)

def listener(family, address):
    s = socket.socket(family)
    s.bind(address)
    s.listen()
    return s

def elsewhere():
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    assert libc.unshare(0x40000000) == 0
    s = listener(socket.AF_INET, ("0.0.0.0", 7777))
    assert libc.setns(home, 0x40000000) == 0
    return s

def unix_connection():
    listener_ = listener(socket.AF_UNIX, "/run/other.sock")
    s = socket.socket(socket.AF_UNIX)
    s.connect("/run/other.sock")
    kept.append(listener_)
    return s

def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("0.0.0.0", 9998))
    return s

kept, pair = [], socket.socketpair()
planted = [
    listener(socket.AF_INET, ("0.0.0.0", 9999)),
    socket.create_connection((sys.argv[2], int(sys.argv[3]))),
    udp(),
    socket.socket(socket.AF_INET, socket.SOCK_RAW, 1),
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0),
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0),
    elsewhere(),
    listener(socket.AF_UNIX, "/run/planted.sock"),
    listener(socket.AF_UNIX, "\\0planted"),
    unix_connection(),
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM),
    socket.socket(socket.AF_INET, socket.SOCK_STREAM),  # bound to nothing: no finding
    *pair,  # both ends in the process: no finding
]

class Planted(Unit):
    def listen_all(self):
        return [listen(u) for u in self.sockets] + [s.dup() for s in planted]

unit = Planted("c2s", "c2s-2", UNITS, WORK).start()
for s in planted:
    s.close()
unit.wait_ready()
print("ready", flush=True)
sys.stdin.read()
unit.stop()
"""


def test_each_planted_socket_is_one_finding_and_nothing_else_is(split):
    gate = split.hosts["gate-2"]
    gate.forget("c2s-2")
    with split.network.internet.inside():
        outside = socket.create_server(("0.0.0.0", 0))
    port = outside.getsockname()[1]
    try:
        for module in (HERE / "netinit.py", E2E / "units.py"):  # a clone in /tmp is not seen on the host
            shutil.copy(module, gate.file(f"/tmp/{module.name}"))
        with outside, running(gate, PLANTED, "/tmp", split.network.address("internet"), str(port)):
            document = report(gate, code=FINDINGS)
            human = gate.run("sallyportctl", "boundary", check=False)
    finally:
        gate.start("c2s-2")
    expected = [
        ("listener-undeclared", "listens on tcp 0.0.0.0:9999"),
        ("outgoing-undeclared", f"is connected to tcp {split.network.address('internet')}:{port}"),
        ("listener-undeclared", "is open on udp 0.0.0.0:9998"),
        ("socket-forbidden", "raw socket"),
        ("socket-forbidden", "packet socket"),
        ("socket-forbidden", "netlink socket"),
        ("listener-undeclared", "listens on tcp 0.0.0.0:7777"),
        ("listener-undeclared", "listens on unix /run/planted.sock"),
        ("listener-undeclared", "listens on unix @planted"),
        ("outgoing-undeclared", "is connected to unix /run/other.sock"),
        ("socket-undeclared", "unix socket"),
        ("outgoing-undeclared", "/notify-c2s-2"),  # where it tells its readiness: here the planter's, not the service manager's
    ]
    found = [(f["code"], f["text"]) for f in document["findings"]]
    for code, words in expected:
        assert len([t for c, t in found if c == code and words in t]) == 1, f"{code} {words}: {found}"
        assert any(words in l and l.startswith("FINDING: c2s-2 (pid ") for l in human.stdout.splitlines()), human.stdout
    assert len(found) == len(expected), found
    assert human.returncode == FINDINGS and human.stdout.endswith(f"{len(expected)} findings\n")
    assert {f["process"] for f in document["findings"]} == {"c2s-2"} and all(": " in f["text"] for f in document["findings"])
    assert report(gate, code=CLEAN)


# As a user: argv[1] its name.
SLEEPER = """
import os, pwd, sys
os.setuid(pwd.getpwnam(sys.argv[1]).pw_uid)
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_process_that_runs_as_our_user_and_is_not_ours_is_one_finding(split):
    gate = split.hosts["gate-1"]
    with running(gate, SLEEPER, "sallyport-c2s"):
        document = report(gate, code=FINDINGS)
    assert codes(document) == ["process-foreign"] and "python3" in document["findings"][0]["text"]
    assert [p["is_planned"] for p in document["processes"]] == [True, False]
    with running(gate, SLEEPER, "nobody"):
        report(gate, code=CLEAN)


# A program of ours that no plan knows: argv[1] its path, argv[2] "root" or a user.
STRAY = """
import os, pwd, shutil, subprocess, sys
shutil.copy(shutil.which("cat"), sys.argv[1])
user = pwd.getpwnam(sys.argv[2]).pw_uid
p = subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, user=user)
print("ready", flush=True)
sys.stdin.read()
p.stdin.close()
p.wait()
os.unlink(sys.argv[1])
"""


@pytest.mark.parametrize("user, expected", [("nobody", ["process-undeclared"]), ("root", ["process-root", "process-undeclared"])])
def test_a_program_of_ours_that_is_not_planned_here_is_found_wherever_it_lies(split, user, expected):
    core = split.hosts["core-2"]
    with running(core, STRAY, "/tmp/sallyport-sm", user):
        assert told(report(core, code=FINDINGS)) == [(code, "sallyport-sm") for code in expected]


# A socket that our user made and that is on its way between two processes: no descriptor has it.
IN_FLIGHT = """
import os, pwd, socket, sys
a, b = socket.socketpair()
os.seteuid(pwd.getpwnam(sys.argv[1]).pw_uid)
s = socket.create_server(("127.0.0.1", 7778))
os.seteuid(0)
socket.send_fds(a, [b"x"], [s.fileno()])
s.close()
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_socket_that_no_descriptor_shows_is_found_by_its_user(split):
    core = split.hosts["core-2"]
    with running(core, IN_FLIGHT, "sallyport-c2s"):
        document = report(core, code=FINDINGS)
    assert codes(document) == ["socket-unheld"] and "7778" in json.dumps(document["sockets"])


def test_a_router_that_dials_what_is_not_declared_is_found(split):
    """By a line in its own file: what the process was told to do is not what the plan says."""
    core, address = split.hosts["core-1"], split.network.address("gate-2")
    with split.hosts["gate-2"].inside():
        trap = socket.create_server((address, 0))
    before = core.text("/etc/sallyport/router-1.conf")
    dial = f'\npeer "c2s-9.example.internal" {{ role = "c2s" secret_file = "/etc/sallyport/router-1/secret/c2s-1" dial = "{address}:{trap.getsockname()[1]}" }}\n'
    core.run("nft", "delete", "table", "inet", "sallyport")  # it would refuse it
    try:
        core.write("/etc/sallyport/router-1.conf", before + dial)
        core.reload("router-1")
        trap.settimeout(20)
        connection, _ = trap.accept()
        with connection:
            document = report(core, code=FINDINGS)
        assert told(document) == [("outgoing-undeclared", "router-1")] and f"{address}:{trap.getsockname()[1]}" in document["findings"][0]["text"]
    finally:
        trap.close()
        core.write("/etc/sallyport/router-1.conf", before)
        core.reload("router-1")
        core.firewall()
    wait_for(lambda: not report(core)["findings"], "the link that is no longer configured never ended")


def wait_for(what, sentence, seconds=30):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, sentence


def test_what_is_declared_and_not_there_is_a_note(split):
    gate = split.hosts["gate-1"]
    flows = json.loads(gate.text("/etc/sallyport/flows.json"))
    more = next(f for f in flows if f["to"] == "c2s-1" and f["port"] == "5222")
    gate.write("/etc/more.json", json.dumps([*flows, dict(more, port="5299")]))
    document = report(gate, "--flows", "/etc/more.json", code=CLEAN)
    notes = [n for n in document["notes"] if n["code"] == "not-listening"]
    assert len(notes) == 2 and all("5299" in n["text"] for n in notes)  # of IPv4 and IPv6
    gate.write("/etc/less.json", json.dumps([f for f in flows if f["port"] != "5223"]))
    findings = report(gate, "--flows", "/etc/less.json", code=FINDINGS)["findings"]
    assert codes({"findings": findings}) == ["incoming-undeclared", "listener-undeclared", "listener-undeclared"]
    assert all("5223" in f["text"] for f in findings)


def test_what_cannot_be_looked_at_is_no_clean_report(split):
    gate = split.hosts["gate-1"]
    run = lambda *args: gate.run("sallyportctl", "boundary", *args, check=False)
    gate.write("/etc/broken.json", '[{"from": "clients"}]')
    gate.write("/etc/none.json", "[]")
    for args in (("--flows", "/etc/nowhere.json"), ("--flows", "/etc/broken.json"), ("--flows", "/etc/none.json"), ("merge", "/etc/broken.json")):
        done = run(*args)
        assert done.returncode == FAILED and not done.stdout and done.stderr.count("\n") == 1, done.stderr
    for args in (("nonsense",), ("merge",), ("--within", "x"), ("--what",)):
        assert run(*args).returncode == USAGE
    done = gate.run("setpriv", "--reuid=65534", "--clear-groups", "sallyportctl", "boundary", check=False)
    assert done.returncode == FAILED and "root" in done.stderr


# --- all hosts ----------------------------------------------------------------------------------------------------------


def merged(split, reports, *args):
    folder = split.network.folder / "reports"
    folder.mkdir(exist_ok=True)
    for name, document in reports.items():
        (folder / name).write_text(json.dumps(document))
    return subprocess.run([str(split.hosts["gate-1"].file("/usr/sbin/sallyportctl")), "boundary", "merge", *args, *(str(folder / n) for n in reports)],
                          capture_output=True, text=True)


@pytest.fixture
def reports(split):
    return {name: report(host) for name, host in split.hosts.items()}


def merged_findings(split, reports, code, kind="findings"):
    done = merged(split, reports, "--json")
    assert done.returncode == code, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert document["format"] == "sallyport-boundary-merge-1" and [h["host"] for h in document["hosts"]] == list(reports)
    return [(f["host"], f["code"]) for f in document[kind] if f["code"] != "not-whole-host"]


def test_reports_of_all_hosts_are_one_table(split, reports):
    done = merged(split, reports)
    assert done.returncode == CLEAN, done.stdout
    assert all(any(l.startswith(name) for l in done.stdout.splitlines()) for name in reports)
    assert merged_findings(split, reports, CLEAN) == []


def test_a_connection_that_one_end_alone_has_is_found_when_the_reports_are_of_one_time(split, reports):
    gate, core = reports["gate-1"], reports["core-1"]
    core["time"] = gate["time"]
    gone = [s for s in core["sockets"] if s["from"] == "router-1" and s["to"] == "c2s-1"]
    assert len(gone) == 1
    core["sockets"].remove(gone[0])
    assert merged_findings(split, reports, FINDINGS) == [("gate-1", "one-sided")]
    core["time"] = "2020-01-01T00:00:00Z"
    assert merged_findings(split, reports, CLEAN) == []
    assert ("gate-1", "one-sided") in merged_findings(split, reports, CLEAN, "notes")


def test_a_host_without_a_report_and_one_of_another_plan_are_found(split, reports):
    without = {n: r for n, r in reports.items() if n != "core-1"}
    assert merged_findings(split, without, FINDINGS) == [("core-1", "host-missing")]
    other = copy.deepcopy(reports)
    row = next(f for f in other["gate-1"]["flows"] if f["from"] == "router-1")
    row["why"] = "another plan"
    assert {code for _, code in merged_findings(split, other, FINDINGS)} == {"plans-differ"}
    twice = dict(reports, again=reports["gate-1"])
    assert merged(split, twice).returncode == FAILED


def test_findings_of_all_hosts_come_together(split, reports):
    with running(split.hosts["gate-2"], SLEEPER, "sallyport-c2s"):
        reports["gate-2"] = report(split.hosts["gate-2"])
    assert merged_findings(split, reports, FINDINGS) == [("gate-2", "process-foreign")]
    assert "FINDING: gate-2: " in merged(split, reports).stdout


def test_a_report_that_is_none_is_refused(split, reports):
    for change in ({"format": "x"}, {"sockets": 1}, {"findings": [{"code": 1}]}, {"time": "yesterday"}, {"host": "\x1b[2J"}, {"flows": []}):
        done = merged(split, dict(reports, **{"gate-1": dict(reports["gate-1"], **change)}))
        assert done.returncode == FAILED and "\x1b" not in done.stderr, change
