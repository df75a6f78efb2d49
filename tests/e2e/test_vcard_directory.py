"""vCards from the directory (XEP-0054): real slapd, real clients."""
import asyncio
import base64
import os
import re
import subprocess
import time

import pytest

from slapd import SUFFIX, Slapd
from test_directory import DOMAIN, Site
from xmpp import local, q, show

VCARD = "vcard-temp"
JPEG = b"\xff\xd8\xff\xe0" + os.urandom(600)
PNG = b"\x89PNG\r\n\x1a\n" + os.urandom(600)
MAPPING = '{"standard"}'


def b64(data):
    return base64.b64encode(data).decode()


def details(name, photo=JPEG):
    return (f"givenName: Juliet\nmail: {name}@corp.example\nmail: second@corp.example\ntelephoneNumber: +49 30 123\nhomePhone: +49 30 999\n"
            f"o: Capulet & Co\nou: Balcony\ntitle: Fräulein\n" + (f"jpegPhoto:: {b64(photo)}\n" if photo else ""))


@pytest.fixture(scope="module")
def one():
    server = Slapd()
    yield server
    server.close()


def make_site(make, server, **keys):
    keys = {"vcard": MAPPING, **keys}
    made = Site(make, server.section(**keys))
    made.wait_state(server.ldaps, "up")
    return made


@pytest.fixture(scope="module")
def shared(one):
    from cluster import Cluster
    made = []

    def new(*options):
        made.append(Cluster(*options))
        return made[-1]

    yield make_site(new, one)
    made[0].down()


@pytest.fixture
def site(new_cluster):
    return lambda server, **keys: make_site(new_cluster, server, **keys)


def ask(client, who=None):
    answer = client.iq("get", f"<vCard xmlns='{VCARD}'/>", to=who)
    return answer, answer.find(q(VCARD, "vCard"))


def at(card, path):
    return card.findtext("/".join(q(VCARD, p) for p in path.split("/")))


def error(answer):
    assert answer.get("type") == "error", show(answer)
    return local(answer.find("{jabber:client}error")[0])


def save(client, inner):
    return client.iq("set", f"<vCard xmlns='{VCARD}'>{inner}</vCard>")


def test_the_directory_shows_a_person_to_themselves_and_to_others(shared, one, unique):
    name, other = one.add_person(unique("juliet"), more=details("juliet")), one.add_person(unique("nurse"))
    own = ask(shared.login(name))[1]
    for card in (own, ask(shared.login(other), f"{name}@{DOMAIN}")[1]):
        assert at(card, "FN") == name and at(card, "N/GIVEN") == "Juliet" and at(card, "N/FAMILY") == "x"
        assert at(card, "ORG/ORGNAME") == "Capulet & Co" and at(card, "TITLE") == "Fräulein"
        assert [e.text for e in card.iter(q(VCARD, "USERID"))] == ["juliet@corp.example", "second@corp.example"]
        assert at(card, "TEL/NUMBER") == "+49 30 123"
        assert base64.b64decode(at(card, "PHOTO/BINVAL"), validate=True) == JPEG and at(card, "PHOTO/TYPE") == "image/jpeg"


def test_what_is_not_mapped_is_not_shown(shared, one, unique):
    name = one.add_person(unique("juliet"), more=details("juliet"))
    answer, _ = ask(shared.login(name))
    assert "999" not in show(answer) and "secret" not in show(answer)


def test_without_a_mapping_nothing_is_shown(site, one, unique):
    name = one.add_person(unique("juliet"), more=details("juliet"))
    s = site(one, vcard=None)
    assert error(ask(s.login(name))[0]) == "item-not-found"


def test_own_fields_fill_the_rest_and_the_directorys_cannot_be_changed(shared, one, unique):
    name = one.add_person(unique("juliet"), more=details("juliet"))
    c = shared.login(name)
    assert save(c, "<FN>Queen of France</FN><NICKNAME>Jule</NICKNAME><TEL><HOME/><NUMBER>1</NUMBER></TEL>").get("type") == "result"
    card = ask(c)[1]
    assert at(card, "FN") == name and at(card, "NICKNAME") == "Jule"
    assert [e.text for e in card.iter(q(VCARD, "NUMBER"))] == ["+49 30 123"]


def test_what_the_directory_said_is_not_kept_as_the_users_own(site, one, unique):
    """A client sends back all that it was shown; when the directory takes it away, it is gone."""
    name = one.add_person(unique("juliet"), more=details("juliet"))
    s = site(one, vcard_age='"0"')
    c = s.login(name)
    _, card = ask(c)
    inner = show(card).split(">", 1)[1].rsplit("<", 1)[0].replace("ns0:", "")
    assert save(c, inner + "<NICKNAME>Jule</NICKNAME>").get("type") == "result"
    one.modify(f"dn: uid={name},ou=people,{SUFFIX}\nchangetype: modify\ndelete: telephoneNumber\n-\ndelete: jpegPhoto\n")
    _, card = ask(c)
    assert at(card, "TEL/NUMBER") is None and at(card, "PHOTO/BINVAL") is None and at(card, "NICKNAME") == "Jule"


def test_a_photo_of_the_directory_wins_and_another_is_refused(shared, one, unique):
    name = one.add_person(unique("juliet"), more=details("juliet"))
    c = shared.login(name)
    other = f"<PHOTO><TYPE>image/png</TYPE><BINVAL>{b64(PNG)}</BINVAL></PHOTO>"
    assert error(save(c, other)) == "not-allowed"
    same = base64.encodebytes(JPEG).decode()  # in lines, as some clients write it
    assert save(c, f"<PHOTO><TYPE>image/jpeg</TYPE><BINVAL>{same}</BINVAL></PHOTO>").get("type") == "result"
    assert at(ask(c)[1], "PHOTO/BINVAL") == b64(JPEG)


def test_who_has_no_photo_in_the_directory_has_their_own(shared, one, unique):
    name = one.add_person(unique("juliet"), more=details("juliet", photo=None))
    c = shared.login(name)
    assert save(c, f"<PHOTO><TYPE>image/png</TYPE><BINVAL>{b64(PNG)}</BINVAL></PHOTO>").get("type") == "result"
    card = ask(c)[1]
    assert at(card, "PHOTO/BINVAL") == b64(PNG) and at(card, "FN") == name


def test_photos_that_are_none_or_too_big_are_left_out(site, one, unique):
    s = site(one, vcard='{"FN=cn", "PHOTO/BINVAL=jpegPhoto"}', vcard_photo='"2k"')
    for photo in (b"GIF89a" + os.urandom(100), b"<svg onload='x'/>", b"\xff\xd8\xff" + os.urandom(3000)):
        name = one.add_person(unique("p"), more=f"jpegPhoto:: {b64(photo)}\n")
        card = ask(s.login(name))[1]
        assert at(card, "FN") == name and card.find(q(VCARD, "PHOTO")) is None


def test_a_vcard_stays_below_the_largest_stanza(site, one, unique):
    name = one.add_person(unique("juliet"), more=details("juliet", photo=b"\xff\xd8\xff" + os.urandom(400000)))
    s = site(one, vcard_photo='"1M"')
    card = ask(s.login(name))[1]  # max_stanza is 256k
    assert at(card, "TITLE") == "Fräulein" and card.find(q(VCARD, "PHOTO")) is None


def test_who_does_not_exist_is_answered_as_before(shared, one, unique):
    name, never = one.add_person(unique("juliet")), one.add_person(unique("never"), more=details("never"))
    c = shared.login(name)
    answers = [ask(c, f"{who}@{DOMAIN}")[0] for who in (never, unique("nobody"))]
    assert [error(a) for a in answers] == ["service-unavailable"] * 2
    strip = lambda a: show(a[-1])
    assert strip(answers[0]) == strip(answers[1])


def test_the_directory_is_asked_once_by_many_at_the_same_time(site, one, unique):
    name, other = one.add_person(unique("juliet"), more=details("juliet")), one.add_person(unique("nurse"))
    s = site(one)
    s.login(name)
    c = s.login(other)

    def searches():
        return int(re.search(r"^sallyport_sm_directory_searches_total (\d+)$", s.cluster.ctl("sm-1", "metrics").stdout, re.M)[1])

    before = searches()
    for i in range(50):
        c.send(f"<iq type='get' id='many{i}' to='{name}@{DOMAIN}'><vCard xmlns='{VCARD}'/></iq>")
    for i in range(50):
        answer = c.expect(q("jabber:client", "iq"), id=f"many{i}")
        assert at(answer.find(q(VCARD, "vCard")), "TITLE") == "Fräulein"
    assert searches() == before + 1


def test_a_new_value_shows_when_the_old_one_is_too_old(site, one, unique):
    name = one.add_person(unique("juliet"), more=details("juliet"))
    s = site(one, vcard_age='"500ms"')
    c = s.login(name)
    assert at(ask(c)[1], "TITLE") == "Fräulein"
    one.change(name, "title", "Frau")
    deadline = time.monotonic() + 10
    while at(ask(c)[1], "TITLE") != "Frau":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_while_the_directory_is_away_the_last_known_is_shown_and_nobody_hangs(site, unique):
    server = Slapd()
    try:
        names = [server.add_person(unique(n), more=details(n)) for n in ("anna", "bert", "carl")]
        s = site(server, vcard_age='"0"')
        clients = [s.login(n) for n in names]
        assert save(clients[1], "<NICKNAME>Berti</NICKNAME>").get("type") == "result"
        assert at(ask(clients[0])[1], "TITLE") == "Fräulein"
        s.cluster.kill("sm-1")  # forgets what it was told
        s.cluster.start("sm-1")
        s.wait_state(server.ldaps, "up")
        assert at(ask(clients[0], f"{names[0]}@{DOMAIN}")[1], "TITLE") == "Fräulein"
        server.stop()
        began = time.monotonic()
        assert at(ask(clients[0])[1], "TITLE") == "Fräulein"  # kept
        assert at(ask(clients[0], f"{names[1]}@{DOMAIN}")[1], "NICKNAME") == "Berti"  # stored
        answer = ask(clients[0], f"{names[2]}@{DOMAIN}")[0]  # neither
        assert error(answer) == "remote-server-timeout" and answer.find("{jabber:client}error").get("type") == "wait"
        assert error(save(clients[2], "<FN>x</FN>")) == "remote-server-timeout"
        assert time.monotonic() - began < 9
        server.go_on()
        s.wait_state(server.ldaps, "up")
        assert at(ask(clients[0], f"{names[2]}@{DOMAIN}")[1], "TITLE") == "Fräulein"
    finally:
        server.close()


def test_a_mapping_that_means_nothing_is_refused(shared, tmp_path):
    text = shared.conf.read_text()
    for bad in ("PASSWORD=userPassword", "FN", "FN=", "FN=c n", "FN=cn)(uid=*"):
        conf = tmp_path / "sm.conf"
        conf.write_text(text.replace('vcard = {"standard"}', f'vcard = {{"{bad}"}}'))
        done = subprocess.run([str(shared.cluster.binary("sallyport-sm")), "-c", str(conf), "--check"], capture_output=True, text=True)
        assert done.returncode != 0 and "vcard: expected FIELD=attribute" in done.stdout + done.stderr, bad


def test_a_real_client_shows_it(shared, one, unique):
    import slixmpp

    name = one.add_person(unique("juliet"), more=details("juliet"))
    answer = {}

    async def talk():
        c = slixmpp.ClientXMPP(f"{name}@{DOMAIN}", "secret")
        c.register_plugin("xep_0054")
        c.ca_certs = shared.cluster.ca
        started = asyncio.get_running_loop().create_future()
        c.add_event_handler("session_start", lambda _: started.done() or started.set_result(True))
        c.add_event_handler("failed_all_auth", lambda _: started.done() or started.set_result(False))
        c.connect((shared.cluster.host, shared.cluster.port))
        assert await asyncio.wait_for(started, 15)
        iq = await c.plugin["xep_0054"].get_vcard(c.boundjid.bare, timeout=15)
        answer["fn"], answer["photo"] = iq["vcard_temp"]["FN"], iq["vcard_temp"]["PHOTO"]["BINVAL"]
        c.disconnect()
        await asyncio.wait_for(c.disconnected, 15)

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(talk())
    finally:
        rest = asyncio.all_tasks(loop)
        for task in rest:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*rest, return_exceptions=True))
        loop.close()
        asyncio.set_event_loop(None)
    assert answer["fn"] == name and answer["photo"] == JPEG
