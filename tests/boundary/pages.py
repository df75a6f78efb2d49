"""Runs what an administrator's page says, as it stands, on hosts of tests/boundary/network.py.

A page's fenced blocks are told apart by what stands behind the backticks:

    sh HOST           typed on that host, line by line, in root's folder
    conf HOST FILE    the file is made (with `append` behind it: added to)
    dns ZONE          records of that zone, given to the name server of the network

Three commands are this module's, because the machine of a test has no service manager and no SSH: systemctl (the units are started as they are
written, see units.py), scp, and what asks at a terminal, which is given an answer.
"""
import re
import shlex
import shutil
import time

from network import ROOT

HOME = "/tmp"
PASSPHRASE = "correct horse battery staple"
PASSWORD = "open sesame 7"
HEALTH_SECONDS = 30
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": HOME, "LANG": "C.UTF-8",
               "DEBIAN_FRONTEND": "noninteractive"}


def blocks(page):
    """[(kind, words, text)] of a page of deploy/."""
    text = (ROOT / "deploy" / page).read_text()
    return [(kind, words.split(), body) for kind, words, body in re.findall(r"^```(\w+)[ ]?([^\n]*)\n(.*?)^```$", text, re.S | re.M)]


def lines_of(text):
    """Commands, without comments; a line that ends in a backslash goes on in the next."""
    joined = re.sub(r"\\\n\s*", " ", text)
    return [l for l in joined.splitlines() if l.strip() and not l.startswith("#")]


class Administrator:
    """hosts: {name: network.Host}. said: what each command printed, [(host, line, output)]."""

    def __init__(self, hosts, name_server=None):
        self.hosts, self.name_server = hosts, name_server
        self.said = []

    def follow(self, page, only=None):
        """Does all that the page says; only: the blocks of these kinds and hosts."""
        for kind, words, text in blocks(page):
            if words and (only is None or (kind, words[0]) in only):
                getattr(self, f"do_{kind}")(words, text)

    def do_conf(self, words, text):
        host, name, *how = words
        path = self.hosts[host].file(f"{HOME}/{name}")
        path.write_text((path.read_text() if how == ["append"] else "") + text)

    def do_dns(self, words, text):
        self.name_server.add(words[0], text)

    def do_sh(self, words, text):
        for line in lines_of(text):
            self.type(words[0], line)

    def type(self, name, line):
        """One line, typed on a host."""
        words = shlex.split(line) if line.startswith(("systemctl ", "scp ")) else []
        if words:
            output = getattr(self, words[0])(self.hosts[name], words[1:])
        else:
            output = self.run(self.hosts[name], line)
        self.said.append((name, line, output))
        return output

    def run(self, host, line):
        asked = re.match(r"sallyportctl (plan|adduser|passwd)\b", line)
        answer = (f"{PASSPHRASE}\n{PASSPHRASE}\n" if asked and asked[1] == "plan" else f"{PASSWORD}\n{PASSWORD}\n") if asked else ""
        deadline = time.monotonic() + (HEALTH_SECONDS if line == "sallyportctl health" else 0)
        while True:
            done = host.run("sh", "-ec", line, cwd=HOME, input=answer, check=False, timeout=120, env=ENVIRONMENT)
            if done.returncode == 0:
                return done.stdout
            assert time.monotonic() < deadline, f"{host.name}: {line}: {done.returncode}\n{done.stdout}{done.stderr}"
            time.sleep(0.05)

    def output(self, name, line):
        """What the line printed when it was typed last."""
        return [o for n, l, o in self.said if (n, l) == (name, line)][-1]

    # --- stand-ins ---

    def scp(self, host, words):
        *sources, target = [w for w in words if w != "-r"]
        to = self.hosts[re.fullmatch(r"root@([\w-]+):", target)[1]]
        for pattern in sources:
            found = sorted(host.file(HOME).glob(pattern))
            assert found, f"{pattern} is not on {host.name}"
            for path in found:
                copy = to.file(f"{HOME}/{path.name}")
                shutil.rmtree(copy, ignore_errors=True)
                shutil.copytree(path, copy) if path.is_dir() else shutil.copy(path, copy)
        return ""

    def systemctl(self, host, words):
        verb, names = words[0], [w for w in words[1:] if not w.startswith("-")]
        if verb == "daemon-reload":
            return ""
        if names == ["sallyport-firewall.service"]:
            assert verb == "reload"
            host.firewall()
        elif verb in ("enable", "start") and names == ["sallyport.target"]:
            host.firewall()
            running = host.pids()
            host.start(*(n for n in host.names() if n not in running))
        elif verb == "restart" and names == ["sallyport.target"]:
            host.forget(*host.pids())
            host.start(*host.names())
        elif verb == "reload":
            for name in self.processes(host, names):
                host.reload(name)
        elif verb == "restart":
            for name in self.processes(host, names):
                host.stop(name)
                host.start(name)
        elif verb == "stop" and any(n.endswith(".socket") for n in names):
            host.forget(*self.processes(host, [n for n in names if n.endswith(".service")]))
        elif verb == "stop":
            host.stop(*self.processes(host, names))
        elif verb == "start":
            host.start(*self.processes(host, names))
        else:
            raise AssertionError(f"systemctl {words}: the stand-in does not know this")
        return ""

    @staticmethod
    def processes(host, units):
        """["sallyport-*@*"] or ["sallyport-c2s@c2s-1.service"]: names of processes on this host."""
        found = []
        for unit in units:
            pattern = unit.removesuffix(".service").split("@", 1)[1].replace("*", ".*")
            found += [n for n in host.names() if re.fullmatch(pattern, n) and n not in found]
        assert found, f"{units}: no such unit on {host.name}"
        return found
