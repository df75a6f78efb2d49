"""A cluster whose hosts have a directory, the store, or both, and a real slapd that holds what SCRAM needs. c2s-1 stands inside, c2s-2 in the DMZ."""
import base64
import hashlib
import hmac
import os
import pathlib
import re
import sqlite3
import time

from slapd import SERVICE, Slapd
from test_sasl import condition
from xmpp import SASL, local, q

INSIDE, DMZ = 1, 2
SCHEMA = """
attributetype ( 1.3.6.1.4.1.4203.1.3.4 NAME 'authPassword' EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 )
objectclass ( 1.3.6.1.4.1.4203.1.4.7 NAME 'authPasswordObject' SUP top AUXILIARY MAY authPassword )
"""
ACL = f'access to attrs=userPassword by dn="{SERVICE}" read by anonymous auth by * none'


def directory():
    """slapd that shows the service account secrets of its people."""
    return Slapd(conf=SCHEMA, acl=ACL)


def rfc5803(mechanism, password, iterations=4096, salt=None):
    """A value of authPassword."""
    digest = mechanism[6:].lower().replace("-", "")
    salt = salt or os.urandom(16)
    salted = hashlib.pbkdf2_hmac(digest, password.encode(), salt, iterations)
    client = hmac.new(salted, b"Client Key", digest).digest()
    b64 = lambda data: base64.b64encode(data).decode()
    stored, server = hashlib.new(digest, client).digest(), hmac.new(salted, b"Server Key", digest).digest()
    return f"{mechanism}${iterations}:{b64(salt)}${b64(stored)}:{b64(server)}"


class Site:
    """hosts: domain -> (lines of its section, keys of its directory; None: it has none)."""

    def __init__(self, make, slapd, hosts):
        self.slapd = slapd
        domains = [word for d in hosts for word in ("--domain", d)]
        self.cluster = make(*domains, "--c2s", "2", "--log-level", "debug")
        self.conf = self.cluster.folder / "conf/sm-1.conf"
        text = re.sub(r"(?m)^inside = .*$", 'inside = {"c2s-1.cluster.internal"}', self.conf.read_text())
        for domain, (lines, keys) in hosts.items():
            name = domain.split(".")[0]
            more = f'    directory = "{name}"\n' if keys is not None else ""
            text = text.replace(f'host "{domain}" {{\n', f'host "{domain}" {{\n{lines}\n{more}')
            if keys is not None:
                text = slapd.section(name, refuse_after="100ms", **keys) + text
        self.conf.write_text(text)
        self.cluster.kill("sm-1")
        self.cluster.start("sm-1")
        self.until(lambda: "up" in self.cluster.ctl("sm-1", "ldap", "status").stdout and " new " not in self.cluster.ctl("sm-1", "ldap", "status").stdout)

    def until(self, is_true, seconds=20):
        deadline = time.monotonic() + seconds
        while not is_true():
            assert time.monotonic() < deadline, "it never became true\n" + self.cluster.audit("sm-1")[-2000:]
            time.sleep(0.05)

    def client(self, domain, name=None, password="secret", c2s=INSIDE):
        c = self.cluster.client(domain=domain, c2s=c2s)
        c.name, c.password = name, password
        return c

    def offered(self, domain, c2s=INSIDE):
        found = self.client(domain, c2s=c2s).direct().find(q(SASL, "mechanisms"))
        return [] if found is None else [m.text for m in found if not m.text.endswith("-PLUS")]

    def auth(self, domain, name, password="secret", mechanism="SCRAM-SHA-256", c2s=INSIDE, **options):
        """"success", or the condition of the failure."""
        c = self.client(domain, name, password, c2s)
        c.direct()
        answer = c.auth_plain() if mechanism == "PLAIN" else c.auth_scram(mechanism, **options)
        c.close()
        return "success" if local(answer) == "success" else condition(answer)

    def adduser(self, domain, name, password="secret"):
        return self.cluster.ctl("sm-1", "adduser", f"{name}@{domain}", input=password + "\n")

    def metric(self, name):
        text = self.cluster.ctl("sm-1", "metrics").stdout
        return int(re.search(rf"^sallyport_sm_directory_{name}_total (\d+)", text, re.M)[1])

    def asked(self, what):
        """(searches, binds) that this took."""
        before = self.metric("searches"), self.metric("binds")
        what()
        return self.metric("searches") - before[0], self.metric("binds") - before[1]

    def copy(self):
        """A copy of the store, made while it is used."""
        name = f"copy-{time.monotonic_ns()}"
        assert self.cluster.ctl("sm-1", "store", "backup", name).returncode == 0
        return pathlib.Path(re.search(r'(?m)^store_path = "(.*)"', self.conf.read_text())[1]).parent / name

    def secrets(self, account):
        """mechanism -> (keys, mark) in the store."""
        path = self.copy()
        db = sqlite3.connect(path)
        try:
            return {m: (s, k) for m, s, k in db.execute("SELECT mechanism, secret, mark FROM secret WHERE jid = ?", (account,))}
        finally:
            db.close()
            path.unlink()

    def files(self):
        """All that the session manager has written: store, write-ahead log, logs."""
        folder = pathlib.Path(re.search(r'(?m)^store_path = "(.*)"', self.conf.read_text())[1]).parent
        found = [p for p in (*folder.iterdir(), *(self.cluster.folder / "log").iterdir()) if p.is_file()]
        return b"".join(p.read_bytes() for p in found)
