"""Plans for tests: a cluster.conf in a folder of its own, bundles that are installed below it as deploy/PLAN.md says, processes started by their units."""
import atexit
import functools
import json
import os
import pathlib
import pwd
import re
import shutil
import socket
import stat
import subprocess
import tempfile
import threading
import time

from cluster import ROOT
from units import Unit
from xmpp import Client

PASSPHRASE = "correct horse battery staple"
CONF = """
internal_domain = "example.internal"
config_dir = "{dir}/etc"
state_dir = "{dir}/state"
run_dir = "{dir}/run"
log_dir = "{dir}/log"
programs = "{bin}"
zone "dmz" {{ kind = "dmz" }}
zone "office" {{ kind = "private" }}
host "gate-1" {{ zone = "dmz" address = {{"127.0.0.2"}} }}
host "core-1" {{ zone = "office" address = {{"127.0.0.3"}} }}
c2s "c2s-1" {{ host = "gate-1" user = "{user}" starttls_port = {p0} tls_port = {p1} link_port = {p2} }}
router "router-1" {{ host = "{router_host}" user = "{user}" link_port = {p3} }}
sm "sm-1" {{ host = "core-1" user = "{user}" }}
domain "example.com" {{ cert = "{dir}/tls/example.com.pem" key = "{dir}/tls/example.com.key" }}
{more}
"""


def user():
    """Whom processes run as: nobody special for root's tests, else ourselves."""
    return "daemon" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def binaries():
    for folder in (os.environ.get("SALLYPORT_BIN"), ROOT / "build/release", ROOT / "build/san"):
        if folder and (pathlib.Path(folder) / "sallyport-sm").exists():
            return reachable(pathlib.Path(folder).resolve())
    raise AssertionError("the executables are not built")


@functools.cache
def reachable(folder):
    """Where processes of other users may run them: a clone in root's home is nobody else's."""
    if all(p.stat().st_mode & stat.S_IXOTH for p in (folder, *folder.parents)):
        return folder
    copies = pathlib.Path(tempfile.mkdtemp(prefix="sp-"))
    atexit.register(shutil.rmtree, copies, ignore_errors=True)
    copies.chmod(0o755)
    for program in folder.glob("sallyport*"):
        shutil.copy(program, copies)
    return copies


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


class Plan:
    """A cluster.conf in a folder of its own, and what was made from it."""

    def __init__(self, router_host="core-1", more="", conf=None):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="sp-"))
        self.dir.chmod(0o755)
        self.bin = binaries()
        self.ports = free_ports(8)
        self.file = self.dir / "cluster.conf"
        self.out = self.dir / "plan"
        self.values = dict(dir=self.dir, bin=self.bin, user=user(), router_host=router_host, **{f"p{i}": p for i, p in enumerate(self.ports)})
        self.write(conf or CONF, more)
        self.passphrase = self.dir / "passphrase"
        self.passphrase.write_text(PASSPHRASE + "\n")
        self.passphrase.chmod(0o600)
        self.units = {}

    def write(self, conf=CONF, more=""):
        self.file.write_text(conf.format(more=more.format(**self.values), **self.values))

    def run(self, *args, check=True, input=None, passphrase=True):
        options = ["--passphrase-file", str(self.passphrase)] if passphrase else []
        done = subprocess.run([str(self.bin / "sallyportctl"), "plan", *options, *map(str, args)], capture_output=True, text=True, input=input,
                              timeout=60, cwd=self.dir)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def make(self, **options):
        return self.run(self.file, **options)

    def host(self, name):
        return self.out / "hosts" / name

    def manifest(self, host):
        for line in (self.host(host) / "manifest").read_text().splitlines():
            mode, owner, digest, path = line.split(" ", 3)
            yield int(mode, 8), owner, digest, path

    def install(self, *hosts):
        """With the commands of deploy/PLAN.md, for those files that are below our own folder."""
        loop = re.search(r"^while read.*?^done < manifest$", (ROOT / "deploy/PLAN.md").read_text(), re.S | re.M).group(0)
        if os.geteuid() != 0:
            loop = re.sub(r' -o "\S+" -g "\S+"', "", loop)
        for host in hosts:
            lines = [l for l in (self.host(host) / "manifest").read_text().splitlines() if f" {self.dir}" in l]
            (self.dir / "manifest").write_text("\n".join(lines) + "\n")
            subprocess.run(["sh", "-ec", loop.replace("< manifest", f"< {self.dir}/manifest")], cwd=self.host(host), check=True)

    def domain_certificate(self):
        tls = self.dir / "tls"
        tls.mkdir(exist_ok=True)
        run = lambda *args: subprocess.run(["certtool", *map(str, args)], check=True, capture_output=True)
        for name, template in (("ca", "ca\ncert_signing_key\n"), ("example.com", 'dns_name = "example.com"\ntls_www_server\nsigning_key\n')):
            (tls / f"{name}.tmpl").write_text(f'cn = "{name}"\nexpiration_days = 90\n{template}')
            run("--generate-privkey", "--key-type", "ecdsa", "--curve", "secp256r1", "--outfile", tls / f"{name}.key")
            (tls / f"{name}.key").chmod(0o644)
        run("--generate-self-signed", "--load-privkey", tls / "ca.key", "--template", tls / "ca.tmpl", "--outfile", tls / "ca.pem")
        run("--generate-certificate", "--load-privkey", tls / "example.com.key", "--load-ca-certificate", tls / "ca.pem", "--load-ca-privkey",
            tls / "ca.key", "--template", tls / "example.com.tmpl", "--outfile", tls / "example.com.pem")

    def folders(self):
        """What the service manager makes: RuntimeDirectory=, LogsDirectory=, StateDirectory=."""
        for kind in ("run", "log", "state"):
            for name in ("c2s-1", "c2s-2", "router-1", "sm-1"):
                folder = self.dir / kind / name
                folder.mkdir(parents=True, exist_ok=True)
                if os.geteuid() == 0:
                    shutil.chown(folder, user())

    def start(self, *names):
        """Starts processes by their units, ROLE-N each, and waits until all are ready."""
        self.folders()
        for name in names:
            for host in (self.out / "hosts").iterdir():
                units = host / "etc/systemd/system"
                role = name.split("-")[0]
                if (units / f"sallyport-{role}@{name}.service.d").exists():
                    self.units[name] = Unit(role, name, units, self.dir).start()
        for name in names:
            self.units[name].wait_ready()

    def ctl(self, *args, input=None):
        return subprocess.run([str(self.bin / "sallyportctl"), "--dir", str(self.dir / "run"), *args], capture_output=True, text=True, input=input, timeout=30)

    def reload(self, *names):
        """Has processes read their files again, and waits until they have; all of them when none is named."""
        names = names or tuple(self.units)
        assert all(self.units[n].service["ExecReload"] == ["/bin/kill -HUP $MAINPID"] for n in names)  # what systemctl reload does
        marks = {name: self.units[name].reload() for name in names}
        for name, mark in marks.items():
            self.units[name].wait_log("reload", after=mark)

    def client(self, name, address="127.0.0.2", ports=(0, 1)):
        return Client(address, self.ports[ports[0]], self.ports[ports[1]], str(self.dir / "tls/ca.pem"), "example.com", name, "secret")

    def close(self):
        for name in sorted(self.units):  # c2s while its clients' session manager is there
            self.units[name].stop()
        shutil.rmtree(self.dir, ignore_errors=True)


def serial_of(text):
    return subprocess.run(["openssl", "x509", "-noout", "-serial", "-issuer"], input=text, capture_output=True, text=True, check=True).stdout


def keys_in(text):
    return re.findall(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----(.*?)-----END", text, re.S)


# --- running ones -----------------------------------------------------------------------------------------------------


def talk(p):
    for name in ("alice", "bob"):
        done = p.ctl("adduser", f"{name}@example.com", input="secret\n")
        assert done.returncode in (0,), done.stderr
    alice, bob = (p.client(n).login(n[0], mechanism="SCRAM-SHA-256").online() for n in ("alice", "bob"))
    alice.send(f"<message to='{bob.jid}' type='chat' id='m1'><body>through the gate</body></message>")
    bob.expect("{jabber:client}message")
    alice.close()
    bob.close()


def running(plan, **options):
    """A plan that is made, installed and running."""
    p = plan(**options)
    p.make()
    p.domain_certificate()
    p.install("gate-1", "core-1")
    p.start("router-1", "sm-1", "c2s-1")
    return p


def link_state(p, process, peer):
    rows = json.loads(p.ctl("--json", process, "links").stdout)
    return next(r for r in rows if r["peer"].startswith(peer + "."))


def wait_for(what, sentence, seconds=20):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, sentence
        time.sleep(0.02)


class Load:
    """alice writes to bob without a pause, in a thread of its own, from here to stop(), which says whether each message came, once and in order."""

    def __init__(self, p):
        for name in ("alice", "bob"):
            p.ctl("adduser", f"{name}@example.com", input="secret\n")
        self.alice, self.bob = (p.client(n).login(n[0], mechanism="SCRAM-SHA-256").online() for n in ("alice", "bob"))
        self.count, self.error, self.is_over = 0, None, False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            while not self.is_over:
                batch = range(self.count, self.count + 10)
                for i in batch:
                    self.alice.message(self.bob.jid, str(i))
                for i in batch:
                    got = self.bob.expect("message", timeout=60).findtext("{jabber:client}body")
                    assert got == str(i), f"message {i} is lost, doubled or out of order: {got} came"
                self.count += 10
        except BaseException as e:  # told by stop()
            self.error = e

    def go_on(self):
        """Waits until messages that were sent from now on have come."""
        target = self.count + 20
        wait_for(lambda: self.error or self.count >= target, "messages come no more", 60)

    def stop(self):
        self.is_over = True
        self.thread.join(90)
        try:
            if self.error:
                raise self.error
            self.bob.expect_none("message")
        finally:
            self.alice.logout()
            self.bob.logout()
        return self.count
