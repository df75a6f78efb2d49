"""The servers that `make bench` measures, each started on loopback in a folder of its own, with the same accounts and the same features.

`with ALL[name](users) as server:` starts one; it then has connect (addresses for the load generator), ca, and pids(); restart() ends it and
starts it again with its data; leaving ends its processes by pid and removes the folder. CPU and memory are summed over pids().
"""
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PASSWORD = "bench-password"
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """User and system time of a process, all threads."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(fields[i]) for i in (11, 12)) / TICKS


def pss_bytes(pid):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def slab_bytes():
    """Kernel memory of sockets and what belongs to them, of the whole machine."""
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("Slab:"):
            return int(line.split()[1]) * 1024


class Server:
    def __init__(self, users):
        self.users = users
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="spb-"))

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            self.stop()
        finally:
            shutil.rmtree(self.dir)

    def cpu(self):
        return {name: cpu_seconds(pid) for name, pid in self.pids().items()}

    def memory(self):
        return {name: pss_bytes(pid) for name, pid in self.pids().items()}


class Sallyport(Server):
    links, layout, archive, store, auth = "unix", "a", "off", "sqlite", "internal"

    def start(self):
        self.run("up", "--port-base", "0", "--links", self.links, "--layout", self.layout, "--bin", ROOT / "build/release", "--log-level", "warn",
                 "--archive", self.archive, "--store", self.store, "--auth", self.auth)
        accounts = self.dir / "users"
        accounts.write_text("".join(f"u{i} {PASSWORD}\n" for i in range(self.users)))
        self.run("adduser", "--file", accounts)
        self.read_env()
        self.connect = ",".join(f"127.0.0.1:{p}" for p in self.env["SALLYPORT_C2S_TLS_PORT"].split(","))
        self.ca = self.env["SALLYPORT_CA"]

    def read_env(self):
        self.env = dict(l.split("=", 1) for l in self.run("env").splitlines())

    def restart(self):
        for verb in ("kill", "start"):
            for process in self.pids():
                self.run(verb, process)
        self.read_env()

    def run(self, verb, *args):
        command = [ROOT / "deploy/local-cluster", verb, "--dir", self.dir / "c", *args]
        done = subprocess.run([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise SystemExit(f"local-cluster {verb}: {done.stdout}")
        return done.stdout

    def pids(self):
        prefix = "SALLYPORT_PID_"
        return {k[len(prefix):].lower().replace("_", "-"): int(v) for k, v in self.env.items() if k.startswith(prefix)}

    def stop(self):
        if (self.dir / "c/cluster.json").exists():
            self.run("down")


class SallyportTls(Sallyport):
    links = "tls"


class SallyportArchive(Sallyport):
    """Messages are in the store, with a real fsync, before they are acknowledged."""
    archive = "on"

    def query(self, sql):
        """Runs SQL on the store while the session manager is not running."""
        connection = sqlite3.connect(self.dir / "c/data/sm-1.db")
        with connection:
            connection.executescript(sql)
        connection.close()


class SallyportArchivePostgresql(SallyportArchive):
    store = "postgresql"

    def pids(self):
        """All of the database's processes as well; some come and go."""
        self.read_env()
        return {**super().pids(), **{f"postgres-{pid}": int(pid) for pid in self.env["SALLYPORT_DB_PIDS"].split(",")}}

    def cpu(self):
        ours = super().cpu()
        database = sum(seconds for name, seconds in ours.items() if name.startswith("postgres"))
        return {**{name: s for name, s in ours.items() if not name.startswith("postgres")}, "postgres": database}

    def restart(self):
        for verb in ("kill", "start"):
            self.run(verb, "sm-1")

    def query(self, sql):
        folder = self.env["SALLYPORT_DB_DIR"]
        done = subprocess.run(["psql", "-q", "-v", "ON_ERROR_STOP=1", "-h", f"{folder}/socket", "-U", "sallyport", "sallyport"], input=sql, text=True,
                              env={**os.environ, "PGPASSWORD": pathlib.Path(folder, "password").read_text().strip()}, capture_output=True)
        if done.returncode:
            raise SystemExit(f"psql: {done.stderr}")


class SallyportB(Sallyport):
    layout = "b"


class SallyportTlsB(SallyportTls):
    layout = "b"


def certtool(*args):
    subprocess.run(["certtool", *map(str, args)], check=True, capture_output=True)


def make_certificates(folder):
    """A CA and an ECDSA P-256 certificate for localhost, as local-cluster makes them."""
    for name, text in (("ca", 'cn = "bench"\nca\ncert_signing_key\n'), ("host", 'cn = "localhost"\ndns_name = "localhost"\ntls_www_server\nsigning_key\n')):
        (folder / f"{name}.tmpl").write_text(text + "expiration_days = 9\n")
        certtool("--generate-privkey", "--key-type", "ecdsa", "--curve", "secp256r1", "--outfile", folder / f"{name}.key")
    certtool("--generate-self-signed", "--load-privkey", folder / "ca.key", "--template", folder / "ca.tmpl", "--outfile", folder / "ca.pem")
    certtool("--generate-certificate", "--load-privkey", folder / "host.key", "--load-ca-certificate", folder / "ca.pem",
             "--load-ca-privkey", folder / "ca.key", "--template", folder / "host.tmpl", "--outfile", folder / "host.pem")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def is_running(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Foreign(Server):
    """A server from Debian's packages, run under the package's user; in the foreground, as our child."""
    process = None

    def start(self):
        self.dir.chmod(0o755)
        make_certificates(self.dir)
        self.ca = str(self.dir / "ca.pem")
        self.port, self.control_port = free_port(), free_port()
        self.connect = f"127.0.0.1:{self.port}"
        self.configure()
        subprocess.run(["chown", "-R", f"{self.user}:{self.user}", str(self.dir)], check=True)
        self.launch()
        self.add_users()

    def launch(self):
        log = open(self.dir / "out.log", "wb")
        self.process = subprocess.Popen(["setpriv", "--reuid", self.user, "--regid", self.user, "--clear-groups", *self.command()], cwd=self.dir,
                                        env=dict(os.environ, HOME=str(self.dir), **self.environment()), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.wait_port(self.port)

    def restart(self):
        self.stop()
        self.launch()

    def environment(self):
        return {}

    def add_users(self):
        pass

    def wait_port(self, port):
        deadline = time.monotonic() + 60
        while True:
            try:
                return socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"{self.name} does not run: " + (self.dir / "out.log").read_text(errors="replace")[-2000:])
            time.sleep(0.05)

    def pids(self):
        """The process and its descendants."""
        family, found = [self.process.pid] if self.process else [], []
        while family:
            pid = family.pop()
            try:
                family += map(int, pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
                found.append(pid)
            except OSError:
                pass
        return {self.name if i == 0 else f"{self.name}-helper-{i}": pid for i, pid in enumerate(found)}

    def stop(self):
        """The server is asked first; what has not ended after 20 s, and helpers that outlived it, are killed."""
        pids, deadline = list(self.pids().values()), time.monotonic() + 20
        if pids:
            self.process.terminate()
        while any(map(is_running, pids)) and time.monotonic() < deadline:
            self.process.poll()
            time.sleep(0.02)
        for pid in filter(is_running, pids):
            os.kill(pid, signal.SIGKILL)
        if pids:
            self.process.wait()


class Prosody(Foreign):
    name = user = "prosody"
    collector = "incremental"

    def configure(self):
        accounts = self.dir / "data/localhost/accounts"
        accounts.mkdir(parents=True)
        salt, iterations = "bench-salt", 4096
        salted = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), salt.encode(), iterations)
        client_key, server_key = (hmac.digest(salted, text, "sha256") for text in (b"Client Key", b"Server Key"))
        account = (f'return {{ ["salt"] = "{salt}"; ["iteration_count"] = {iterations}; ["stored_key"] = "{hashlib.sha256(client_key).hexdigest()}"; '
                   f'["server_key"] = "{server_key.hex()}"; }};\n')
        for i in range(self.users):
            (accounts / f"u{i}.dat").write_text(account)
        (self.dir / "prosody.cfg.lua").write_text(f"""
daemonize = false
pidfile = "{self.dir}/prosody.pid"
data_path = "{self.dir}/data"
interfaces = {{ "127.0.0.1" }}
network_backend = "epoll"
gc = {{ mode = "{self.collector}" }}
modules_enabled = {{ "roster", "saslauth", "tls", "disco", "ping", "offline" }}
modules_disabled = {{ "s2s" }}
authentication = "internal_hashed"
password_hash = "SHA-256"
c2s_ports = {{ }}
c2s_direct_tls_ports = {{ {self.port} }}
limits = {{ }}
log = {{ warn = "{self.dir}/prosody.log" }}
ssl = {{ key = "{self.dir}/host.key", certificate = "{self.dir}/host.pem" }}
VirtualHost "localhost"
""")

    def command(self):
        return ["prosody", "-F", "--config", f"{self.dir}/prosody.cfg.lua"]


class ProsodyGenerational(Prosody):
    collector = "generational"


class Ejabberd(Foreign):
    """Without a node name, so that there is no distribution, no epmd and no port but our two."""
    name = user = "ejabberd"

    def configure(self):
        (self.dir / "host.pem").write_text((self.dir / "host.pem").read_text() + (self.dir / "host.key").read_text())
        (self.dir / "ejabberd.yml").write_text(f"""
hosts: [localhost]
loglevel: warning
certfiles: ["{self.dir}/host.pem"]
ca_file: "{self.dir}/ca.pem"
auth_method: internal
auth_password_format: scram
auth_scram_hash: sha256
listen:
  - {{port: {self.port}, ip: "127.0.0.1", module: ejabberd_c2s, tls: true, max_stanza_size: 262144, shaper: none, access: all}}
  - {{port: {self.control_port}, ip: "127.0.0.1", module: ejabberd_http, request_handlers: {{"/api": mod_http_api}}}}
api_permissions: {{bench: {{who: {{access: {{allow: {{ip: 127.0.0.1/8}}}}}}, what: "*"}}}}
modules: {{mod_roster: {{}}, mod_disco: {{}}, mod_ping: {{}}, mod_offline: {{}}}}
""")

    def environment(self):
        return {"EJABBERD_CONFIG_PATH": f"{self.dir}/ejabberd.yml", "EJABBERD_LOG_PATH": f"{self.dir}/ejabberd.log", "ERL_MAX_PORTS": "32000",
                "ERL_CRASH_DUMP_BYTES": "0"}

    def command(self):
        code = sorted(pathlib.Path("/usr/lib").glob("*/ejabberd-*/ebin"))[-1]
        return ["erl", "-noinput", "-pa", str(code), "-mnesia", "dir", f'"{self.dir}/mnesia"', "+K", "true", "+P", "250000", "-s", "ejabberd"]

    def add_users(self):
        self.wait_port(self.control_port)
        connection = http.client.HTTPConnection("127.0.0.1", self.control_port)
        for i in range(self.users):
            connection.request("POST", "/api/register", json.dumps({"user": f"u{i}", "host": "localhost", "password": PASSWORD}))
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise SystemExit(f"ejabberd refused an account: {body}")


ALL = {"sallyport": Sallyport, "sallyport-tls": SallyportTls, "sallyport-archive": SallyportArchive,
       "sallyport-archive-postgresql": SallyportArchivePostgresql, "prosody": Prosody, "prosody-gen": ProsodyGenerational, "ejabberd": Ejabberd}
