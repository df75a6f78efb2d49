"""The firewall that sallyportctl plan writes, in network namespaces with real nft and real connections."""
import json
import os
import shutil
import subprocess
import sys

import pytest

from planned import user

pytestmark = pytest.mark.skipif(not shutil.which("nft") or os.geteuid() != 0, reason="needs nftables and root")

@pytest.mark.parametrize("router_host", ["core-1", "gate-1"])
def test_nft_accepts_the_rules_and_loading_them_twice_is_loading_them_once(plan, router_host):
    p = plan(router_host)
    p.make()
    for host in ("gate-1", "core-1"):
        rules = f"{p.host(host)}{p.dir}/etc/sallyport.nft"
        script = f"nft -c -f {rules} && nft add table inet other && nft -f {rules} && nft list ruleset > {p.dir}/once && nft -f {rules} && nft list ruleset > {p.dir}/twice"
        done = subprocess.run(["unshare", "--net", "sh", "-c", script], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        once = (p.dir / "once").read_text()
        assert once == (p.dir / "twice").read_text() and "table inet other" in once


# Runs in a network of its own: argv is rules, user, port of clients, port of links. Each scenario below prints what became of its attempts as JSON.
STAGE = """
import errno, json, os, pwd, select, socket, subprocess, sys, threading
rules, user, clients, link = sys.argv[1], pwd.getpwnam(sys.argv[2]).pw_uid, int(sys.argv[3]), int(sys.argv[4])
GATE, CORE, STRANGER = ("127.0.0.2", "fd00:5a11::2"), ("127.0.0.3", "fd00:5a11::3"), ("127.0.0.9", "fd00:5a11::9")

def sh(command, **options):
    return subprocess.run(command, shell=True, check=True, capture_output=True, text=True, **options).stdout

sh("ip link set lo up && ip -6 address add fd00:5a11::2/128 dev lo nodad && ip -6 address add fd00:5a11::3/128 dev lo nodad && ip -6 address add fd00:5a11::9/128 dev lo nodad")

def make(address, kind=socket.SOCK_STREAM):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return s

def listen(address, port):
    s = make(address)
    s.bind((address, port))
    s.listen(512)
    return s

def attempt(source, target, port, uid=0):
    os.seteuid(uid)
    s = make(source)
    s.settimeout(0.5)
    try:
        s.bind((source, 0))
        s.connect((target, port))
        return "open"
    except OSError as e:
        return "dropped" if isinstance(e, socket.timeout) else "refused"
    finally:
        s.close()
        os.seteuid(0)

def counters(chain):
    "Packets that the chain refused."
    rows = json.loads(sh(f"nft -j list chain inet sallyport {chain}"))["nftables"]
    return sum(e["counter"]["packets"] for r in rows for e in r.get("rule", {}).get("expr", []) if "counter" in e)
"""


def stage(p, scenario, host="gate-1"):
    rules = f"{p.host(host)}{p.dir}/etc/sallyport.nft"
    done = subprocess.run(["unshare", "--net", sys.executable, "-c", STAGE + scenario, rules, user(), str(p.ports[0]), str(p.ports[2])],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def dual(plan):
    """A plan whose hosts have addresses of both families."""
    p = plan()
    text = p.file.read_text()
    for last in (2, 3):
        text = text.replace(f'address = {{"127.0.0.{last}"}}', f'address = {{"127.0.0.{last}", "fd00:5a11::{last}"}}')
    p.file.write_text(text)
    p.make()
    return p


def test_only_our_ports_inbound_and_only_our_users_outbound_and_nothing_else_is_touched(dual):
    assert stage(dual, """
doors = [listen(a, port) for a in (*GATE, *CORE) for port in (clients, link, 2222)]
sh("nft -f " + rules)
result = {}
for i, family in enumerate(("ip", "ip6")):
    result[family] = {
        "client": attempt(STRANGER[i], GATE[i], clients),
        "router": attempt(CORE[i], GATE[0] if i == 0 else GATE[1], link),
        "stranger to the link": attempt(STRANGER[i], GATE[i], link),
        "c2s dials": attempt(GATE[i], CORE[i], 2222, user),
        "c2s dials a port of ours": attempt(GATE[i], CORE[i], clients, user),
        "host dials": attempt(GATE[i], CORE[i], 2222),
        "ssh of the host": attempt(STRANGER[i], GATE[i], 2222),
    }
result["counted"] = [counters("inbound") > 0, counters("ours") > 0]
print(json.dumps(result))
""") == {
        # Links are dialled at one address, which is an IPv4 one here: over IPv6 the router is a stranger as well.
        "ip": {"client": "open", "router": "open", "stranger to the link": "dropped", "c2s dials": "refused", "c2s dials a port of ours": "refused",
               "host dials": "open", "ssh of the host": "open"},
        "ip6": {"client": "open", "router": "dropped", "stranger to the link": "dropped", "c2s dials": "refused", "c2s dials a port of ours": "refused",
                "host dials": "open", "ssh of the host": "open"},
        "counted": [True, True]}


def test_a_router_inside_dials_its_c2s_and_nobody_else(dual):
    assert stage(dual, """
doors = [listen(a, port) for a in (*GATE, *CORE) for port in (clients, link, 2222)]
sh("nft -f " + rules)
print(json.dumps({"link": attempt(CORE[0], GATE[0], link, user), "clients": attempt(CORE[0], GATE[0], clients, user),
                  "another host": attempt(CORE[0], STRANGER[0], link, user), "ssh": attempt(CORE[0], GATE[0], 2222, user),
                  "host dials": attempt(CORE[0], GATE[0], 2222)}))
""", host="core-1") == {"link": "open", "clients": "refused", "another host": "refused", "ssh": "refused", "host dials": "open"}


def test_no_datagram_of_our_users_leaves(dual):
    """The name of a host is no flow of c2s: neither is any other datagram."""
    assert stage(dual, """
sh("nft -f " + rules)
result = {}
for i, family in enumerate(("ip", "ip6")):
    resolver, client = make(CORE[i], socket.SOCK_DGRAM), make(GATE[i], socket.SOCK_DGRAM)
    resolver.bind((CORE[i], 53))
    resolver.settimeout(5)
    os.seteuid(user)
    own = make(GATE[i], socket.SOCK_DGRAM)
    try:
        own.sendto(b"of c2s", (CORE[i], 53))
    except OSError:
        pass
    os.seteuid(0)
    client.sendto(b"of the host", (CORE[i], 53))
    result[family] = resolver.recv(100).decode()
print(json.dumps(result))
""") == {"ip": "of the host", "ip6": "of the host"}


def test_connections_that_are_there_stay_when_rules_are_loaded_again_and_taken_away(dual):
    assert stage(dual, """
def echo(i):
    "From the client to c2s and back, as c2s: its accepted socket belongs to who accepts it."
    pairs[i][0].sendall(b"ping")
    os.seteuid(user)
    got = pairs[i][1].recv(4)
    pairs[i][1].sendall(got)
    os.seteuid(0)
    return pairs[i][0].recv(4).decode()

pairs = []
def connect(i):
    c = make(GATE[i])
    c.settimeout(5)
    c.connect((GATE[i], clients))
    os.seteuid(user)
    a = doors[i].accept()[0]
    os.seteuid(0)
    a.settimeout(5)
    pairs.append((c, a))

doors = [listen(a, clients) for a in GATE]
connect(0), connect(1)  # before there are rules
said = []
for command in ("nft -f " + rules, "nft -f " + rules, "nft delete table inet sallyport"):
    sh(command)
    if command.startswith("nft -f"):
        connect(0)
    said.append([echo(i) for i in range(len(pairs))])
print(json.dumps(said))
""") == [["ping"] * 3, ["ping"] * 4, ["ping"] * 4]


OTHER = """
other = '''table inet filter {
    counter seen {
    }
    chain input {
        type filter hook input priority filter; policy accept;
        tcp dport 22 counter name seen accept
        tcp dport 2323 drop
    }
}
table ip six {
    chain post {
        type filter hook postrouting priority filter; policy accept;
    }
}
'''
sh("nft -f -", input=other)
"""


def test_other_tables_stay_as_they_are_and_what_they_drop_stays_dropped(dual):
    result = stage(dual, OTHER + """
door = listen(GATE[0], 22), listen(GATE[0], 2323)
steps = [attempt(STRANGER[0], GATE[0], 22)]
before = sh("nft list ruleset")
for command in ("nft -f " + rules, "nft -f " + rules, "nft delete table inet sallyport"):
    sh(command)
    steps.append(sh("nft list table inet filter") + sh("nft list table ip six") == before)
    steps.append(attempt(STRANGER[0], GATE[0], 2323))
steps.append(sh("nft list ruleset") == before)
print(json.dumps(steps))
""")
    assert result == ["open", True, "dropped", True, "dropped", True, "dropped", True]


# While rules are loaded again and again a stranger keeps knocking: each attempt sends its SYN at once, and none may ever come through.
KNOCKING = """
doors = [listen(GATE[0], clients), listen(GATE[0], link)]
sh("nft -f " + rules)
over, knocks, refused = threading.Event(), [], []

def load():
    for _ in range(25):
        sh(RELOAD)
    over.set()

thread = threading.Thread(target=load)
thread.start()
while not over.is_set():
    s = make(STRANGER[0])
    s.setblocking(False)
    s.bind((STRANGER[0], 0))
    s.connect_ex((GATE[0], link))
    knocks.append(s)
    if len(knocks) % 10 == 0:
        refused += [r for r in [attempt(STRANGER[0], GATE[0], clients)] if r != "open"]
    over.wait(0.002)
thread.join()
poll = select.poll()
for s in knocks:
    poll.register(s, select.POLLOUT)
through = [fd for fd, event in poll.poll(0) if event & select.POLLOUT]
print(json.dumps({"knocks": len(knocks) > 50, "through": len(through), "clients refused": len(refused)}))
"""


def test_loading_again_leaves_no_gap(dual):
    assert stage(dual, 'RELOAD = "nft -f " + rules\n' + KNOCKING) == {"knocks": True, "through": 0, "clients refused": 0}


def test_the_test_of_gaps_sees_one(dual):
    """A control run: the table is deleted and made in two steps."""
    assert stage(dual, 'RELOAD = "nft delete table inet sallyport && sleep 0.01 && nft -f " + rules\n' + KNOCKING)["through"] > 0
