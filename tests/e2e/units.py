"""A small stand-in for a service manager: starts processes as their generated units say. It opens the sockets of the socket units and hands
them over by name, copies credentials, becomes the user, takes the network away where the unit does, lets through only the system calls and
address families that the unit names, and waits for READY=1.

What it does not do is the rest of the sandbox (files, devices, /proc): systemd-analyze looks at that in test_plan.py.
"""
import functools
import importlib.util
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

START_SECONDS = 60
# The last step, in the process itself: descriptors get the numbers that sd_listen_fds(3) promises, LISTEN_PID the pid.
HAND_OVER = """
import json, os, socket, sys
fds = [int(f) for f in sys.argv[1].split(",")]
for i, fd in enumerate(fds):
    os.dup2(fd, 3 + i)
    os.close(fd)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)))
allowed = json.loads(sys.argv[2])
if allowed["calls"]:
    import seccomp
    f = seccomp.SyscallFilter(seccomp.ERRNO(1))
    for call in allowed["calls"]:
        try:
            if call != "socket":
                f.add_rule(seccomp.ALLOW, call)
        except RuntimeError:
            pass  # not of this architecture
    for family in allowed["families"]:
        f.add_rule(seccomp.ALLOW, "socket", seccomp.Arg(0, seccomp.EQ, getattr(socket, family)))
    f.load()
os.execv(sys.argv[3], sys.argv[3:])
"""


def read_unit(*paths):
    """{section: {key: [values]}}; an empty value clears, as the manager has it."""
    sections = {}
    for path in paths:
        section = None
        for line in path.read_text().splitlines():
            line = line.strip()
            if line.startswith("["):
                section = sections.setdefault(line[1:-1], {})
            elif line and line[0] not in "#;":
                key, value = line.split("=", 1)
                section.setdefault(key, []).append(value)
    return sections


def address_of(text):
    host, port = text.rsplit(":", 1)
    return host.strip("[]"), int(port)


def listen(unit):
    text = unit["Socket"]["ListenStream"][-1]
    if text.startswith("/"):
        path = pathlib.Path(text)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(text)
        path.chmod(int(unit["Socket"]["SocketMode"][-1], 8))
    else:
        host, port = address_of(text)
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    sock.listen(128)
    return sock


@functools.cache
def calls_of(group):
    """The system calls of a group, "@system-service", groups in it included."""
    text = subprocess.run(["systemd-analyze", "syscall-filter", group], capture_output=True, text=True, check=True).stdout
    names = [l.strip() for l in text.splitlines()[1:] if l.startswith("    ") and l.strip() and not l.strip().startswith("#")]
    return frozenset().union(*(calls_of(n) if n.startswith("@") else {n} for n in names))


def filter_of(lines):
    """systemd.exec(5): the first line decides whether names are added or taken away from all; later ones change that."""
    allowed = set()
    for line in lines:
        names = line.lstrip("~").split()
        calls = frozenset().union(*(calls_of(n) if n.startswith("@") else {n} for n in names))
        allowed = allowed - calls if line.startswith("~") else allowed | calls
    return sorted(allowed)


def can_filter():
    return bool(shutil.which("systemd-analyze") and importlib.util.find_spec("seccomp"))


class Unit:
    """One process of a bundle: role, name, the folder of its units, and a folder for what the manager would make."""

    def __init__(self, role, name, units, work):
        self.role, self.name, self.work = role, name, pathlib.Path(work)
        template = units / f"sallyport-{role}@.service"
        unit = read_unit(template, units / f"sallyport-{role}@{name}.service.d/plan.conf")
        self.service = unit["Service"]
        self.user = self.service["User"][-1]
        self.is_offline = self.service.get("PrivateNetwork", ["no"])[-1] == "yes"
        self.sockets = [(read_unit(units / s)) for s in self.service["Sockets"][-1].split()]
        self.log = self.work / f"{name}.log"
        self.environment = {}  # besides what the manager sets
        self.process = self.notify = None
        self.fds = []

    def listen_all(self):
        """The sockets to hand over; the caller closes them. A manager whose sockets outlive the process hands over copies."""
        return [listen(u) for u in self.sockets]

    def credentials(self):
        folder = self.work / "credentials" / self.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for entry in self.service["LoadCredential"]:
            name, path = entry.replace("%i", self.name).split(":", 1)
            shutil.copy(path, folder / name)
            (folder / name).chmod(0o400)
            if os.geteuid() == 0:
                shutil.chown(folder / name, self.user)
        if os.geteuid() == 0:
            shutil.chown(folder, self.user)
        return folder

    def allowed(self):
        if not can_filter():
            return {"calls": []}
        families = " ".join(self.service["RestrictAddressFamilies"]).split()
        return {"calls": filter_of(self.service["SystemCallFilter"]), "families": families}

    def command(self):
        command = self.service["ExecStart"][-1].replace("%i", self.name).split()
        become = []
        if os.geteuid() == 0:
            user = pwd.getpwnam(self.user)
            become = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--no-new-privs"]
            if self.is_offline:
                become = ["unshare", "--net", *become]
        return [*become, sys.executable, "-c", HAND_OVER, ",".join(map(str, self.fds)), json.dumps(self.allowed()), *command]

    def open_notify(self):
        """The socket on which it says READY=1; its path."""
        path = str(self.work / f"notify-{self.name}")
        pathlib.Path(path).unlink(missing_ok=True)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(path)
        os.chmod(path, 0o666)
        return path

    def start(self):
        """Starts it; wait_ready waits for READY=1."""
        inherited = self.listen_all()
        # Away from the numbers that they get in the end.
        self.fds = [os.dup2(s.fileno(), 100 + i, inheritable=True) for i, s in enumerate(inherited)]
        names = ":".join(u["Socket"]["FileDescriptorName"][-1] for u in self.sockets)
        env = dict(os.environ, NOTIFY_SOCKET=self.open_notify(), LISTEN_FDNAMES=names, CREDENTIALS_DIRECTORY=str(self.credentials()),
                   ASAN_OPTIONS="abort_on_error=0:detect_leaks=0", **self.environment)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command(), env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=self.fds)
        for sock in inherited:
            sock.close()
        for fd in self.fds:
            os.close(fd)
        return self

    def wait_ready(self):
        self.notify.settimeout(0.2)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                if b"READY=1" in self.notify.recv(4096):
                    return self
            except socket.timeout:
                pass
            assert self.process.poll() is None, f"{self.name} ended: {self.text()}"
            assert time.monotonic() < deadline, f"{self.name} is not ready: {self.text()}"

    def is_confined(self):
        """Whether the kernel says that a filter of system calls is active."""
        return "Seccomp:\t2" in pathlib.Path(f"/proc/{self.process.pid}/status").read_text()

    def is_alone(self):
        """Whether it has another network namespace than we."""
        return os.readlink(f"/proc/{self.process.pid}/ns/net") != os.readlink("/proc/self/ns/net")

    def text(self):
        return self.log.read_text(errors="replace")[-6000:]

    def wait_log(self, pattern, after=0):
        deadline = time.monotonic() + 20
        while not re.search(pattern, self.log.read_text(errors="replace")[after:]):
            assert time.monotonic() < deadline, f"{self.name} never logged {pattern}: {self.text()}"
            time.sleep(0.02)

    def reload(self):
        mark = len(self.log.read_text(errors="replace"))
        self.process.send_signal(signal.SIGHUP)
        return mark

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.notify:
            self.notify.close()
