"""deploy/README.md and the pages behind it, followed word by word on machines that stand for their hosts: from packages to clients that talk."""
import json
import pathlib
import re
import shutil
import subprocess
import time

import pytest

from network import ROOT, Network, can_run, command
from pages import HOME, PASSWORD, Administrator, blocks

pytestmark = pytest.mark.skipif(not can_run(), reason="needs root, namespaces and nftables")

HOSTS = {"desk": "office", "core-1": "office", "gate-1": "dmz", "gate-2": "dmz", "proxy": "dmz", "laptop": "Internet"}
ADDRESSES = {"core-1": ["10.2.0.5"], "desk": ["10.2.0.9"], "gate-1": ["10.1.0.10", "192.0.2.10"], "gate-2": ["10.1.0.11", "192.0.2.11"],
             "proxy": ["192.0.2.5"], "laptop": ["203.0.113.7"]}
NAME_SERVER = "203.0.113.53"
TRUSTED = "/etc/ssl/certs/ca-certificates.crt"


class NameServer:
    """A real one, on the Internet, with the records that the page gives."""

    def __init__(self, network):
        self.place, self.folder, self.records, self.process = network.internet, network.folder, [], None
        self.place.run("ip", "address", "add", f"{NAME_SERVER}/32", "dev", "up0")
        network.wire.run("ip", "route", "add", NAME_SERVER, "via", network.address("internet"))

    def add(self, zone, text):
        for line in text.splitlines():
            name, rest = line.split(None, 1)
            self.records.append(f"{name}.{zone}. {rest}")
        self.start(zone)

    def start(self, zone):
        if self.process:
            self.process.kill()
            self.process.wait()
        data = "".join(f"  local-data: '{r}'\n" for r in self.records)
        conf = self.folder / "unbound.conf"
        conf.write_text(f'server:\n  interface: {NAME_SERVER}\n  access-control: 0.0.0.0/0 allow\n  do-daemonize: no\n  use-syslog: no\n  username: ""\n'
                        f'  chroot: ""\n  pidfile: ""\n  module-config: "iterator"\n  local-zone: "{zone}." static\n{data}')
        log = self.folder / "unbound.log"
        with open(log, "w") as out:
            self.process = self.place.popen("unbound", "-d", "-c", conf, stdout=out, stderr=out)
        deadline = time.monotonic() + 15
        while "start of service" not in log.read_text():
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)


@pytest.fixture(scope="module")
def packages():
    """What `make deb` builds."""
    subprocess.run(["make", "-s", "-j2", "deb"], cwd=ROOT, check=True, capture_output=True, timeout=600)
    return sorted((ROOT / "build/deb").glob("*.deb"))


def wait_for(is_true, what, seconds=20):
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.05)


def give_addresses(network):
    for name, addresses in ADDRESSES.items():
        host, via = network.hosts[name], network.address(name)
        for address in addresses:
            host.run("ip", "address", "add", f"{address}/32", "dev", "up0")
            network.wire.run("ip", "route", "add", address, "via", via)
        # It speaks as the first of them.
        gateway = via.rsplit(".", 1)[0] + ".1"
        host.run("ip", "route", "replace", "default", "via", gateway, "src", addresses[0])


def make_packages_quick(host):
    """A machine whose lists of packages are empty, and that need not survive a loss of power."""
    host.run("sh", "-c", "rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin")
    host.write("/etc/dpkg/dpkg.cfg.d/quick", "force-unsafe-io\n")


def make_certificate(network):
    """The company's CA, in the laptop's trust store, and the domain's certificate in root's home on both hosts of the DMZ."""
    folder = network.folder / "domain-ca"
    folder.mkdir()
    made = lambda *args: command("certtool", *args, cwd=folder)
    for name, template in (("ca", "ca\ncert_signing_key\n"), ("example.com", 'dns_name = "example.com"\ntls_www_server\nsigning_key\n')):
        (folder / f"{name}.tmpl").write_text(f'cn = "{name}"\nexpiration_days = 60\n{template}')
        made("--generate-privkey", "--key-type", "ecdsa", "--curve", "secp256r1", "--outfile", f"{name}.key")
    made("--generate-self-signed", "--load-privkey", "ca.key", "--template", "ca.tmpl", "--outfile", "ca.pem")
    made("--generate-certificate", "--load-privkey", "example.com.key", "--load-ca-certificate", "ca.pem", "--load-ca-privkey", "ca.key",
         "--template", "example.com.tmpl", "--outfile", "example.com.pem")
    for host in ("gate-1", "gate-2"):
        for name in ("example.com.pem", "example.com.key"):
            shutil.copy(folder / name, network.hosts[host].file(f"{HOME}/{name}"))
    network.hosts["laptop"].write(TRUSTED, (folder / "ca.pem").read_bytes())


@pytest.fixture(scope="module")
def walked(packages):
    """The whole page has been followed when this returns: every command succeeded."""
    with Network(HOSTS) as network:
        give_addresses(network)
        make_certificate(network)
        network.hosts["laptop"].write("/etc/resolv.conf", f"nameserver {NAME_SERVER}\n")
        for path in packages:
            shutil.copy(path, network.hosts["desk"].file(f"{HOME}/{path.name}"))
        for host in network.hosts.values():
            make_packages_quick(host)
        admin = Administrator({**network.hosts, "internet": network.hosts["laptop"]}, NameServer(network))
        admin.network = network
        admin.follow("README.md")
        yield admin


@pytest.fixture(scope="module")
def strophe(walked):
    """A libstrophe client on the laptop that writes to itself: (account, host or "-", port)."""
    program = walked.network.folder / "strophe"
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libstrophe"], capture_output=True, text=True, check=True).stdout.split()
    subprocess.run(["gcc", "-o", program, ROOT / "tests/interop/strophe_client.c", *flags], check=True)
    laptop = walked.hosts["laptop"]
    shutil.copy(program, laptop.file("/tmp/strophe"))
    return lambda account, host, port: laptop.run("/tmp/strophe", account, PASSWORD, host, port, TRUSTED, check=False)


def test_the_plan_has_one_flow_for_the_perimeter_as_the_page_says(walked):
    flows = json.loads(walked.run(walked.hosts["desk"], "sallyportctl plan --explain=json cluster.conf"))
    crossing = [f for f in flows if f["from_zone"] == "office" and f["to_zone"] == "dmz" and f["to_host"] == "gate-1"]
    assert [(f["port"], f["from_host"]) for f in crossing] == [("5275", "core-1")]
    assert not [f for f in flows if f["from_zone"] == "dmz" and f["to_zone"] == "office"]


def test_a_client_finds_its_server_by_the_records_of_the_page(walked, strophe):
    done = strophe("alice@example.com", "-", 0)
    assert done.returncode == 0, done.stderr[-3000:]
    audit = walked.hosts["core-1"].text("/var/log/sallyport/sm-1/audit.log")
    assert "alice@example.com" in audit and "SCRAM-SHA-512" in audit and "203.0.113.7" in audit


def test_both_connection_managers_are_linked_and_healthy(walked):
    links = walked.run(walked.hosts["core-1"], "sallyportctl router-1 links")
    assert "c2s-1.example.internal" in links and "c2s-2.example.internal" in links
    assert "OK" in walked.output("gate-2", "sallyportctl health")


def test_a_client_logs_in_through_the_second_one(walked, strophe):
    done = strophe("bob@example.com", "192.0.2.11", 5222)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "bob@example.com" in walked.run(walked.hosts["core-1"], "sallyportctl users")


def test_the_processes_are_those_of_the_packages_under_their_own_users(walked):
    for host, name, role in (("gate-1", "c2s-1", "c2s"), ("core-1", "router-1", "router"), ("core-1", "sm-1", "sm")):
        pid = walked.hosts[host].pids()[name]
        assert pathlib.Path(f"/proc/{pid}/exe").readlink() == pathlib.Path(f"/usr/sbin/sallyport-{role}")
        assert walked.hosts[host].run("ps", "-o", "user:32=", "-C", f"sallyport-{role}").strip() == f"sallyport-{role}"


def test_a_bundle_that_was_altered_on_its_way_is_refused(walked):
    host = walked.hosts["gate-2"]
    walked.run(host, "rm -rf altered; cp -r gate-2 altered; echo '# x' >> altered/etc/sallyport/c2s-2.conf")
    done = host.run("sallyportctl", "install", "altered", cwd=HOME, check=False)
    assert done.returncode == 77 and "SHA-256" in done.stderr
    assert walked.run(host, "sallyportctl install gate-2").strip() == "nothing changed"


# --- deploy/FIREWALL.md -----------------------------------------------------------------------------------------------


def test_the_page_on_firewalls_is_true(walked):
    walked.follow("FIREWALL.md")
    assert "10.1.0.10" in walked.output("gate-1", "nft list table inet sallyport")
    csv = walked.run(walked.hosts["desk"], "cat flows.csv")
    assert "5275" in csv and "10.2.0.5" in csv


def test_our_user_in_the_dmz_cannot_dial_inwards(walked):
    host = walked.hosts["gate-1"]
    dial = "setpriv --reuid=sallyport-c2s --clear-groups nc -z -w 2 10.2.0.5 22"
    assert host.run("sh", "-c", dial, check=False).returncode != 0
    counted = walked.run(host, "nft list chain inet sallyport ours")
    assert re.search(r"counter packets [1-9]\d* .*reject", counted), counted


def test_a_flushed_ruleset_is_loaded_again_by_a_reload(walked):
    host = walked.hosts["gate-1"]
    assert "\nReloadPropagatedFrom=nftables.service\n" in host.text("/etc/systemd/system/sallyport-firewall.service")
    walked.run(host, "nft flush ruleset")
    walked.systemctl(host, ["reload", "sallyport-firewall.service"])
    assert "dport 5275" in walked.run(host, "nft list table inet sallyport")


# --- deploy/BALANCING.md ----------------------------------------------------------------------------------------------


def follow_behind_a_proxy(admin):
    """The conf and haproxy blocks of the page, put where they belong by hand."""
    parts = {kind: body for kind, words, body in blocks("BALANCING.md") if not words}
    desk = admin.hosts["desk"]
    conf = desk.file(f"{HOME}/cluster.conf")
    conf.write_text(re.sub(r'^c2s "c2s-.*\n', "", conf.read_text(), flags=re.M) + parts["conf"])
    admin.type("desk", "sallyportctl plan cluster.conf")
    for name in ("gate-1", "gate-2"):
        admin.type("desk", f"scp -r plan/hosts/{name} root@{name}:")
        for line in admin.type(name, f"sallyportctl install {name}").split("Now run:\n")[1].splitlines():
            admin.type(name, line)
    proxy = admin.hosts["proxy"]
    proxy.write("/etc/haproxy/haproxy.cfg", parts["haproxy"])
    admin.run(proxy, parts["sh"])
    proxy.popen("haproxy", "-db", "-f", "/etc/haproxy/haproxy.cfg", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_behind_a_proxy_the_client_s_address_is_the_client_s(walked, strophe):
    follow_behind_a_proxy(walked)
    wait_for(lambda: strophe("alice@example.com", "192.0.2.5", 5222).returncode == 0, "a login through the proxy")
    audit = walked.hosts["core-1"].text("/var/log/sallyport/sm-1/audit.log")
    assert "203.0.113.7" in [l for l in audit.splitlines() if "alice@example.com" in l and "login" in l][-1]
    # Nobody else may say who the client is, or come in at all.
    assert strophe("alice@example.com", "192.0.2.10", 5222).returncode != 0


def test_one_is_taken_out_and_comes_back(walked, strophe):
    walked.follow("BALANCING.md", only={("sh", "gate-1")})
    assert "c2s-1" in walked.hosts["gate-1"].pids()
    wait_for(lambda: strophe("bob@example.com", "192.0.2.5", 5222).returncode == 0, "a login through the proxy")


# --- deploy/UPGRADE.md ------------------------------------------------------------------------------------------------


def newer(path, folder):
    """The same package with a higher version."""
    tree = folder / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    command("dpkg-deb", "-R", path, tree)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*", "Version: 99", control.read_text(), flags=re.M))
    out = folder / f"{path.name.split('_')[0]}_99_amd64.deb"
    command("dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, out)
    return out


def test_an_upgrade_by_the_page(walked, packages):
    """What the packages' scripts do under systemd (tests/e2e/test_deb.py has their texts) is done here by its stand-in."""
    for name in ("core-1", "gate-1"):
        for path in walked.hosts[name].file(HOME).glob("*.deb"):
            path.unlink()
        for path in packages:
            if "dbgsym" not in path.name:
                shutil.copy(newer(path, walked.network.folder), walked.hosts[name].file(HOME))
    walked.follow("UPGRADE.md", only={("sh", "core-1")})
    for unit in ("sallyport-router@router-1.service", "sallyport-sm@sm-1.service"):
        walked.systemctl(walked.hosts["core-1"], ["restart", unit])
    walked.follow("UPGRADE.md", only={("sh", "gate-1")})
    assert walked.hosts["gate-1"].run("dpkg-query", "-W", "-f", "${Version}", "sallyport-c2s") == "99"
