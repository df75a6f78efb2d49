"""Process 1 of a host of tests/boundary/network.py: gives the host a file tree of its own, then starts and ends processes as their generated
units say (tests/e2e/units.py), as the service manager would. Orders are lines of JSON on standard input, answers on standard output.

The host's tree is this machine's, with what the host writes laid over it: /etc, /var, /usr/sbin, /usr/bin and /usr/share are overlays, /run, /tmp and /dev/shm are the
host's alone. All of it is in one folder of the outer machine, so that a test can search everything that a host ever wrote.
"""
import grp
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from units import START_SECONDS, Unit, address_of  # noqa: E402

UNITS = pathlib.Path("/etc/systemd/system")
WORK = pathlib.Path("/var/log/manager")  # what processes say on standard error, and their credentials
FOLDERS = {"RuntimeDirectory": "/run", "LogsDirectory": "/var/log", "StateDirectory": "/var/lib"}
IP_FREEBIND = 15
CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: unix(7)


def mount(*args):
    subprocess.run(["mount", *map(str, args)], check=True)


def own_tree(root, name):
    mount("--make-rprivate", "/")
    for path in ("/etc", "/var", "/usr/sbin", "/usr/bin", "/usr/share"):
        upper, scratch = root / path[1:].replace("/", "-"), root / ".scratch" / path[1:].replace("/", "-")
        upper.mkdir(parents=True, exist_ok=True)
        scratch.mkdir(parents=True, exist_ok=True)
        mount("-t", "overlay", "overlay", "-o", f"lowerdir={path},upperdir={upper},workdir={scratch}", path)
    for path in ("/run", "/dev/shm", "/tmp"):  # /tmp last: root may be in it
        own = root / path[1:].replace("/", "-")
        own.mkdir(parents=True, exist_ok=True)
        own.chmod(0o755 if path == "/run" else 0o1777)
        mount("--bind", own, path)
    mount("-t", "proc", "proc", "/proc")
    socket.sethostname(name)


def listen(unit):
    """A socket as its unit says (systemd.socket(5))."""
    s = unit["Socket"]
    text, value = s["ListenStream"][-1], lambda key, default: s.get(key, [default])[-1]
    if text.startswith("/"):
        path = pathlib.Path(text)
        path.parent.mkdir(parents=True, exist_ok=True, mode=int(value("DirectoryMode", "0755"), 8))
        path.unlink(missing_ok=True)
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(text)
        uid = pwd.getpwnam(value("SocketUser", "root")).pw_uid
        os.chown(path, uid, grp.getgrnam(value("SocketGroup", "root")).gr_gid)
        path.chmod(int(value("SocketMode", "0666"), 8))
    else:
        host, port = address_of(text)
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if value("FreeBind", "no") == "yes":
            sock.setsockopt(socket.SOL_IP, IP_FREEBIND, 1)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
    sock.listen(int(value("Backlog", "128")))
    return sock


class Notify:
    """The service manager's socket, one for all: who says READY=1 is the kernel's word."""

    path = "/run/systemd/notify"

    def __init__(self):
        pathlib.Path(self.path).parent.mkdir(parents=True, exist_ok=True)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.settimeout(0.2)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o666)
        self.ready = set()

    def wait(self, unit):
        deadline = time.monotonic() + START_SECONDS
        while unit.process.pid not in self.ready:
            try:
                data, ancillary, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(CREDENTIALS.size))
                if b"READY=1" in data:
                    self.ready.add(CREDENTIALS.unpack(ancillary[0][2])[0])
            except socket.timeout:
                pass
            assert unit.process.poll() is None, f"{unit.name} ended: {unit.text()}"
            assert time.monotonic() < deadline, f"{unit.name} is not ready: {unit.text()}"


class HostUnit(Unit):
    """A unit whose sockets outlive its process, as the service manager has it."""

    def __init__(self, role, name, notify):
        super().__init__(role, name, UNITS, WORK)
        self.listeners = [listen(u) for u in self.sockets]
        self.manager = notify

    def open_notify(self):
        return self.manager.path

    def wait_ready(self):
        self.manager.wait(self)

    def listen_all(self):
        return [s.dup() for s in self.listeners]

    def folders(self):
        for key, base in FOLDERS.items():
            for entry in " ".join(self.service.get(key, [])).replace("%i", self.name).split():
                path = pathlib.Path(base) / entry
                path.mkdir(parents=True, exist_ok=True)
                shutil.chown(path, self.user)
                path.chmod(int(self.service.get(key + "Mode", ["0755"])[-1], 8))

    def begin(self, env):
        self.folders()
        self.environment = env
        self.start()

    def close(self):
        for s in self.listeners:
            s.close()


class Manager:
    def __init__(self):
        self.units = {}
        self.notify = None

    def unit(self, name):
        """By its name, c2s-1; its role is that of the drop-in that bears it."""
        if name not in self.units:
            found = list(UNITS.glob(f"sallyport-*@{name}.service.d"))
            assert found, f"there is no unit of {name} on this host"
            self.units[name] = HostUnit(found[0].name.split("@")[0].removeprefix("sallyport-"), name, self.notify)
        return self.units[name]

    def start(self, names, env):
        WORK.mkdir(parents=True, exist_ok=True)
        WORK.chmod(0o755)
        self.notify = self.notify or Notify()
        for name in names:
            u = self.unit(name)
            assert not (u.process and u.process.poll() is None), f"{name} is running"
            u.begin({k: v.replace("%i", name) for k, v in env.items()})

    def wait(self, names):
        for name in names:
            self.units[name].wait_ready()

    def stop(self, names):
        for name in names:
            self.units[name].stop()

    def forget(self, names):
        """Closes the listeners too, so that the next start reads the units again."""
        for name in names:
            u = self.units.pop(name)
            u.stop()
            u.close()

    def signal(self, name, number):
        self.units[name].process.send_signal(number)
        if number == signal.SIGKILL:
            self.units[name].process.wait(20)

    def pids(self):
        """Of processes that run, in this host's own numbers."""
        return {n: u.process.pid for n, u in self.units.items() if u.process and u.process.poll() is None}

    def names(self):
        return sorted(p.name.split("@")[1].removesuffix(".service.d") for p in UNITS.glob("sallyport-*@*.service.d"))


def serve(manager):
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = {"is": getattr(manager, order["do"])(*order["with"])}
        except (AssertionError, OSError, subprocess.SubprocessError, KeyError) as e:
            answer = {"failed": f"{type(e).__name__}: {e}"}
        print(json.dumps(answer), flush=True)


def main():
    root, name = pathlib.Path(sys.argv[1]), sys.argv[2]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.umask(0o022)
    if root.is_absolute():
        own_tree(root, name)
    print(json.dumps({"is": "up"}), flush=True)
    serve(Manager())


if __name__ == "__main__":
    main()
