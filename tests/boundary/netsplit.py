"""The split cluster that the tests of the boundary run: two hosts in the DMZ, two inside, planned by sallyportctl, installed by deploy/PLAN.md.

    gate-1 (dmz)     c2s-1, and in layout b the router
    gate-2 (dmz)     c2s-2
    core-1 (office)  sm-1, and in layout a the router
    core-2 (office)  c2s-3, for the intranet
"""
import json
import subprocess
import sys

from network import ROOT, Network, binaries

sys.path.insert(0, str(ROOT / "tests/e2e"))
from cluster import SANITIZER_MARKS  # noqa: E402
from xmpp import Client  # noqa: E402

PASSPHRASE = "correct horse battery staple"
DOMAIN = "example.com"
HOSTS = {"gate-1": "dmz", "gate-2": "dmz", "core-1": "office", "core-2": "office"}
CLIENT_PORT, TLS_PORT = 5222, 5223
CONF = """
internal_domain = "example.internal"
zone "dmz" {{ kind = "dmz" }}
zone "office" {{ kind = "private" }}
{hosts}
c2s "c2s-1" {{ host = "gate-1" {c2s} }}
c2s "c2s-2" {{ host = "gate-2" {c2s} }}
c2s "c2s-3" {{ host = "core-2" {c2s} }}
router "router-1" {{ host = "{router}" {router_settings} }}
sm "sm-1" {{ host = "core-1" {sm} }}
domain "example.com" {{ {domain} }}
{more}
"""
HOST = 'host "{name}" {{ zone = "{zone}" address = {{"{v4}", "{v6}"}} }}'


class Split:
    """layout: a or b. domain, c2s, sm, router_settings: further words of those sections. more: further sections.
    Any of these may be a function of Network.address.
    others: {name: zone} of further machines, with nothing of ours; domains: all that the certificate is for."""

    def __init__(self, layout, domain="", more="", others=None, domains=(DOMAIN,), **settings):
        self.layout, self.domains = layout, domains
        self.network = Network({**HOSTS, **(others or {})})
        self.clients = []
        try:
            self.folder = self.network.folder / "planning"
            self.folder.mkdir(mode=0o700)
            self.out = self.folder / "plan"
            self.describe(domain, more, settings)
            self.run_plan(self.folder / "cluster.conf")
            self.flows = json.loads(self.run_plan("--explain=json", self.folder / "cluster.conf"))
            self.certificate()
            for host in self.hosts.values():
                self.furnish(host)
        except BaseException:
            self.close()
            raise

    @property
    def hosts(self):
        return {n: self.network.hosts[n] for n in HOSTS}

    def describe(self, domain, more, settings):
        address = self.network.address
        hosts = "\n".join(HOST.format(name=n, zone=z, v4=address(n), v6=address(n, 6)) for n, z in HOSTS.items())
        words = dict(dict.fromkeys(("c2s", "router_settings", "sm"), ""), **settings, more=more)
        words = {k: w(address) if callable(w) else w for k, w in words.items()}
        router = "core-1" if self.layout == "a" else "gate-1"
        (self.folder / "cluster.conf").write_text(CONF.format(hosts=hosts, router=router, domain=domain, **words))
        (self.folder / "passphrase").write_text(PASSPHRASE + "\n")
        (self.folder / "passphrase").chmod(0o600)

    def run_plan(self, *args):
        done = subprocess.run([str(binaries() / "sallyportctl"), "plan", "--passphrase-file", str(self.folder / "passphrase"), *map(str, args)],
                              capture_output=True, text=True, timeout=60, cwd=self.folder)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def certificate(self):
        """The domains': a CA of clients, one certificate."""
        names = "".join(f'dns_name = "{d}"\n' for d in self.domains)
        tls = self.folder / "tls"
        tls.mkdir()
        run = lambda *args: subprocess.run(["certtool", *map(str, args)], check=True, capture_output=True)
        for name, template in (("ca", "ca\ncert_signing_key\n"), (DOMAIN, names + "tls_www_server\nsigning_key\n")):
            (tls / f"{name}.tmpl").write_text(f'cn = "{name}"\nexpiration_days = 9\n{template}')
            run("--generate-privkey", "--key-type", "ecdsa", "--curve", "secp256r1", "--outfile", tls / f"{name}.key")
        run("--generate-self-signed", "--load-privkey", tls / "ca.key", "--template", tls / "ca.tmpl", "--outfile", tls / "ca.pem")
        run("--generate-certificate", "--load-privkey", tls / f"{DOMAIN}.key", "--load-ca-certificate", tls / "ca.pem", "--load-ca-privkey",
            tls / "ca.key", "--template", tls / f"{DOMAIN}.tmpl", "--outfile", tls / f"{DOMAIN}.pem")
        self.ca = str(tls / "ca.pem")

    def furnish(self, host):
        host.install(self.out / "hosts" / host.name)
        host.firewall()
        names = host.names()
        host.programs("sallyportctl", *{f"sallyport-{n.split('-')[0]}" for n in names})
        if any(n.startswith("c2s") for n in names):
            for kind, mode in (("pem", 0o644), ("key", 0o640)):
                data = (self.folder / "tls" / f"{DOMAIN}.{kind}").read_bytes()
                host.write(f"/etc/sallyport/tls/{DOMAIN}.{kind}", data, mode, "root:sallyport-c2s")

    def addresses(self):
        """{address: host} of the whole network."""
        return {self.network.address(n, v): n for n in self.network.zones for v in (4, 6)}

    # --- processes ---

    def host_of(self, process):
        return next(h for h in self.hosts.values() if process in h.names())

    def start(self, **environment):
        """All processes; environment: for each of them."""
        for host in self.hosts.values():
            host.environment = environment
            host.launch(*host.names())
        for host in self.hosts.values():
            host.ready(*host.names())
        return self

    def adduser(self, name, password):
        self.hosts["core-1"].ctl("adduser", f"{name}@{DOMAIN}", input=password + "\n")

    # --- clients ---

    def client(self, name, password, host="gate-1", place=None, domain=DOMAIN):
        """A client that is not connected yet, of the Internet or of another place."""
        place = place or (self.hosts["core-1"] if host == "core-2" else self.network.internet)
        c = PlacedClient(place, self.network.address(host), CLIENT_PORT, TLS_PORT, self.ca, domain, name, password)
        self.clients.append(c)
        return c

    def close(self):
        """Ends all; fails when a sanitizer spoke."""
        for c in self.clients:
            c.close()
        said = {log.stem: log.read_text(errors="replace") for log in self.network.folder.glob("*/var/log/manager/*.log")}
        self.network.close()
        assert not [n for n, text in said.items() if any(m in text for m in SANITIZER_MARKS)], [text[-6000:] for text in said.values()]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class PlacedClient(Client):
    """A client whose socket is of another network namespace."""

    def __init__(self, place, *args, **options):
        super().__init__(*args, **options)
        self.place = place

    def connect(self, *args, **options):
        with self.place.inside():
            return super().connect(*args, **options)
