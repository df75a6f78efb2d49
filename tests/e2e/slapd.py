"""A real OpenLDAP server for tests: a folder, ports and a socket of its own, TLS, the overlays ppolicy and memberof."""
import importlib.machinery
import importlib.util
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

SUFFIX = "dc=example,dc=org"
ADMIN, ADMIN_PASSWORD = f"cn=admin,{SUFFIX}", "rootpw"
SERVICE, SERVICE_PASSWORD = f"cn=sallyport,{SUFFIX}", "service secret"

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def load_script(path):
    """A program of deploy/ as a module."""
    loader = importlib.machinery.SourceFileLoader(path.name.replace("-", "_"), str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


local = load_script(ROOT / "deploy/local-slapd")  # how a slapd is set up and started

BASE = f"""dn: {SUFFIX}
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: {SERVICE}
objectClass: applicationProcess
objectClass: simpleSecurityObject
cn: sallyport
userPassword: {SERVICE_PASSWORD}
pwdPolicySubentry: cn=none,{SUFFIX}

dn: cn=none,{SUFFIX}
objectClass: device
objectClass: pwdPolicy
cn: none
pwdAttribute: userPassword

dn: cn=default,{SUFFIX}
objectClass: device
objectClass: pwdPolicy
cn: default
pwdAttribute: userPassword
pwdMaxAge: 86400
pwdLockout: TRUE
pwdMaxFailure: 5
pwdMustChange: TRUE

dn: ou=people,{SUFFIX}
objectClass: organizationalUnit
ou: people
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def openssl(folder, *args):
    subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)


def certify(folder, name, subject, *names, ca="ca", days=30, start=None):
    """A certificate and its key, NAME.pem and NAME.key: names as openssl has them (DNS:…, IP:…); start: some days ago, and over since."""
    openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
            "-subj", subject)
    (folder / f"{name}.ext").write_text(f"subjectAltName={','.join(names)}\n" if names else "")
    if start:
        times = [time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() - d * 86400)) for d in (start, 1)]
        (folder / f"{name}.db").write_text("")
        (folder / f"{name}.cnf").write_text(f"[ca]\ndefault_ca=c\n[c]\ndatabase={name}.db\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\n"
                                            "policy=p\nemail_in_dn=no\n[p]\ncommonName=supplied\n")
        openssl(folder, "ca", "-batch", "-config", f"{name}.cnf", "-cert", f"{ca}.pem", "-keyfile", f"{ca}.key", "-in", f"{name}.csr", "-out", f"{name}.pem",
                "-startdate", times[0], "-enddate", times[1], "-extfile", f"{name}.ext", "-notext")
    else:
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial", "-out", f"{name}.pem",
                "-days", str(days), "-extfile", f"{name}.ext")


def make_tls(folder, addresses=("127.0.0.1",), days=30):
    """A CA and a certificate for the addresses and localhost; another CA that signed nothing."""
    for ca in ("ca", "other-ca"):
        openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{ca}.key", "-out", f"{ca}.pem",
                "-subj", f"/CN={ca}", "-days", "30")
    names = {"localhost", socket.gethostname(), socket.getfqdn()}  # libldap's tools take localhost for the machine's own name
    certify(folder, "server", "/CN=directory", *(f"IP:{a}" for a in addresses), *(f"DNS:{n}" for n in sorted(names)), days=days)


class Slapd:
    def __init__(self, tls=None, certificate="server", conf="", more="", acl=""):
        """tls: the folder of another one's CA and certificates; conf, more: further lines for the server, for the database;
        acl: rules of access before ours."""
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"slapd-{os.getpid()}-"))
        self.tls = tls or self.folder
        if not tls:
            make_tls(self.folder)
        (self.folder / "db").mkdir()
        self.conf = self.folder / "slapd.conf"
        self.conf.write_text(local.configuration(
            self.folder, SUFFIX, ADMIN, ADMIN_PASSWORD, SERVICE, f"{self.tls}/ca.pem", f"{self.tls}/{certificate}.pem", f"{self.tls}/{certificate}.key",
            conf=conf, overlays=acl, more=more))
        self.port, self.tls_port = free_port(), free_port()
        self.ldap = f"ldap://127.0.0.1:{self.port}"
        self.ldaps = f"ldaps://127.0.0.1:{self.tls_port}"
        self.ldapi = local.ldapi(self.folder)
        self.process = None
        self.add_offline(BASE)
        self.start()

    def add_offline(self, ldif):
        local.load(self.folder, ldif)

    def start(self):
        self.process = local.launch(self.folder, [self.ldap, self.ldaps], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        if self.process.poll() is None:
            self.go_on()
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def modify(self, ldif):
        done = subprocess.run(["ldapmodify", "-x", "-H", self.ldapi, "-D", ADMIN, "-w", ADMIN_PASSWORD, "-e", "relax"], input=ldif, text=True,
                              capture_output=True)
        assert done.returncode == 0, done.stderr

    def add_person(self, uid, password="secret", more="", dn=None):
        self.modify(f"dn: {dn or f'uid={uid},ou=people,{SUFFIX}'}\nchangetype: add\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {uid}\nsn: x\n"
                    f"userPassword: {password}\n{more}")
        return uid

    def delete(self, uid):
        self.modify(f"dn: uid={uid},ou=people,{SUFFIX}\nchangetype: delete\n")

    def change(self, uid, attribute, value, verb="replace"):
        self.modify(f"dn: uid={uid},ou=people,{SUFFIX}\nchangetype: modify\n{verb}: {attribute}\n{attribute}: {value}\n")

    def section(self, name="corp", uris=None, **keys):
        """The section of sm.conf for it; keys replace or add, None leaves one out."""
        secret = self.folder / "service"
        secret.write_text(SERVICE_PASSWORD + "\n")
        secret.chmod(0o600)
        values = {"ca": f'"{self.tls}/ca.pem"', "bind_dn": f'"{SERVICE}"', "bind_password_file": f'"{secret}"', "base": f'"ou=people,{SUFFIX}"',
                  "filter": '"(&(objectClass=inetOrgPerson)(uid=%u))"'}
        values.update(keys)
        uris = ", ".join(f'"{u}"' for u in ([self.ldaps] if uris is None else uris))
        return f'directory "{name}" {{\n    uris = {{{uris}}}\n' + "".join(f"    {k} = {v}\n" for k, v in values.items() if v is not None) + "}\n"
