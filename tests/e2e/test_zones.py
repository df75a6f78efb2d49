"""What is offered, and accepted, by the zone of the connection manager: sm.conf's inside, mechanisms and mechanisms_dmz."""
import re

import pytest

from test_sasl import SCRAM, auth, condition
from test_settings import mechanisms, set_host
from xmpp import SASL, local, q

INSIDE, DMZ = 1, 2


@pytest.fixture
def split(new_cluster):
    """c2s-1 stands inside, c2s-2 does not."""
    cluster = new_cluster("--c2s", "2")
    path = cluster.folder / "conf" / "sm-1.conf"
    path.write_text(re.sub(r"(?m)^inside = .*$", 'inside = {"c2s-1.cluster.internal"}', path.read_text()))
    assert cluster.ctl("sm-1", "reload").returncode == 0
    return cluster


def offered(cluster, c2s):
    found = cluster.client("alice", c2s=c2s).direct().find(q(SASL, "mechanisms"))
    return [] if found is None else [m.text for m in found if not m.text.endswith("-PLUS")]


def test_plain_is_neither_offered_nor_accepted_in_the_dmz(split):
    assert "PLAIN" in offered(split, INSIDE)
    alice = split.client("alice", c2s=DMZ)
    names = mechanisms(alice.direct())
    assert set(names) == {*SCRAM, *(m + "-PLUS" for m in SCRAM)}
    assert condition(alice.auth_plain()) == "invalid-mechanism"  # the password is right
    line = split.wait_audit("sm-1", "login-refused", "invalid-mechanism", "PLAIN", "dmz")
    assert "alice" not in line  # what it sent was not looked at
    assert condition(auth(alice, "EXTERNAL", "=")) == "invalid-mechanism"
    assert local(alice.auth_scram("SCRAM-SHA-256")) == "success"
    split.client("alice", c2s=INSIDE).login("desk", mechanism="PLAIN").ping()


def test_plain_without_its_message_is_refused_before_it_is_asked_for(split):
    alice = split.client("alice", c2s=DMZ)
    alice.direct()
    assert condition(auth(alice, "PLAIN")) == "invalid-mechanism"


def test_a_host_says_what_it_offers_in_the_dmz_and_reload_changes_it_for_new_logins(split):
    old = split.client("alice", c2s=DMZ).login("desk", mechanism="SCRAM-SHA-256")
    assert "PLAIN, EXTERNAL or DIGEST-MD5 is offered" not in split.log("sm-1")
    set_host(split, "localhost", '    mechanisms_dmz = {"PLAIN", "SCRAM-SHA-1"}')
    assert offered(split, DMZ) == ["SCRAM-SHA-1", "PLAIN"] and set(offered(split, INSIDE)) == {*SCRAM, "PLAIN"}
    split.wait_log("sm-1", "PLAIN, EXTERNAL or DIGEST-MD5 is offered through connection managers in the dmz")
    split.client("alice", c2s=DMZ).login("couch", mechanism="PLAIN").ping()
    waiting = split.client("alice", c2s=DMZ)
    assert "PLAIN" in mechanisms(waiting.direct())
    path = split.folder / "conf" / "sm-1.conf"
    path.write_text(path.read_text().replace("    mechanisms_dmz", "    mechanisms = {\"PLAIN\"}\n#"))
    assert split.ctl("sm-1", "reload").returncode == 0
    assert offered(split, DMZ) == [] and offered(split, INSIDE) == ["PLAIN"]
    split.wait_log("sm-1", "nobody can log in through connection managers in the dmz")
    assert condition(waiting.auth_plain()) == "invalid-mechanism"  # what was offered before the reload is not accepted behind it
    old.ping()


def test_a_c2s_that_moves_inside_needs_a_reload_alone(split):
    path = split.folder / "conf" / "sm-1.conf"
    path.write_text(path.read_text().replace('inside = {"c2s-1.', 'inside = {"c2s-2.'))
    assert split.ctl("sm-1", "reload").returncode == 0
    assert "PLAIN" in offered(split, DMZ) and "PLAIN" not in offered(split, INSIDE)
