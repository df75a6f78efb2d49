"""The servers that `make bench` measures, each started on loopback in a folder of its own, with the same accounts and the same load.

A server has: name, connect (addresses for the load generator), ca, pids(), stop(). CPU and memory are summed over pids().
"""
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PASSWORD = "bench-password"
TICKS = os.sysconf("SC_CLK_TCK")


def wait_port(port, seconds=60):
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def cpu_seconds(pid):
    """User and system time of a process and of its children that have ended."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(fields[i]) for i in (11, 12)) / TICKS


def pss_bytes(pid):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


class Server:
    def cpu(self):
        return {name: cpu_seconds(pid) for name, pid in self.pids().items()}

    def memory(self):
        return {name: pss_bytes(pid) for name, pid in self.pids().items()}


class Sallyport(Server):
    def __init__(self, users, links="unix", c2s=1):
        self.name = f"sallyport ({links} links)"
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="spb-"))
        self.cluster = [str(ROOT / "deploy/local-cluster")]
        self.run("up", "--port-base", "0", "--links", links, "--c2s", str(c2s), "--bin", str(ROOT / "build/release"), "--log-level", "warn")
        accounts = self.dir / "users"
        accounts.write_text("".join(f"u{i} {PASSWORD}\n" for i in range(users)))
        self.run("adduser", "--file", str(accounts))
        self.env = dict(l.split("=", 1) for l in self.run("env").splitlines())
        self.connect = ",".join(f"127.0.0.1:{p}" for p in self.env["SALLYPORT_C2S_TLS_PORT"].split(","))
        self.ca = self.env["SALLYPORT_CA"]

    def run(self, verb, *args):
        return subprocess.run([*self.cluster, verb, "--dir", str(self.dir / "c"), *args], check=True, capture_output=True, text=True).stdout

    def pids(self):
        return {k[len("SALLYPORT_PID_"):].lower().replace("_", "-"): int(v) for k, v in self.env.items() if k.startswith("SALLYPORT_PID_")}

    def stop(self):
        self.run("down")
        shutil.rmtree(self.dir)


def make_certificates(folder):
    """A CA and an ECDSA P-256 certificate for localhost, as local-cluster makes them."""
    for name in ("ca", "host"):
        subprocess.run(["certtool", "--generate-privkey", "--key-type", "ecdsa", "--curve", "secp256r1", "--outfile", f"{folder}/{name}.key"], check=True, capture_output=True)
    (folder / "ca.tmpl").write_text('cn = "bench"\nca\ncert_signing_key\nexpiration_days = 9\n')
    (folder / "host.tmpl").write_text('cn = "localhost"\ndns_name = "localhost"\ntls_www_server\nsigning_key\nexpiration_days = 9\n')
    subprocess.run(["certtool", "--generate-self-signed", "--load-privkey", f"{folder}/ca.key", "--template", f"{folder}/ca.tmpl", "--outfile", f"{folder}/ca.pem"], check=True, capture_output=True)
    subprocess.run(["certtool", "--generate-certificate", "--load-privkey", f"{folder}/host.key", "--load-ca-certificate", f"{folder}/ca.pem", "--load-ca-privkey", f"{folder}/ca.key",
                    "--template", f"{folder}/host.tmpl", "--outfile", f"{folder}/host.pem"], check=True, capture_output=True)


class Foreign(Server):
    """A server from Debian's packages, run under its own user where it wants one."""
    user = None

    def __init__(self, users):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="spb-"))
        self.dir.chmod(0o755)
        make_certificates(self.dir)
        self.ca = str(self.dir / "ca.pem")
        self.port = 15223
        self.connect = f"127.0.0.1:{self.port}"
        self.configure(users)
        if self.user:
            subprocess.run(["chown", "-R", self.user, str(self.dir)], check=True)
        self.process = self.launch()
        wait_port(self.port)
        self.add_users(users)

    def add_users(self, users):
        pass

    def pids(self):
        """The server is the descendant that uses the most memory (what starts it may be a script)."""
        family, found = [self.process.pid], []
        while family:
            pid = family.pop()
            try:
                family += map(int, pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
                found.append(pid)
            except OSError:
                pass
        return {f"{self.name}-{pid}": pid for pid in found}

    def stop(self):
        for pid in self.pids().values():
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
        self.process.wait(30)
        shutil.rmtree(self.dir)


class Prosody(Foreign):
    name = "prosody"
    user = "prosody"
    generational = False

    def configure(self, users):
        accounts = self.dir / "data/localhost/accounts"
        accounts.mkdir(parents=True)
        for i in range(users):
            (accounts / f"u{i}.dat").write_text(f'return {{ ["password"] = "{PASSWORD}" }};\n')
        (self.dir / "prosody.cfg.lua").write_text(f"""
daemonize = false
pidfile = "{self.dir}/prosody.pid"
data_path = "{self.dir}/data"
interfaces = {{ "127.0.0.1" }}
network_backend = "epoll"
gc = {{ mode = "{'generational' if self.generational else 'incremental'}" }}
modules_enabled = {{ "roster", "saslauth", "tls", "disco", "ping", "offline" }}
modules_disabled = {{ "s2s" }}
authentication = "internal_plain"
c2s_ports = {{ }}
c2s_direct_tls_ports = {{ {self.port} }}
limits = {{ }}
log = {{ warn = "{self.dir}/prosody.log" }}
ssl = {{ key = "{self.dir}/host.key", certificate = "{self.dir}/host.pem" }}
VirtualHost "localhost"
""")

    def launch(self):
        return subprocess.Popen(["setpriv", "--reuid", self.user, "--regid", self.user, "--clear-groups", "prosody", "-F", "--config", f"{self.dir}/prosody.cfg.lua"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


class ProsodyGenerational(Prosody):
    name = "prosody (generational collector)"
    generational = True


class Ejabberd(Foreign):
    name = "ejabberd"
    user = "ejabberd"

    def configure(self, users):
        (self.dir / "host.pem").write_text((self.dir / "host.pem").read_text() + (self.dir / "host.key").read_text())
        (self.dir / "ejabberd.yml").write_text(f"""
hosts: [localhost]
loglevel: warning
certfiles: ["{self.dir}/host.pem"]
auth_method: internal
auth_password_format: scram
listen:
  - {{port: {self.port}, ip: "127.0.0.1", module: ejabberd_c2s, tls: true, max_stanza_size: 262144, shaper: none, access: all}}
  - {{port: {self.port + 1}, ip: "127.0.0.1", module: ejabberd_http, request_handlers: {{"/api": mod_http_api}}}}
api_permissions: {{bench: {{who: {{access: {{allow: {{ip: 127.0.0.1/8}}}}}}, what: "*"}}}}
modules: {{mod_roster: {{}}, mod_disco: {{}}, mod_ping: {{}}, mod_offline: {{}}}}
""")

    def launch(self):
        env = dict(os.environ, EJABBERD_CONFIG_PATH=f"{self.dir}/ejabberd.yml", HOME=str(self.dir), ERL_EPMD_ADDRESS="127.0.0.1", ERL_MAX_PORTS="32000")
        args = ["setpriv", "--reuid", self.user, "--regid", self.user, "--clear-groups", "erl", "-noinput", "-pa", *map(str, pathlib.Path("/usr/lib").glob("*/ejabberd*/ebin")),
                "-mnesia", "dir", f'"{self.dir}/mnesia"', "+K", "true", "-smp", "auto", "+P", "250000", "-s", "ejabberd"]
        return subprocess.Popen(args, cwd=self.dir, env=env, stdout=open(self.dir / "out.log", "wb"), stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def add_users(self, users):
        wait_port(self.port + 1)
        connection = http.client.HTTPConnection("127.0.0.1", self.port + 1)
        for i in range(users):
            connection.request("POST", "/api/register", json.dumps({"user": f"u{i}", "host": "localhost", "password": PASSWORD}))
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200, body


ALL = {"sallyport": lambda users: Sallyport(users), "sallyport-tls": lambda users: Sallyport(users, links="tls"), "prosody": Prosody,
       "prosody-gen": ProsodyGenerational, "ejabberd": Ejabberd}
