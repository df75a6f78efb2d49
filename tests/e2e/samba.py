"""A real Samba as Active Directory domain controller. It stands for Active Directory in tests: the same schema, answers and sub-codes,
from another implementation.

Its ports are fixed (389, 636, 88, 464, 3268, 3269), so each server has an address of its own in 127.77.0.0/16, which loopback has without
being told. Provisioning a domain takes ten seconds of CPU: it is done once a session (fixture `provisioned`), servers run from copies."""
import base64
import os
import pathlib
import random
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from slapd import make_tls

REALM, SUFFIX = "CORP.EXAMPLE.COM", "DC=corp,DC=example,DC=com"
USERS = f"CN=Users,{SUFFIX}"
STAFF = f"OU=Staff,{SUFFIX}"
SERVICE = f"CN=sallyport,{USERS}"
FILTER = "(&(objectClass=user)(!(objectClass=computer))(sAMAccountName=%u))"
PORTS = (389, 636, 88, 464, 3268, 3269)
NORMAL, DISABLED, NEVER_EXPIRES = 512, 2, 65536  # userAccountControl
PASSWORD = "Passw0rd-of-all"

CONF = """
[global]
    netbios name = DC1
    realm = {realm}
    workgroup = CORP
    server role = active directory domain controller
    server services = ldap, kdc
    dcerpc endpoint servers =
    interfaces = {address}/8
    bind interfaces only = yes
    binddns dir = {dir}/bind-dns
    private dir = {dir}/private
    state directory = {dir}/state
    cache directory = {dir}/cache
    lock directory = {dir}/lock
    pid directory = {dir}/run
    ncalrpc dir = {dir}/ncalrpc
    winbindd socket directory = {dir}/winbindd
    ntp signd socket directory = {dir}/ntp
    usershare path =
    log file = {dir}/log
    max log size = 0
    tls certfile = {tls}/server.pem
    tls keyfile = {tls}/server.key
    tls cafile = {tls}/ca.pem
    dns update command = /bin/true
    spn update command = /bin/true
"""

# A password may be short and is never too young or too old; five guesses lock for half an hour.
POLICY = f"""dn: {SUFFIX}
changetype: modify
replace: pwdProperties
pwdProperties: 0
-
replace: minPwdAge
minPwdAge: 0
-
replace: lockoutDuration
lockoutDuration: -18000000000
-
replace: lockOutObservationWindow
lockOutObservationWindow: -18000000000
-
replace: lockoutThreshold
lockoutThreshold: 5

dn: {STAFF}
changetype: add
objectClass: organizationalUnit
ou: Staff

"""


def provision():
    """A folder with a domain that nobody serves yet, and its administrator's password. For Samba(...); to be removed by the caller."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"samba-{os.getpid()}-"))
    password = secrets.token_hex(12) + "-Aa1"
    done = subprocess.run(
        ["samba-tool", "domain", "provision", f"--targetdir={folder}/domain", f"--realm={REALM}", "--domain=CORP", "--host-name=dc1",
         "--host-ip=127.0.0.1", "--dns-backend=NONE", f"--adminpass={password}", "--server-role=dc", "--quiet"],
        env=dict(os.environ, TDB_NO_FSYNC="1"), capture_output=True, text=True)
    if done.returncode:
        shutil.rmtree(folder)
        raise AssertionError(done.stdout + done.stderr)
    return folder, password


def free_address():
    """One of loopback's, none of whose ports of a domain controller is taken."""
    for _ in range(100):
        address = f"127.77.{random.randrange(1, 255)}.{random.randrange(1, 255)}"
        try:
            for port in PORTS:
                with socket.socket() as s:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    s.bind((address, port))
            return address
        except OSError as e:
            why = e
    raise AssertionError(f"no address has the ports of a domain controller: {why}")


def unicode_password(password):
    """As the attribute unicodePwd wants it (MS-ADTS 3.1.1.3.1.5), for LDIF."""
    return base64.b64encode(f'"{password}"'.encode("utf-16-le")).decode()


def ldif_value(name, value):
    if value.isascii() and value.isprintable() and value[:1] not in " :<":
        return f"{name}: {value}\n"
    return f"{name}:: {base64.b64encode(value.encode()).decode()}\n"


def escape_rdn(value):
    """RFC 4514 §2.4"""
    return "".join("\\" + c if c in ',+"\\<>;=#' else c for c in value)


class Samba:
    def __init__(self, provisioned, tls=None):
        template, self.admin_password = provisioned
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"samba-{os.getpid()}-"))
        self.process = None
        try:
            self.address = free_address()
            self.tls = tls or self.folder / "tls"
            if not tls:
                self.tls.mkdir()
                make_tls(self.tls, ["127.0.0.1", self.address], days=90)
            shutil.copytree(template / "domain", self.folder / "dc")
            for name in ("run", "cache", "lock", "ncalrpc", "winbindd", "ntp"):
                (self.folder / "dc" / name).mkdir(exist_ok=True)
            self.conf = self.folder / "smb.conf"
            self.conf.write_text(CONF.format(realm=REALM, dir=self.folder / "dc", address=self.address, tls=self.tls))
            (self.tls / "server.key").chmod(0o600)  # it refuses others
            self.ldap, self.ldaps = f"ldap://{self.address}", f"ldaps://{self.address}"
            self.start()
            self.modify(POLICY)
            self.service_password = secrets.token_hex(12)
            self.add_user("sallyport", self.service_password, ou=USERS)
        except BaseException:
            self.close()
            raise

    def start(self):
        with open(self.folder / "out", "ab") as out:
            self.process = subprocess.Popen(
                ["/usr/sbin/samba", "-F", "--no-process-group", "-M", "single", "-s", str(self.conf), "--debug-stdout"],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=dict(os.environ, TDB_NO_FSYNC="1"))
        deadline = time.monotonic() + 60
        for port in PORTS:
            while True:
                try:
                    socket.create_connection((self.address, port), 1).close()
                    break
                except OSError:
                    if self.process.poll() is not None or time.monotonic() > deadline:
                        raise AssertionError("samba does not start: " + (self.folder / "out").read_text()[-2000:]) from None
                    time.sleep(0.05)
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        if self.process and self.process.poll() is None:
            self.go_on()
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def tool(self, program, *args, input=None, dn=f"Administrator@{REALM}", password=None):
        """ldapsearch and its kin, over ldaps, as the administrator or somebody else."""
        return subprocess.run([program, "-x", "-o", "nettimeout=30", "-H", self.ldaps, "-D", dn, "-w", password or self.admin_password, *args],
                              input=input, text=True, capture_output=True, env=dict(os.environ, LDAPTLS_CACERT=str(self.tls / "ca.pem")))

    def modify(self, ldif):
        done = self.tool("ldapmodify", input=ldif)
        assert done.returncode == 0, done.stderr

    def read(self, dn, *attributes):
        """The attributes of one entry: name to list of values, those in base64 decoded to bytes."""
        done = self.tool("ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-b", dn, "-s", "base", "(objectClass=*)", *attributes)
        assert done.returncode == 0, done.stderr
        found = {}
        for line in done.stdout.splitlines():
            name, _, value = line.partition(":")
            if value.startswith(":"):
                found.setdefault(name, []).append(base64.b64decode(value[1:]))
            elif value:
                found.setdefault(name, []).append(value.strip())
        return found

    def user_ldif(self, name, password=PASSWORD, cn=None, ou=STAFF, control=NORMAL | NEVER_EXPIRES, **attributes):
        cn = cn or name
        text = ldif_value("dn", f"CN={escape_rdn(cn)},{ou}") + "changetype: add\nobjectClass: user\n" + ldif_value("sAMAccountName", name)
        if password:
            text += f"unicodePwd:: {unicode_password(password)}\n"
        attributes.setdefault("userPrincipalName", f"{name}@{REALM.lower()}")
        return text + f"userAccountControl: {control}\n" + "".join(ldif_value(k, str(v)) for k, v in attributes.items()) + "\n"

    def add_user(self, name, password=PASSWORD, **options):
        """Returns the name. cn, ou, control (userAccountControl), and attributes by their names."""
        self.modify(self.user_ldif(name, password, **options))
        return name

    def add_group(self, name, members=(), ou=STAFF):
        """Returns its DN; members are DNs."""
        dn = f"CN={escape_rdn(name)},{ou}"
        text = ldif_value("dn", dn) + "changetype: add\nobjectClass: group\n" + ldif_value("sAMAccountName", name.replace(",", " "))
        self.modify(text + "".join(ldif_value("member", m) for m in members))
        return dn

    def dn(self, name, ou=STAFF):
        return f"CN={escape_rdn(name)},{ou}"

    def change(self, dn, attribute, *values):
        self.modify(ldif_value("dn", dn) + f"changetype: modify\nreplace: {attribute}\n" + "".join(ldif_value(attribute, str(v)) for v in values))

    def age_password(self, name):
        """Its password was set years ago. Only the system may say that (pwdLastSet is 0 or now to others): in the server's own files."""
        script = ("import sys, ldb; from samba import dsdb; from samba.samdb import SamDB; from samba.auth import system_session; from samba.param import LoadParm\n"
                  "db = SamDB(sys.argv[1], session_info=system_session(), lp=LoadParm(sys.argv[2]))\n"
                  "m = ldb.Message(db.search(expression='(sAMAccountName=%s)' % ldb.binary_encode(sys.argv[3]), attrs=[])[0].dn)\n"
                  "m['x'] = ldb.MessageElement('130000000000000000', ldb.FLAG_MOD_REPLACE, 'pwdLastSet')\n"
                  "db.modify(m, controls=['local_oid:%s:0' % dsdb.DSDB_CONTROL_BYPASS_PASSWORD_HASH_OID])\n")
        subprocess.run(["/usr/bin/python3", "-c", script, str(self.folder / "dc/private/sam.ldb"), str(self.conf), name], check=True, cwd="/",
                       env=dict(os.environ, TDB_NO_FSYNC="1"), capture_output=True)

    def delete(self, dn):
        self.modify(ldif_value("dn", dn) + "changetype: delete\n")

    def rename(self, dn, cn, ou=STAFF):
        """Gives the entry another CN; returns its new DN."""
        self.modify(ldif_value("dn", dn) + "changetype: modrdn\n" + ldif_value("newrdn", f"CN={escape_rdn(cn)}") + "deleteoldrdn: 1\n")
        return f"CN={escape_rdn(cn)},{ou}"

    def ask(self, *args, **keys):
        """What sm/directory itself finds (ask_directory.c): its lines, split at the first colon."""
        values = {"uri": self.ldaps, "ca": f"{self.tls}/ca.pem", "bind_dn": SERVICE, "bind_password": self.service_password, "base": SUFFIX,
                  "filter": FILTER, **keys}
        build = os.environ.get("SALLYPORT_BIN") or pathlib.Path(__file__).resolve().parent.parent.parent / "build/san"
        done = subprocess.run([f"{build}/e2e/ask_directory", *[f"{k}={v}" for k, v in values.items()], *map(str, args)], capture_output=True, text=True,
                              timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return [tuple(line.split(": ", 1)) for line in done.stdout.splitlines()]

    def section(self, name="corp", uris=None, **keys):
        """The section of sm.conf for it; keys replace or add, None leaves one out."""
        secret = self.folder / "service"
        secret.write_text(self.service_password + "\n")
        secret.chmod(0o600)
        values = {"ca": f'"{self.tls}/ca.pem"', "bind_dn": f'"{SERVICE}"', "bind_password_file": f'"{secret}"', "base": f'"{SUFFIX}"',
                  "filter": f'"{FILTER}"', "key_attribute": '"objectGUID"'}
        values.update(keys)
        uris = ", ".join(f'"{u}"' for u in (uris or [self.ldaps]))
        return f'directory "{name}" {{\n    uris = {{{uris}}}\n' + "".join(f"    {k} = {v}\n" for k, v in values.items() if v is not None) + "}\n"
