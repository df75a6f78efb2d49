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


# In a network of its own, as another user where the rules mean one: prints what became of each attempt.
FIREWALL = """
import json, os, pwd, socket, subprocess, sys
rules, user, clients, link = sys.argv[1], pwd.getpwnam(sys.argv[2]).pw_uid, int(sys.argv[3]), int(sys.argv[4])
subprocess.run("ip link set lo up && nft -f " + rules, shell=True, check=True)

def listen(host, port):
    s = socket.socket()
    s.bind((host, port))
    s.listen()
    return s

def attempt(source, target, port, uid):
    os.seteuid(uid)
    s = socket.socket()
    s.settimeout(1)
    s.bind((source, 0))
    try:
        s.connect((target, port))
        return "open"
    except OSError as e:
        return "refused" if not isinstance(e, socket.timeout) else "dropped"
    finally:
        os.seteuid(0)

doors = [listen("127.0.0.2", clients), listen("127.0.0.2", link), listen("127.0.0.3", 2222), listen("127.0.0.2", 2222)]
result = {
    "client": attempt("127.0.0.9", "127.0.0.2", clients, 0),
    "router": attempt("127.0.0.3", "127.0.0.2", link, 0),
    "stranger to link": attempt("127.0.0.9", "127.0.0.2", link, 0),
    "c2s dials": attempt("127.0.0.2", "127.0.0.3", 2222, user),
    "host dials": attempt("127.0.0.2", "127.0.0.3", 2222, 0),
    "ssh of the host": attempt("127.0.0.9", "127.0.0.2", 2222, 0),
}
# What c2s writes on a connection that came in leaves: a socket belongs to who accepts it.
c = socket.create_connection(("127.0.0.2", clients), 1)
os.seteuid(user)
accepted = [doors[0].accept() for _ in range(2)]  # that of "client", and this one
accepted[1][0].sendall(b"hello")
os.seteuid(0)
result["answer"] = c.recv(5).decode()
print(json.dumps(result))
"""


def test_the_firewall_does_what_the_plan_says(plan):
    p = plan()
    p.make()
    rules = f"{p.host('gate-1')}{p.dir}/etc/sallyport.nft"
    done = subprocess.run(["unshare", "--net", sys.executable, "-c", FIREWALL, rules, user(), str(p.ports[0]), str(p.ports[2])], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"client": "open", "router": "open", "stranger to link": "dropped", "c2s dials": "refused", "host dials": "open",
                                       "ssh of the host": "open", "answer": "hello"}
