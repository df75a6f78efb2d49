"""DIGEST-MD5 (RFC 2831, historic by RFC 6331): for hosts that name it, whose directory holds passwords in clear text."""
import asyncio
import base64
import hashlib
import re
import secrets

import pytest
import slixmpp

import backends
from backends import DMZ, INSIDE, Site
from cluster import Cluster
from slapd import SUFFIX
from test_sasl import condition
from xmpp import SASL, local

DIGEST, USUAL, NAMED, BOTH = "digest.example", "usual.example", "named.example", "both.example"
LDAP = '    auth = {"ldap"}'
CLEAR = {"scram": '{"userPassword"}'}
HOSTS = {
    DIGEST: (f'{LDAP}\n    mechanisms = {{"SCRAM-SHA-256", "DIGEST-MD5", "PLAIN"}}', CLEAR),
    USUAL: (LDAP, CLEAR),
    NAMED: (f'{LDAP}\n    mechanisms_dmz = {{"SCRAM-SHA-256", "DIGEST-MD5"}}', CLEAR),
    BOTH: ('    auth = {"internal", "ldap"}\n    mechanisms = {"SCRAM-SHA-256", "DIGEST-MD5"}', {"scram": '{"authPassword", "userPassword"}'}),
}
OLD = "20260101000000Z"


@pytest.fixture(scope="module")
def slapd():
    server = backends.directory()
    server.modify(f"dn: cn=default,{SUFFIX}\nchangetype: modify\nreplace: pwdMustChange\npwdMustChange: FALSE\n")
    yield server
    server.close()


@pytest.fixture(scope="module")
def site(slapd):
    made = []

    def new(*options):
        made.append(Cluster(*options))
        return made[-1]

    yield Site(new, slapd, HOSTS)
    made[0].down()


def h(data):
    return hashlib.md5(data).digest()


def b64(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


class Attempt:
    """One exchange, which can be bent at any place. RFC 2831 §2.1.2."""

    def __init__(self, site, domain, name, password="secret", c2s=INSIDE, client=None):
        self.c = client or site.client(domain, name, password, c2s)
        if not client:
            self.c.direct()
        self.domain, self.name, self.password = domain, name, password

    def challenge(self, initial=""):
        self.c.send(f"<auth xmlns='{SASL}' mechanism='DIGEST-MD5'>{initial}</auth>")
        answer = self.c.sasl_answer()
        if local(answer) != "challenge":
            return answer
        self.text = base64.b64decode(answer.text).decode()
        self.fields = {k: v.strip('"') for k, v in re.findall(r'([a-z-]+)=("[^"]*"|[^,]+)', self.text)}
        return answer

    def response(self, **other):
        v = {"username": self.name, "realm": self.domain, "nonce": self.fields["nonce"], "cnonce": secrets.token_hex(8), "nc": "00000001",
             "qop": "auth", "uri": f"xmpp/{self.domain}", "authzid": None, "charset": "utf-8", "more": "", "digest": None} | other
        try:
            start = [v["username"].encode("latin-1"), self.password.encode("latin-1")]
        except UnicodeEncodeError:
            start = [v["username"].encode(), self.password.encode()]
        a1 = b":".join([h(b":".join([start[0], v["realm"].encode(), start[1]])), v["nonce"].encode(), v["cnonce"].encode()])
        if v["authzid"]:
            a1 += b":" + v["authzid"].encode()
        self.seal = lambda a2: h(b":".join(x if isinstance(x, bytes) else x.encode() for x in
                                          [h(a1).hex(), v["nonce"], v["nc"], v["cnonce"], v["qop"], h(a2).hex()])).hex()
        a2 = f"AUTHENTICATE:{v['uri']}" + ("" if v["qop"] == "auth" else ":" + "0" * 32)
        self.expected = self.seal(f":{v['uri']}".encode())
        quoted = lambda s: '"' + s.replace("\\", "\\\\").replace('"', '\\"') + '"'
        parts = [f"username={quoted(v['username'])}", f"realm={quoted(v['realm'])}", f"nonce={quoted(v['nonce'])}", f"cnonce={quoted(v['cnonce'])}",
                 f"nc={v['nc']}", f"qop={v['qop']}", f"digest-uri={quoted(v['uri'])}", f"response={v['digest'] or self.seal(a2.encode())}"]
        parts += [f"charset={v['charset']}"] if v["charset"] else []
        parts += [f"authzid={quoted(v['authzid'])}"] if v["authzid"] else []
        return ",".join(parts) + v["more"]

    def answer(self, text):
        self.c.send(f"<response xmlns='{SASL}'>{b64(text)}</response>")
        answer = self.c.sasl_answer()
        return "success" if local(answer) == "success" else condition(answer), answer

    def run(self, **other):
        """"success", or the condition of the failure."""
        answer = self.challenge()
        if local(answer) != "challenge":
            self.c.close()
            return condition(answer)
        said, answer = self.answer(self.response(**other))
        if said == "success":
            assert base64.b64decode(answer.text).decode() == f"rspauth={self.expected}", "the server knows the password, too"
        self.c.close()
        return said


def offered(site, domain, c2s):
    return "DIGEST-MD5" in site.offered(domain, c2s)


def try_conf(site, change):
    """What a start says of another configuration."""
    text = site.conf.read_text()
    changed = change(text)
    assert changed != text
    site.conf.write_text(changed)
    try:
        return site.cluster.ctl("sm-1", "reload")
    finally:
        site.conf.write_text(text)


# --- who is offered it --------------------------------------------------------------------------------------------------------------------


def test_it_is_offered_where_it_is_named_and_nowhere_else(site):
    assert offered(site, DIGEST, INSIDE) and not offered(site, DIGEST, DMZ), "mechanisms is not enough for the dmz"
    assert not offered(site, USUAL, INSIDE) and not offered(site, USUAL, DMZ), "all does not mean this one"
    assert offered(site, NAMED, DMZ) and not offered(site, NAMED, INSIDE)
    assert site.offered(DIGEST, INSIDE)[-1] == "DIGEST-MD5", "the last choice"


def test_what_is_not_offered_is_refused(site, slapd, unique):
    name = slapd.add_person(unique("eager"))
    assert Attempt(site, USUAL, name).run() == "invalid-mechanism"
    assert Attempt(site, DIGEST, name, c2s=DMZ).run() == "invalid-mechanism"
    assert Attempt(site, NAMED, name, c2s=DMZ).run() == "success"


def test_a_start_warns(site):
    log = site.cluster.log("sm-1")
    for domain, count in ((DIGEST, 1), (NAMED, 1), (USUAL, 0)):
        assert len(re.findall(rf"DIGEST-MD5 is offered: a historic mechanism \(RFC 6331\).*{domain}", log)) >= count
        assert count or not re.search(rf"DIGEST-MD5 is offered.*{domain}", log)


@pytest.mark.parametrize("lines", [
    '    mechanisms = {"DIGEST-MD5", "PLAIN"}', '    mechanisms_dmz = {"DIGEST-MD5"}', f'{LDAP}\n    directory = "keys"\n    mechanisms = {{"DIGEST-MD5", "PLAIN"}}'])
def test_a_configuration_without_clear_passwords_is_refused(site, slapd, lines):
    section = slapd.section("keys", scram='{"authPassword", "derived"}')
    said = try_conf(site, lambda text: section + text + f'\nhost "more.example" {{\n{lines}\n}}\n')
    assert said.returncode != 0
    assert "DIGEST-MD5 needs passwords in clear text" in said.stdout + said.stderr + site.cluster.log("sm-1")
    assert offered(site, DIGEST, INSIDE), "and nothing has changed"


# --- logins -------------------------------------------------------------------------------------------------------------------------------


def test_it_logs_in_with_one_search_and_no_bind(site, slapd, unique):
    name = slapd.add_person(unique("old"), "pencil")
    assert site.asked(lambda: Attempt(site, DIGEST, name, "pencil").run()) == (1, 0)
    assert Attempt(site, DIGEST, name, "pencil").run() == "success"
    site.cluster.wait_event("sm-1", "account-added", account=f"{name}@{DIGEST}", by="directory")
    assert site.secrets(f"{name}@{DIGEST}") == {}, "nothing of the password stays here"


def test_the_challenge(site):
    a = Attempt(site, DIGEST, "anybody")
    a.challenge()
    assert a.fields["realm"] == DIGEST and a.fields["qop"] == "auth" and a.fields["charset"] == "utf-8" and a.fields["algorithm"] == "md5-sess"
    b = Attempt(site, DIGEST, "anybody")
    b.challenge()
    assert len(a.fields["nonce"]) >= 16 and a.fields["nonce"] != b.fields["nonce"]
    a.c.close()
    b.c.close()


@pytest.mark.parametrize("password", ["pencil", "päss wörd", "пароль", 'with "quotes" and \\'])
def test_passwords_beyond_ascii(site, slapd, unique, password):
    """§2.1.2.1: in ISO 8859-1 where that has all characters, else in UTF-8."""
    name = slapd.add_person(unique("words"), "x")
    slapd.modify(f"dn: uid={name},ou=people,{SUFFIX}\nchangetype: modify\nreplace: userPassword\nuserPassword:: {b64(password)}\n")
    assert Attempt(site, DIGEST, name, password).run() == "success"


def test_an_authzid_is_ones_own(site, slapd, unique):
    name = slapd.add_person(unique("self"))
    assert Attempt(site, DIGEST, name).run(authzid=f"{name}@{DIGEST}") == "success"
    assert Attempt(site, DIGEST, name).run(authzid=f"juliet@{DIGEST}") == "invalid-authzid"


class Slix(slixmpp.ClientXMPP):
    """slixmpp, unmodified, held to this mechanism."""

    def __init__(self, cluster, jid, password):
        super().__init__(jid, password, sasl_mech="DIGEST-MD5")
        self.ca_certs = cluster.ca
        self.said = asyncio.get_running_loop().create_future()
        for event, word in (("session_start", "online"), ("failed_all_auth", "refused")):
            self.add_event_handler(event, lambda _, word=word: self.said.done() or self.said.set_result(word))


@pytest.mark.parametrize("password,expected", [("pencil", "online"), ("wrong", "refused")])
def test_slixmpp_speaks_it(site, slapd, unique, password, expected):
    name = slapd.add_person(unique("slix"), "pencil")

    async def story():
        client = Slix(site.cluster, f"{name}@{DIGEST}", password)
        client.connect((site.cluster.host, site.cluster.ports[0]))
        try:
            assert await asyncio.wait_for(client.said, 20) == expected
        finally:
            await client.disconnect()

    asyncio.run(story())
    if expected == "online":
        assert site.cluster.wait_event("sm-1", "login", account=f"{name}@{DIGEST}")["mechanism"] == "DIGEST-MD5"


# --- refusals -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other,expected,detail", [
    ({"realm": "elsewhere.example"}, "not-authorized", "another realm"),
    ({"realm": ""}, "not-authorized", "another realm"),
    ({"uri": "xmpp/elsewhere.example"}, "not-authorized", "another service"),
    ({"uri": f"imap/{DIGEST}"}, "not-authorized", "another service"),
    ({"uri": f"xmpp/elsewhere.example/{DIGEST}"}, "not-authorized", "another service"),
    ({"qop": "auth-int"}, "malformed-request", ""),
    ({"qop": "auth-conf"}, "malformed-request", ""),
    ({"nc": "00000002"}, "not-authorized", "not the first use of a nonce"),
    ({"nonce": "bm90aGluZyB0aGF0IHdhcyBzZW50"}, "not-authorized", ""),
    ({"digest": "0" * 32}, "not-authorized", ""),
    ({"digest": "0" * 31}, "malformed-request", ""),
    ({"charset": "latin-1"}, "malformed-request", ""),
    ({"more": ',username="juliet"'}, "malformed-request", ""),
    ({"more": ',x="'}, "malformed-request", ""),
    ({"more": f',x="{"y" * 2000}"'}, "malformed-request", ""),
    ({"more": "\0"}, "malformed-request", "")])
def test_what_does_not_fit_is_refused(site, slapd, unique, other, expected, detail):
    name = slapd.add_person(unique("bent"))
    assert Attempt(site, DIGEST, name).run(**other) == expected
    if detail:
        assert site.cluster.wait_event("sm-1", "login-refused", claimed=name)["detail"] == detail


@pytest.mark.parametrize("text", ["", ",", "username", 'username="a"', "=", "\xff", '"' * 100])
def test_malformed_responses(site, text):
    a = Attempt(site, DIGEST, "anybody")
    a.challenge()
    assert a.answer(text.encode("latin-1"))[0] == "malformed-request"
    a.c.close()


def test_a_wrong_password_a_hashed_one_and_nobodys_name_get_one_answer_at_one_price(site, slapd, unique):
    there = slapd.add_person(unique("there"), "pencil")
    hashed = slapd.add_person(unique("hashed"), "{SHA}" + b64(hashlib.sha1(b"pencil").digest()))
    for name in (there, hashed, unique("nobody")):
        said = []
        assert site.asked(lambda: said.append(Attempt(site, DIGEST, name, "wrong").run())) == (1, 0), name
        assert said == ["not-authorized"], name
    assert Attempt(site, DIGEST, 'no "name" @ all \\').run() == "not-authorized"
    assert Attempt(site, DIGEST, hashed, "{SHA}" + b64(hashlib.sha1(b"pencil").digest())).run() == "not-authorized", "nor is the digest the password"


def test_a_response_counts_once(site, slapd, unique):
    """Neither as the answer to another challenge, nor as what is sent with the choice (§2.2), nor again on the same connection."""
    name = slapd.add_person(unique("heard"), "pencil")
    a = Attempt(site, DIGEST, name, "pencil")
    a.challenge()
    heard = a.response()
    assert a.answer(heard)[0] == "success"
    a.c.close()
    b = Attempt(site, DIGEST, name, "pencil")
    assert local(b.challenge(b64(heard))) == "challenge", "a fresh one"
    assert b.answer(heard)[0] == "not-authorized"
    assert local(b.challenge()) == "challenge"
    assert b.answer(heard.replace("nc=00000001", "nc=00000002"))[0] == "not-authorized"
    b.c.send(f"<response xmlns='{SASL}'>{b64(heard)}</response>")
    assert local(b.c.sasl_answer()) == "failure", "no challenge is out"
    b.c.close()


def test_the_store_never_has_such_a_password(site, unique):
    """With both backends, accounts of the store have SCRAM keys, and no more."""
    name = unique("own")
    assert site.adduser(BOTH, name, "pencil").returncode == 0
    assert site.auth(BOTH, name, "pencil") == "success"
    assert Attempt(site, BOTH, name, "pencil").run() == "not-authorized"


def test_the_directorys_people_have_it_beside_the_stores(site, slapd, unique):
    name = slapd.add_person(unique("theirs"), "pencil")
    assert Attempt(site, BOTH, name, "pencil").run() == "success"


@pytest.mark.parametrize("attribute,value,expected", [("pwdEndTime", OLD, "account-disabled"), ("pwdReset", "TRUE", "credentials-expired")])
def test_the_state_of_the_entry_is_told_to_who_has_proved_the_password(site, slapd, unique, attribute, value, expected):
    name = slapd.add_person(unique("state"))
    slapd.change(name, attribute, value, "add")
    assert Attempt(site, DIGEST, name).run() == expected
    assert Attempt(site, DIGEST, name, "wrong").run() == "not-authorized"


def test_another_entry_of_the_same_name_is_another_person(site, slapd, unique):
    name = slapd.add_person(unique("reborn"), "pencil")
    assert Attempt(site, DIGEST, name, "pencil").run() == "success"
    slapd.delete(name)
    slapd.add_person(name, "pencil")
    assert Attempt(site, DIGEST, name, "pencil").run() == "not-authorized"


def test_wrong_responses_are_guesses_and_what_cannot_be_right_is_none(site, slapd, unique):
    name = slapd.add_person(unique("guessed"), "pencil")
    text = site.conf.read_text()
    site.conf.write_text("guesses_account = 3\nguesses_known = 3\n" + re.sub(r"(?m)^guesses_.*\n", "", text))
    assert site.cluster.ctl("sm-1", "reload").returncode == 0
    try:
        for _ in range(5):
            assert Attempt(site, DIGEST, name, "wrong").run(realm="elsewhere.example") == "not-authorized"
        assert [Attempt(site, DIGEST, name, "wrong").run() for _ in range(4)] == ["not-authorized"] * 3 + ["temporary-auth-failure"]
        site.cluster.wait_event("sm-1", "login-refused", claimed=name, detail="too many wrong guesses")
        assert site.asked(lambda: Attempt(site, DIGEST, name, "wrong").run()) == (0, 0), "the directory is not asked either"
    finally:
        site.conf.write_text(text)
        assert site.cluster.ctl("sm-1", "reload").returncode == 0


def test_no_secret_is_written_anywhere(site, slapd, unique):
    name, password = slapd.add_person(unique("hidden"), "kept-in-nobodys-log"), "kept-in-nobodys-log"
    assert Attempt(site, DIGEST, name, password).run() == "success"
    assert password.encode() not in site.files()
