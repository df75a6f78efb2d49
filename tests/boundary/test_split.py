"""The split cluster works at all: in both layouts, clients of the Internet and of the office log in and talk."""
import pytest

from network import can_run
from netsplit import Split

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
