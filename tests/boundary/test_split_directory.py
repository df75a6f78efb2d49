"""The directory stands inside: a real slapd in the private network, planned as a service. People of it log in in the office, the store's accounts from
the Internet, and nothing of LDAP, no credential of the directory and no password of its people is in the DMZ, nor of those who use SCRAM. What is
planted there is found."""
import secrets
import socket
import subprocess
import time

import pytest

import netldap
import slapd
from netcapture import plain_text
from netcheck import Finding, check
from netldap import check_ldap
from netsecrets import MECHANISMS, Search, scram_secrets, secret, store_rows
from netsplit import DOMAIN, Split
from network import can_run
from netstory import key_parts
from netwitness import Witness
from xmpp import SASL, local, q

pytestmark = pytest.mark.skipif(not can_run(), reason="needs root and namespaces")
# People of the directory: of STAFF inside by PLAIN and then by SCRAM from outside, too; of INNER inside alone; LAX lets PLAIN through the DMZ.
STAFF, INNER, LAX = "staff.example.com", "inner.example.com", "lax.example.com"
LDAP = "ldap-1"
SERVICE = 'service "directory" {{ kind = "ldap" zone = "office" address = {{"{address}"}} }}'
PEOPLE = """domain "{name}" {{
    cert = "/etc/sallyport/tls/example.com.pem"
    key = "/etc/sallyport/tls/example.com.key"
    mechanisms = {{"PLAIN"}}
    {more}
    settings = {{'auth = {{"ldap"}}', 'directory = "corp"'}}
}}"""
LONG_AGO = "20260101000000Z"
POLICY = (f"dn: cn=default,{slapd.SUFFIX}\nchangetype: modify\nreplace: pwdMaxAge\npwdMaxAge: 999999999\n-\n"
          "replace: pwdMustChange\npwdMustChange: FALSE\n")
SECTION = ("directory corp {", 'uris = {"ldaps://ADDRESS"}', 'ca = "/etc/sallyport/directory-ca.pem"', f'bind_dn = "{slapd.SERVICE}"',
           'scram = {"derived"}', 'bind_password_file = "/etc/sallyport/sm-1/secret/directory"', f'base = "ou=people,{slapd.SUFFIX}"', 'filter = "(uid=%u)"', "}")


class PlacedSlapd(slapd.Slapd):
    """slapd whose sockets are of a host of the network."""

    def __init__(self, place, address, folder):
        self.place, self.address = place, address
        slapd.make_tls(folder, (address,))
        super().__init__(tls=folder)

    def start(self):
        self.ldaps = f"ldaps://{self.address}"
        with self.place.inside():  # what is started within is there, too
            self.process = slapd.local.launch(self.folder, [self.ldaps], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self


class Office:
    """A cluster with a directory that people use, and its witnesses."""

    def __init__(self, layout):
        self.slapd, self.known = None, set()
        self.passwords = {n: f"{n}'s password {secrets.token_hex(8)}" for n in ("alice", "dora", "emil", "lax")}
        self.split = Split(layout, more=self.sections, others={LDAP: "office"}, domains=(DOMAIN, STAFF, INNER, LAX), sm=self.section())
        try:
            self.serve()
            self.witness = Witness(self.split).start()
            self.split.start(SSLKEYLOGFILE="/var/log/sallyport/%i/tls-keys")
        except BaseException:
            self.close()
            raise

    def sections(self, address):
        dmz = {STAFF: 'mechanisms_dmz = {"SCRAM-SHA-256"}', INNER: "", LAX: 'mechanisms_dmz = {"PLAIN"}'}
        return "\n".join((SERVICE.format(address=address(LDAP)), *(PEOPLE.format(name=n, more=m) for n, m in dmz.items())))

    def section(self):
        lines = ", ".join(f"'{line}'" for line in SECTION)
        return lambda address: f"settings = {{{lines}}}".replace("ADDRESS", address(LDAP))

    def serve(self):
        tls = self.split.folder / "directory"
        tls.mkdir()
        core = self.split.hosts["core-1"]
        self.slapd = PlacedSlapd(self.split.network.hosts[LDAP], self.split.network.address(LDAP), tls)
        self.slapd.modify(POLICY)
        for name in ("dora", "emil", "lax"):
            self.slapd.add_person(name, self.passwords[name])
            self.slapd.change(name, "pwdChangedTime", LONG_AGO)  # of a password of this second no keys are derived
        core.write("/etc/sallyport/directory-ca.pem", (tls / "ca.pem").read_bytes())
        core.write("/etc/sallyport/sm-1/secret/directory", slapd.SERVICE_PASSWORD, 0o640, "root:sallyport-sm")

    # --- people ---

    def client(self, name, host, domain=STAFF):
        return self.split.client(name, self.passwords[name], host, domain=domain)

    def use(self):
        """alice from the Internet by SCRAM, dora in the office by a bind, and then from the Internet by keys that were derived of it: they talk.
        Then the sm dies, and all come back."""
        self.split.adduser("alice", self.passwords["alice"])
        self.meet()
        self.client("emil", "core-2", INNER).login("e", "PLAIN").logout()
        wrong = self.split.client("emil", f"not {self.passwords['emil']}", "core-2", domain=STAFF)
        wrong.direct()
        assert local(wrong.auth_plain()) == "failure"
        self.split.hosts["core-1"].kill("sm-1")
        self.split.hosts["core-1"].start("sm-1")
        self.meet()

    def meet(self):
        alice = self.client("alice", "gate-1", DOMAIN).login("a", "SCRAM-SHA-256").online()
        dora = self.client("dora", "core-2").login("d", "PLAIN").online()
        self.await_derived()
        outside = self.client("dora", "gate-2").login("o", "SCRAM-SHA-256").online()
        self.said = f"from dora {secrets.token_hex(8)}"
        for sender, to, body in ((dora, alice, self.said), (alice, dora, "hello"), (alice, outside, "out there?")):
            sender.message(to.jid, body)
            to.expect("message", body=body)
        for c in (alice, dora, outside):
            c.logout()

    def await_derived(self):
        """The keys are made behind the login."""
        deadline = time.monotonic() + 20
        while len(self.keys()) < len(MECHANISMS) * 2:
            assert time.monotonic() < deadline, "no keys are derived"
            time.sleep(0.05)

    def keys(self):
        """(jid, mechanism, how the store has it) of all keys: alice's own, and dora's that were derived."""
        folder = self.split.hosts["core-1"].file("/var/lib/sallyport/sm-1")
        return store_rows(folder, self.split.folder, "SELECT jid, mechanism, secret FROM secret")

    # --- evidence ---

    def secrets(self):
        found = [secret(f"password of {n}", p) for n, p in self.passwords.items()]
        found += [secret("service account's password", slapd.SERVICE_PASSWORD), secret("service account's name", slapd.SERVICE),
                  secret("base of people", f"ou=people,{slapd.SUFFIX}"), secret("administrator's password", slapd.ADMIN_PASSWORD + slapd.SUFFIX)]
        found += key_parts("key of the directory's server", self.slapd.tls / "server.key")
        rows = self.keys()
        assert {jid for jid, _, _ in rows} >= {f"alice@{DOMAIN}", f"dora@{STAFF}"}
        for jid, mechanism, text in rows:
            found += scram_secrets(jid, self.passwords[jid.split("@")[0]], mechanism, text)
        return found

    def look(self):
        """What is found that was not there before."""
        evidence = self.witness.evidence(is_last=False)
        mark = secret("what dora said", self.said, "wire:gate-1", "memory:c2s-1")
        found = check(evidence, self.witness.declared, Search([*self.secrets(), mark], self.split.folder), {"wire:gate-1": [mark]})
        found += check_ldap(evidence, self.split.network.zones)
        news = [f for f in found if f not in self.known]
        self.known.update(news)
        return news

    def at_directory(self):
        """Bytes that crossed the directory's cable, TLS opened."""
        path = self.witness.folder / f"{LDAP}.copy"
        return b"\n".join(plain_text(path, self.witness.folder / "tls-keys").text.values())

    def close(self):
        try:
            self.split.close()
        finally:
            if self.slapd:
                self.slapd.close()


@pytest.fixture(scope="module")
def office():
    o = Office("a")  # in layout b the office's c2s counts as one of the DMZ: nobody could bind
    try:
        o.use()
        o.honest = o.look()
        yield o
    finally:
        o.close()


def test_nothing_of_the_directory_is_in_the_dmz(office):
    assert office.honest == []
    assert office.witness.undeclared() == 0


def test_the_same_search_sees_ldap_and_its_credentials_where_they_belong(office, tmp_path):
    text = office.at_directory()
    assert {"bindRequest", "bindResponse", "searchRequest", "searchResEntry"} <= set(netldap.messages(text))
    known = [secret(n, v) for n, v in (("service", slapd.SERVICE_PASSWORD), ("dora", office.passwords["dora"]), ("alice", office.passwords["alice"]))]
    assert {s.name for s in Search(known, tmp_path).find([text])} == {"service", "dora"}


def test_only_the_session_manager_s_host_may_reach_the_directory(office):
    rows = [r for r in office.split.flows if r["to_address"] == office.split.network.address(LDAP)]
    assert {(r["from_host"], r["port"]) for r in rows} == {("core-1", "636")}
    assert office.witness.dials("core-1")[office.split.network.address("core-1"), office.split.network.address(LDAP), 636] > 0


@pytest.mark.parametrize("domain, names", [(STAFF, {"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}), (INNER, set())])
def test_people_of_the_directory_are_not_offered_plain_in_the_dmz(office, domain, names):
    c = office.client("dora", "gate-1", domain)
    offered = c.direct().find(q(SASL, "mechanisms"))
    assert {m.text for m in offered if m.tag == q(SASL, "mechanism")} == names if names else offered is None or len(offered) == 0
    assert local(c.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>AG5vYm9keQB4</auth>").sasl_answer()) == "failure"
    assert office.look() == []


# --- control runs: what is planted is named ----------------------------------------------------------------------------------


def test_a_host_that_lets_plain_through_the_dmz_is_found(office):
    c = office.client("lax", "gate-1", LAX).login("x", "PLAIN")
    found = office.look()
    c.logout()
    assert Finding("secret", "wire:gate-1", "password of lax") in found
    assert {(f.kind, f.what) for f in found} == {("secret", "password of lax")}
    assert office.look() == []


def test_a_bind_from_the_dmz_is_found(office):
    """As the service account, in clear: the server hangs up, as it waits for TLS, but the words have crossed."""
    name, word = slapd.SERVICE.encode(), slapd.SERVICE_PASSWORD.encode()
    value = b"\x02\x01\x03\x04" + bytes([len(name)]) + name + b"\x80" + bytes([len(word)]) + word
    operation = b"\x60" + bytes([len(value)]) + value
    with office.split.hosts["gate-1"].inside():
        s = socket.create_connection((office.split.network.address(LDAP), 636), 10)
    with s:
        s.sendall(b"\x30" + bytes([len(operation) + 3]) + b"\x02\x01\x01" + operation)
        s.settimeout(10)
        while s.recv(4096):
            pass
    found = office.look()
    assert {f.kind for f in found} == {"ldap", "inward", "undeclared", "secret"}
    assert {Finding("ldap", "wire:gate-1", "bindRequest"), Finding("secret", "wire:gate-1", "service account's password"),
            Finding("secret", "wire:gate-1", "service account's name")} <= set(found)


def test_a_file_with_the_service_account_is_found(office):
    office.split.hosts["gate-2"].write("/var/tmp/planted", f"bind_dn = {slapd.SERVICE}\n")
    assert office.look() == [Finding("secret", "file:gate-2", "service account's name")]
