"""The split cluster works at all: in both layouts, clients of the Internet and of the office log in and talk. And it leaves nothing behind."""
import os
import pathlib
import subprocess
import sys
import time

import pytest

from network import Network, can_run
from netsplit import Split

STOPPED = """
import signal, sys
sys.path.insert(0, sys.argv[1])
from network import Network
net = Network({"gate-1": "dmz"})
net.hosts["gate-1"].popen("sleep", "600")
print(net.folder, *(p.pid for p in net.places), flush=True)
signal.pause()
"""

pytestmark = pytest.mark.skipif(not can_run(), reason="needs root and namespaces")


@pytest.mark.parametrize("layout", ["a", "b"])
def test_clients_of_every_network_talk(layout):
    with Split(layout) as s:
        s.start()
        clients = []
        for name, host in (("alice", "gate-1"), ("bob", "gate-2"), ("carol", "core-2")):
            s.adduser(name, f"secret of {name}")
            clients.append(s.client(name, f"secret of {name}", host).login(name, "SCRAM-SHA-256").online())
        for sender in clients:
            for to in clients:
                sender.message(to.jid, f"from {sender.name}")
                to.expect("message", body=f"from {sender.name}")


@pytest.mark.parametrize("end", ["kill", "terminate"])
def test_a_test_that_is_killed_leaves_no_process_and_the_next_one_removes_its_folder(end):
    p = subprocess.Popen([sys.executable, "-c", STOPPED, str(pathlib.Path(__file__).parent)], stdout=subprocess.PIPE, text=True)
    folder, *pids = p.stdout.readline().split()
    spaces = {os.readlink(f"/proc/{pid}/ns/net") for pid in pids}
    getattr(p, end)()
    p.wait()
    p.stdout.close()
    deadline = time.monotonic() + 10
    while left := [s for s in pathlib.Path("/proc").glob("[0-9]*/ns/net") if link(s) in spaces]:
        assert time.monotonic() < deadline, left
        time.sleep(0.02)
    assert pathlib.Path(folder).exists()
    with Network({}):
        assert not pathlib.Path(folder).exists()


def link(path):
    try:
        return os.readlink(path)
    except OSError:
        return None
