"""The recipes of deploy/directory/, exactly as they stand there: only servers, CA and the secret's file are the test's own."""
import pathlib
import re
import secrets
import shutil
import subprocess
import tempfile

import pytest

import slapd
from cluster import ROOT, Cluster
from samba import SUFFIX, Samba, unicode_password
from test_sasl import condition
from xmpp import local

RECIPES = ROOT / "deploy/directory"
WRONG = "not-authorized"


class OpenLdap:
    """A server with nothing but the root of its tree, into which a recipe's LDIF is loaded."""

    SUFFIX, ADMIN = "dc=example,dc=com", "cn=admin,dc=example,dc=com"

    def __init__(self, service, schemas=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="slapd-recipe-"))
        self.tls = self.folder
        slapd.make_tls(self.folder)
        (self.folder / "db").mkdir()
        self.secret = secrets.token_hex(12)
        self.conf = self.folder / "slapd.conf"
        self.conf.write_text(slapd.local.configuration(
            self.folder, self.SUFFIX, self.ADMIN, self.secret, service, f"{self.folder}/ca.pem",
            f"{self.folder}/server.pem", f"{self.folder}/server.key", conf="".join(f"include {s}\n" for s in schemas)))
        slapd.local.load(self.folder, f"dn: {self.SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n")
        self.url = f"ldaps://127.0.0.1:{slapd.free_port()}"
        self.process = slapd.local.launch(self.folder, [self.url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def run(self, program, *args, input=None):
        subprocess.run([program, "-x", "-H", slapd.local.ldapi(self.folder), "-D", self.ADMIN, "-w", self.secret, *args], input=input, text=True,
                       check=True, capture_output=True)

    def load(self, ldif):
        self.run("ldapadd", "-f", str(ldif))

    def set_password(self, dn, password):
        self.run("ldappasswd", "-s", password, dn)

    def close(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder)


class ActiveDirectory(Samba):
    @property
    def url(self):
        return self.ldaps

    def load(self, ldif):
        self.modify(ldif.read_text())

    def set_password(self, dn, password):
        self.modify(f"dn: {dn}\nchangetype: modify\nreplace: unicodePwd\nunicodePwd:: {unicode_password(password)}\n")
        self.change(dn, "userAccountControl", 512)


class Site:
    """A cluster with a recipe's sections."""

    def __init__(self, server, conf, passwords):
        text = (RECIPES / conf).read_text()
        self.domain = re.search(r'^host "(.*)"', text, re.M)[1]
        self.passwords = passwords
        secret = server.folder / "recipe-secret"
        secret.write_text(passwords["service"] + "\n")
        secret.chmod(0o600)
        for pattern, own in ((r"uris = \{.*\}", f'uris = {{"{server.url}"}}'), (r"/etc/sallyport/directory-ca\.pem", f"{server.tls}/ca.pem"),
                             (r"/etc/sallyport/secret/directory", str(secret))):
            text, count = re.subn(pattern, own, text)
            assert count == 1, pattern
        self.cluster = Cluster("--domain", self.domain)
        try:
            conf = self.cluster.folder / "conf/sm-1.conf"
            conf.write_text(re.sub(r"^host .*?^\}\n", "", conf.read_text(), flags=re.S | re.M) + text)
            self.cluster.kill("sm-1")
            self.cluster.start("sm-1")
        except BaseException:
            self.cluster.down()
            raise

    def auth(self, name, password=None):
        """A machine that is too busy for the directory is asked again, as a client would."""
        for _ in range(10):
            c = self.cluster.client()
            c.direct()
            answer = c.auth_plain(name=name, password=password or self.passwords[name])
            c.close()
            said = "success" if local(answer) == "success" else condition(answer)
            if said != "temporary-auth-failure":
                break
        return said

    def explain(self, name):
        return self.cluster.ctl("sm-1", "ldap", "explain", f"{name}@{self.domain}")


def tried(server, recipe, dns):
    """Loads the LDIF, gives everybody a password and runs a cluster. dns: login name (or "service") to DN."""
    try:
        server.load(RECIPES / f"{recipe}.ldif")
        passwords = {name: secrets.token_hex(8) for name in dns}
        for name, dn in dns.items():
            server.set_password(dn, passwords[name])
        site = Site(server, f"{recipe}.conf", passwords)
    except BaseException:
        server.close()
        raise
    return site


def check_everybody(site, expected):
    for name, answer in expected.items():
        assert site.auth(name) == answer, name
        assert site.auth(name, "wrong") == WRONG
        assert (site.explain(name).returncode == 0) == (answer == "success"), site.explain(name)
    assert site.auth("*", "x") == WRONG


def test_openldap():
    people, service = "ou=people,dc=example,dc=com", "cn=sallyport,ou=services,dc=example,dc=com"
    server = OpenLdap(service)
    site = tried(server, "openldap", {"service": service, "juliet": f"uid=juliet,{people}",
                                      "romeo": f"uid=romeo,{people}", "jürgen": f"cn=Müller\\, Jürgen,{people}"})
    try:
        check_everybody(site, {"juliet": "success", "jürgen": "success", "romeo": WRONG})
        site.cluster.wait_event("sm-1", "login-refused", claimed="romeo", detail="not in a group that may log in")
    finally:
        site.cluster.down()
        server.close()


def test_freeipa():
    service = "uid=sallyport,cn=sysaccounts,cn=etc,dc=example,dc=com"
    server = OpenLdap(service, ["/etc/ldap/schema/nis.schema", RECIPES / "freeipa.schema"])
    users = "cn=users,cn=accounts,dc=example,dc=com"
    names = ("juliet", "romeo", "mercutio", "tybalt")
    site = tried(server, "freeipa", {"service": service, **{n: f"uid={n},{users}" for n in names}})
    try:
        check_everybody(site, {"juliet": "success", "romeo": WRONG, "mercutio": "account-disabled", "tybalt": "account-disabled"})
        assert "5f1e9c5a-54c8-11ee-8c99-0242ac120002" in site.explain("juliet").stdout  # the key is ipaUniqueID
    finally:
        site.cluster.down()
        server.close()


def test_active_directory(provisioned):
    server = ActiveDirectory(provisioned)
    tries = f"OU=Chat try,{SUFFIX}"
    site = tried(server, "active-directory", {"juliet": f"CN=Capulet\\, Juliet,{tries}", "romeo": f"CN=Romeo Montague,{tries}",
                                              "service": f"CN=sallyport,CN=Users,{SUFFIX}"})
    try:
        check_everybody(site, {"juliet": "success", "romeo": WRONG})
        assert site.auth("jürgen", "x") == WRONG  # has no password yet
        site.cluster.wait_event("sm-1", "login-refused", claimed="romeo", detail="not in a group that may log in")
    finally:
        site.cluster.down()
        server.close()
