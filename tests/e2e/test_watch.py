"""The directory tells what changes (RFC 4533 on real slapd): leavers are seen long before leavers_interval."""
import subprocess
import time

import pytest

from slapd import SUFFIX, Slapd
from test_access import GROUPS, Place, group, person
from test_leavers import is_there, left

SYNCPROV = {"conf": "moduleload syncprov\n", "more": "overlay syncprov\nindex entryUUID,entryCSN eq\n"}


@pytest.fixture(scope="module")
def server():
    s = Slapd(**SYNCPROV)
    s.modify(f"dn: {GROUPS}\nchangetype: add\nobjectClass: organizationalUnit\nou: groups\n")
    for uid in ("anna", "bert", "carl", "dora", "emil"):
        s.add_person(uid)
    s.modify(group("chat", *(person(n) for n in ("anna", "bert"))))
    yield s
    s.close()


@pytest.fixture
def place(new_cluster, server):
    def make(rules="", **keys):
        keys = {"group_base": f'"{GROUPS}"', "leavers_interval": '"24h"', **keys}
        made = Place(new_cluster, server.section(**keys), rules)
        made.wait_state(server.ldaps, "up")
        return made
    return make


def wait_watch(p, server, how):
    deadline = time.monotonic() + 30
    while how not in (seen := [r["watch"] for r in p.rows()[0] if r["server"] == server.ldaps]):
        assert time.monotonic() < deadline, seen
        time.sleep(0.05)


def test_what_is_removed_or_disabled_is_told(place, server):
    p = place()
    wait_watch(p, server, "syncrepl")
    assert {r["waiting"] for r in p.rows()[0]} == {"0"}  # a watch waits for nobody
    server.add_person("leaver")
    leaver, carl, anna = p.login("leaver"), p.login("carl"), p.login("anna")
    server.delete("leaver")
    leaver.expect_stream_error("not-authorized")
    left(p, "leaver", "no entry of this name and key")
    server.change("carl", "pwdEndTime", "20200101000000Z")
    carl.expect_stream_error("not-authorized")
    left(p, "carl", "account disabled or expired")
    assert is_there(anna)
    anna.close()


def test_a_group_that_changes_is_told(place, server):
    p = place('allow_groups = {"chat"}')
    wait_watch(p, server, "syncrepl")
    anna, bert = p.login("anna"), p.login("bert")
    server.modify(f"dn: cn=chat,{GROUPS}\nchangetype: modify\ndelete: member\nmember: {person('bert')}\n")
    bert.expect_stream_error("not-authorized")
    left(p, "bert", "not in a group that may log in")
    assert is_there(anna)
    anna.close()


def test_the_watch_comes_back_with_its_server_and_misses_nothing(place, server):
    p = place()
    wait_watch(p, server, "syncrepl")
    dora, emil = p.login("dora"), p.login("emil")
    server.kill()
    wait_watch(p, server, "no")
    subprocess.run(["/usr/sbin/slapmodify", "-f", str(server.conf), "-w"], check=True, capture_output=True, text=True,
                   input=f"dn: {person('dora')}\nchangetype: modify\nadd: pwdEndTime\npwdEndTime: 20200101000000Z\n")
    server.start()
    dora.expect_stream_error("not-authorized")
    wait_watch(p, server, "syncrepl")
    assert is_there(emil)
    server.delete("emil")
    emil.expect_stream_error("not-authorized")


def test_a_server_that_does_not_tell_is_asked_now_and_then(new_cluster):
    plain = Slapd()
    try:
        plain.add_person("anna")
        p = Place(new_cluster, plain.section(leavers_interval='"300ms"'), "")
        p.wait_state(plain.ldaps, "up")
        c = p.login("anna")
        plain.delete("anna")
        c.expect_stream_error("not-authorized")
        wait_watch(p, plain, "no")
    finally:
        plain.close()


def test_nobody_is_asked_to_tell_where_that_is_off(place, server):
    p = place(watch='"none"', leavers_interval='"300ms"')
    server.add_person("quiet")
    c = p.login("quiet")
    server.delete("quiet")
    c.expect_stream_error("not-authorized")
    wait_watch(p, server, "no")
