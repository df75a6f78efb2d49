"""An Internet, a DMZ and a private network on one machine: network namespaces, and between them a wire that forwards and on which tests look.

    with Network({"gate-1": "dmz", "core-1": "office"}) as net:
        gate = net.hosts["gate-1"]
        net.address("gate-1")                                  # "10.71.1.2"; net.address("gate-1", 6): "fd71:1::2"
        gate.install(folder)                                   # a bundle, with the commands of deploy/PLAN.md
        gate.run("sallyportctl", "status")                     # a command on that host: its network, files and processes; its output
        gate.start("c2s-1"); gate.kill("c2s-1"); gate.stop("c2s-1"); gate.reload("c2s-1")
        gate.text("/etc/sallyport/c2s-1.conf")                 # a file of the host, as the host has it; gate.file(): where it is out here
        with net.internet.inside():
            socket.create_connection((net.address("gate-1"), 5222))   # a socket of this process, made in that network

Each host is joined to the wire by a veth pair of its own, so that no packet between two hosts, of one zone too, passes unseen. What a host is, see
netinit.py. A namespace lives as long as its process 1, and that dies with this process: nothing is left behind, whatever happens to a test, but a
folder in /tmp, which the next Network removes. Needs root. Names of interfaces are seen in their own namespaces only.
"""
import contextlib
import ctypes
import json
import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PREFIX = "spb-"
INTERNET = "internet"
ORDER_SECONDS = 90
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def can_run():
    """Whether this machine lets tests make such networks."""
    return os.geteuid() == 0 and all(map(shutil.which, ("ip", "nft", "nsenter", "unshare", "setpriv", "systemd-sysusers")))


def binaries():
    """Where the executables under test are: SALLYPORT_BIN, else a build in the tree."""
    for folder in (os.environ.get("SALLYPORT_BIN"), ROOT / "build/san", ROOT / "build/release"):
        if folder and (pathlib.Path(folder) / "sallyport-sm").exists():
            return pathlib.Path(folder).resolve()
    raise AssertionError("the executables are not built")


def sweep():
    """Removes the folders of networks whose process is gone."""
    for folder in pathlib.Path("/tmp").glob(PREFIX + "*"):
        owner = re.fullmatch(rf"{PREFIX}(\d+)-\w+", folder.name)
        if owner and not pathlib.Path(f"/proc/{owner[1]}").exists():
            shutil.rmtree(folder, ignore_errors=True)


def command(*args, **options):
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{args}: {done.stdout}{done.stderr}"
    return done.stdout


class Place:
    """A network namespace with one process in it. pid: that process, as this machine counts."""

    own = ("--net",)
    enter = ("--net",)

    def __init__(self, name):
        self.name = name
        self.processes = []
        # setpriv: it dies with us. unshare: process 1 dies with it, and with process 1 all that runs in the namespace.
        # In a session of its own: an interrupt from the terminal is ours to answer.
        self.keeper = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", *self.own, "--pid", "--fork", "--kill-child=KILL", sys.executable,
                                        str(HERE / "netinit.py"), *self.arguments()], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       text=True, start_new_session=True)
        self.answer()
        self.pid = int(pathlib.Path(f"/proc/{self.keeper.pid}/task/{self.keeper.pid}/children").read_text().split()[0])

    def arguments(self):
        return ["-", self.name]

    def answer(self):
        ready, _, _ = select.select([self.keeper.stdout], [], [], ORDER_SECONDS)
        line = self.keeper.stdout.readline() if ready else ""
        assert line, f"process 1 of {self.name} said nothing"
        answer = json.loads(line)
        assert "failed" not in answer, f"{self.name}: {answer['failed']}"
        return answer["is"]

    def nsenter(self, args):
        return ["nsenter", "--target", str(self.pid), *self.enter, "--", *map(str, args)]

    def run(self, *args, check=True, input=None, timeout=60, cwd=None, env=None):
        """Runs a command here; its standard output, or with check=False all of it (subprocess.CompletedProcess). cwd: of this place's tree."""
        if cwd:
            args = ["sh", "-c", 'cd "$0" && exec "$@"', cwd, *args]
        done = subprocess.run(self.nsenter(args), capture_output=True, text=True, input=input, timeout=timeout, env=env)
        assert not check or done.returncode == 0, f"{args} on {self.name}: {done.stdout}{done.stderr}"
        return done.stdout if check else done

    def popen(self, *args, **options):
        """Starts a command here that goes on until it is killed or the network ends."""
        self.processes.append(subprocess.Popen(self.nsenter(args), start_new_session=True, **options))
        return self.processes[-1]

    @contextlib.contextmanager
    def inside(self):
        """Sockets that this thread makes within are this place's, and stay so."""
        with open("/proc/thread-self/ns/net") as home, open(f"/proc/{self.pid}/ns/net") as there:
            self.become(there)
            try:
                yield self
            finally:
                self.become(home)

    @staticmethod
    def become(file):
        if _libc.setns(file.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")

    def close(self):
        self.keeper.kill()
        self.keeper.wait()
        for p in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(p.pid, signal.SIGKILL)  # also when it never came into the place
            p.wait()
        self.keeper.stdin.close()
        self.keeper.stdout.close()


class Host(Place):
    """A machine of the cluster. root: the folder with all that it ever wrote."""

    own = ("--net", "--mount", "--uts")
    enter = ("--net", "--mount", "--uts", "--pid")

    def __init__(self, name, zone, folder):
        self.zone, self.root = zone, pathlib.Path(folder) / name
        self.root.mkdir()
        self.environment = {}  # for processes that start; %i is the process's name
        super().__init__(name)

    def arguments(self):
        return [str(self.root), self.name]

    def order(self, what, *with_):
        self.keeper.stdin.write(json.dumps({"do": what, "with": with_}) + "\n")
        self.keeper.stdin.flush()
        return self.answer()

    # --- files ---

    def file(self, path):
        """Where a file of the host is out here: written below /etc, /var, /usr/sbin, /run, /tmp or /dev/shm by the host or for it."""
        for top in ("/usr/sbin", "/usr/bin", "/usr/share", "/dev/shm", "/etc", "/var", "/run", "/tmp"):
            if path == top or path.startswith(top + "/"):
                return self.root / (top[1:].replace("/", "-") + path[len(top):])
        raise ValueError(path)

    def text(self, path):
        return self.file(path).read_text(errors="replace")

    def write(self, path, data, mode=0o644, owner="root:root"):
        """Makes a file on the host."""
        self.run("mkdir", "-p", pathlib.Path(path).parent)
        staged = self.root / "tmp" / "staged"
        staged.write_bytes(data if isinstance(data, bytes) else data.encode())
        user, group = owner.split(":")
        self.run("install", "-m", f"{mode:o}", "-o", user, "-g", group, "/tmp/staged", path)
        staged.unlink()

    def programs(self, *names):
        """Copies executables to /usr/sbin, as a package would."""
        for name in names:
            shutil.copy(binaries() / name, self.file(f"/usr/sbin/{name}"))

    def install(self, bundle):
        """Carries the bundle here and does what deploy/PLAN.md says, but for systemctl."""
        words = (ROOT / "deploy/PLAN.md").read_text()
        commands = [re.search(p, words, re.S | re.M).group(0) for p in (r"^systemd-sysusers .*?$", r"^while read.*?^done < manifest$")]
        shutil.copytree(bundle, self.root / "tmp/bundle", symlinks=True)
        self.run("sh", "-ec", "\n".join(commands), cwd="/tmp/bundle")
        shutil.rmtree(self.root / "tmp/bundle")

    def firewall(self):
        """Loads the table of the bundle, as sallyport-firewall.service does."""
        self.run("nft", "-f", "/etc/sallyport/sallyport.nft")

    # --- processes ---

    def names(self):
        """Processes that have a unit here."""
        return self.order("names")

    def launch(self, *names):
        """Starts processes without waiting: for those that need each other on several hosts."""
        self.order("start", names, self.environment)

    def ready(self, *names):
        self.order("wait", names)

    def start(self, *names):
        """Starts processes by their units and waits for READY=1. Listeners are those of the first start."""
        self.launch(*names)
        self.ready(*names)

    def stop(self, *names):
        """SIGTERM, and waits; the listeners stay."""
        self.order("stop", names)

    def forget(self, *names):
        """Stops processes and closes their listeners, for units that have changed."""
        self.order("forget", names)

    def kill(self, name, number=signal.SIGKILL):
        self.order("signal", name, int(number))

    def reload(self, name):
        self.kill(name, signal.SIGHUP)

    def pids(self):
        """{name: pid} of processes of units that run, as this machine counts."""
        own = self.order("pids")
        return {n: outer_pid(self.pid, p) for n, p in own.items()}

    def log(self, name):
        """What the process said on standard error."""
        return self.text(f"/var/log/manager/{name}.log")

    def ctl(self, *args, input=None, check=True):
        return self.run("sallyportctl", *args, input=input, check=check)


def outer_pid(init, inner):
    """The pid out here of the one that is `inner` for process 1 `init`."""
    space = os.readlink(f"/proc/{init}/ns/pid")
    for status in pathlib.Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            if os.readlink(status.parent / "ns/pid") == space and re.search(rf"^NSpid:.*\t{inner}$", status.read_text(), re.M):
                return int(status.parent.name)
    raise AssertionError(f"no process {inner} below {init}")


class Network:
    """hosts: {name: zone}. address(name, 4 or 6) before and after it is made; interface(name): the end of its cable on the wire."""

    def __init__(self, hosts):
        assert can_run(), "needs root, iproute2, nftables, util-linux and systemd's tools"
        sweep()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.zones = {INTERNET: "Internet", **hosts}
        self.hosts, self.places = {}, []
        try:
            self.wire = self.add(Place("wire"))
            self.internet = self.add(Place(INTERNET))
            for name, zone in hosts.items():
                self.hosts[name] = self.add(Host(name, zone, self.folder))
            self.connect()
        except BaseException:
            self.close()
            raise

    def add(self, place):
        self.places.append(place)
        return place

    def number(self, name):
        return list(self.zones).index(name)

    def address(self, name, version=4):
        return f"10.71.{self.number(name)}.2" if version == 4 else f"fd71:{self.number(name)}::2"

    def interface(self, name):
        return f"to-{name}"[:15]

    def connect(self):
        for key in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
            self.wire.run("sh", "-c", f"echo 1 > /proc/sys/net/{key}")
        self.wire.run("ip", "link", "set", "lo", "up")
        for place in (self.internet, *self.hosts.values()):
            n, end = self.number(place.name), self.interface(place.name)
            command("ip", "link", "add", "up0", "netns", place.pid, "type", "veth", "peer", "name", end, "netns", self.wire.pid)
            self.wire.run("sh", "-ec", f"ip addr add 10.71.{n}.1/24 dev {end}; ip addr add fd71:{n}::1/64 dev {end} nodad; ip link set {end} up")
            place.run("sh", "-ec", f"ip link set lo up; ip addr add 10.71.{n}.2/24 dev up0; ip addr add fd71:{n}::2/64 dev up0 nodad; ip link set up0 up; "
                      f"ip route add default via 10.71.{n}.1; ip -6 route add default via fd71:{n}::1")

    def close(self):
        for place in reversed(self.places):
            place.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
