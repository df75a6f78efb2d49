"""A cluster for tests, started and ended through deploy/local-cluster as any user would."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

from xmpp import Client

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SANITIZER_MARKS = ("ERROR: AddressSanitizer", "runtime error:", "ERROR: LeakSanitizer", "assertion failed", "==    at 0x")  # the last is valgrind's


def wrapping():
    """Options for `up`: every process runs under the command in SALLYPORT_WRAP (make valgrind)."""
    command = os.environ.get("SALLYPORT_WRAP")
    return [f"--wrap={role}:{command}" for role in ("router", "c2s", "sm")] if command else []


def storing():
    """Options for `up`: SALLYPORT_STORE=postgresql runs every test on that store, as far as it does not say otherwise itself."""
    store = os.environ.get("SALLYPORT_STORE")
    return ["--store", store] if store else []


class Cluster:
    """host, port, tls_port, ca, domain, component…: what `local-cluster env` says."""

    def __init__(self, *options):
        self.dir = tempfile.mkdtemp(prefix="sp-")
        self.folder = pathlib.Path(self.dir) / "c"
        try:
            self.run("up", "--port-base", "0", *wrapping(), *storing(), *options, timeout=180)
        except BaseException:
            shutil.rmtree(self.dir, ignore_errors=True)
            raise
        self.users = {}
        self.clients = []
        self.refresh()

    def run(self, verb, *args, timeout=120, check=True):
        done = subprocess.run([str(ROOT / "deploy/local-cluster"), verb, "--dir", str(self.folder), *map(str, args)],
                              capture_output=True, text=True, timeout=timeout)
        if check and done.returncode:
            raise AssertionError(f"local-cluster {verb}: {done.stdout}{done.stderr}")
        return done

    def refresh(self):
        """Reads `env` again, after processes were restarted."""
        self.env = dict(line.split("=", 1) for line in self.run("env").stdout.splitlines())
        self.host = self.env["SALLYPORT_HOST"]
        self.ports = [int(p) for p in self.env["SALLYPORT_C2S_PORT"].split(",")]
        self.tls_ports = [int(p) for p in self.env["SALLYPORT_C2S_TLS_PORT"].split(",")]
        self.port, self.tls_port = self.ports[0], self.tls_ports[0]
        self.ca = self.env["SALLYPORT_CA"]
        self.domain = self.env["SALLYPORT_DOMAIN"].split(",")[0]
        self.component = self.env["SALLYPORT_COMPONENT"]
        self.component_port = int(self.env["SALLYPORT_COMPONENT_PORT"].split(",")[0])
        self.component_secret = self.env["SALLYPORT_COMPONENT_SECRET"]
        return self

    def pid(self, name):
        return int(self.env["SALLYPORT_PID_" + name.upper().replace("-", "_")])

    def adduser(self, name, password="secret"):
        """Makes the account unless this cluster has it already."""
        if name not in self.users:
            self.run("adduser", name, password)
            self.users[name] = password
        return name

    def ctl(self, *args, input=None, check=False):
        """sallyportctl, built beside the executables that run."""
        return subprocess.run([str(self.binary("sallyportctl")), "--dir", str(self.folder / "control"), *map(str, args)],
                              input=input, capture_output=True, text=True, timeout=60, check=check)

    def binary(self, name):
        return pathlib.Path(json.loads((self.folder / "cluster.json").read_text())["bin"]) / name

    def client(self, name=None, password=None, c2s=1, domain=None):
        """A client that is not connected yet. The account is made if need be."""
        if name:
            self.adduser(name)
        client = Client(self.host, self.ports[c2s - 1], self.tls_ports[c2s - 1], self.ca, domain or self.domain, name,
                        password or self.users.get(name))
        self.clients.append(client)
        return client

    def online(self, name, resource=None, priority=None, c2s=1):
        """A client that is logged in and available."""
        return self.client(name, c2s=c2s).login(resource).online(priority)

    def log(self, name):
        return (self.folder / "log" / f"{name}.log").read_text(errors="replace")

    def wait_log(self, name, text, timeout=20, since=0):
        """Until the process's log holds the text, behind its first `since` characters."""
        deadline = time.monotonic() + timeout
        while text not in self.log(name)[since:]:
            assert time.monotonic() < deadline, f"{name} never logged {text!r}:\n{self.log(name)[-3000:]}"
            time.sleep(0.02)

    def audit(self, name):
        """The audit log of a process, as text: one JSON object a line (deploy/AUDIT.md)."""
        path = self.folder / "log" / f"{name}.audit"
        return path.read_text(errors="replace") if path.exists() else ""

    def events(self, name, event=None, since=0, **fields):
        """The events of a process's audit log, behind `since` characters, that have this name and these fields."""
        found = [json.loads(line) for line in self.audit(name)[since:].splitlines()]
        return [e for e in found if event in (None, e["event"]) and all(e.get(k) == v for k, v in fields.items())]

    def wait_event(self, name, event, timeout=20, since=0, **fields):
        """The first of them, which may still be to come."""
        deadline = time.monotonic() + timeout
        while True:
            found = self.events(name, event, since, **fields)
            if found:
                return found[0]
            assert time.monotonic() < deadline, f"{name} never audited {event} {fields}:\n{self.audit(name)[since:]}\n{self.log(name)[-2000:]}"
            time.sleep(0.02)

    def wait_audit(self, name, *texts, timeout=20, since=0):
        """The first line of the audit log, behind `since` characters, that holds all the texts."""
        deadline = time.monotonic() + timeout
        while True:
            for line in self.audit(name)[since:].splitlines():
                if all(t in line for t in texts):
                    return line
            assert time.monotonic() < deadline, f"{name} never audited {texts}:\n{self.audit(name)[since:]}\n{self.log(name)[-2000:]}"
            time.sleep(0.02)

    def kill(self, name):
        self.run("kill", name)

    def start(self, name):
        self.run("start", name)
        self.refresh()

    def close_clients(self):
        for client in self.clients:
            client.close()
        self.clients.clear()

    def down(self):
        """Ends it; fails when a process did not end in order or a sanitizer spoke."""
        self.close_clients()
        names = [p.stem for p in (self.folder / "conf").glob("*.conf")]
        done = self.run("down", "--keep", check=False)
        findings = [f"{n}: {self.log(n)[-6000:]}" for n in names if any(m in self.log(n) for m in SANITIZER_MARKS)]
        shutil.rmtree(self.dir, ignore_errors=True)
        assert done.returncode == 0, done.stderr
        assert not findings, "\n".join(findings)
