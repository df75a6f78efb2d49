"""Domain certificates: the recipes of deploy/CERTIFICATES.md with real ACME clients, and what the deploy hook refuses and takes back.

The recipes are read from the page. What changes here: the CA is pebble, and paths are below a folder of the test.
"""
import hashlib
import os
import pathlib
import re
import shutil
import ssl
import subprocess

import pytest

from acme_server import AcmeServer, is_there
from cluster import ROOT, Cluster

HOOK = ROOT / "deploy/acme/sallyport-deploy-hook"
PAGE = (ROOT / "deploy/CERTIFICATES.md").read_text()
DOMAIN, SECOND = "example.com", "chat.example.net"
PUBLIC_CA = "https://acme-v02.api.letsencrypt.org/directory"
CLIENTS = {"certbot-webroot": "certbot", "lego-webroot": "lego", "dehydrated-webroot": "dehydrated", "lego-dns": "lego",
           "dehydrated-dns": "dehydrated"}
KEY_GROUP = "daemon" if os.geteuid() == 0 else "root"  # only root gives files away
pytestmark = pytest.mark.skipif(not is_there(), reason="pebble is not installed")


def blocks(kind):
    """{name: text} of the page's blocks ```sh NAME, ```sh-file NAME."""
    return dict(re.findall(rf"^```{kind} (\S+)\n(.*?)^```$", PAGE, re.S | re.M))


# --- a cluster with two connection managers, and a CA --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def acme(tmp_path_factory):
    server = AcmeServer(tmp_path_factory.mktemp("acme") / "ca")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def pair():
    cluster = Cluster("--domain", DOMAIN, "--domain", SECOND, "--c2s", "2")
    cluster.tls = cluster.folder / "tls"
    cluster.first_ca = cluster.ca
    yield cluster
    cluster.down()


@pytest.fixture
def site(pair, tmp_path):
    """The cluster as it was first, whatever the test before did; connections that tests made are closed behind them."""
    former = {f: f.read_bytes() for f in (pair.tls / f"{d}.{e}" for d in (DOMAIN, SECOND) for e in ("pem", "key"))}
    confs = {f: f.read_text() for f in (pair.folder / "conf").glob("c2s-*.conf")}
    yield Site(pair, tmp_path)
    pair.close_clients()
    for file, content in former.items():
        file.write_bytes(content)
    for file, text in confs.items():
        file.write_text(text)
    for name in ("c2s-1", "c2s-2"):
        pair.ctl(name, "reload", check=True)


class Site:
    """Runs the hook and recipes; looks at what connection managers show to a TLS client."""

    def __init__(self, cluster, folder):
        self.cluster, self.folder, self.tls = cluster, folder, cluster.tls
        self.bin = folder / "bin"
        self.bin.mkdir()
        (self.bin / "sallyportctl").symlink_to(cluster.binary("sallyportctl"))
        (self.bin / "sallyport-deploy-hook").symlink_to(HOOK)
        self.env = {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}", "SALLYPORT_TLS_DIR": str(self.tls),
                    "SALLYPORT_KEY_GROUP": KEY_GROUP, "SALLYPORT_CONTROL_DIR": str(cluster.folder / "control"),
                    "SALLYPORT_HOOK_CONF": str(folder / "deploy-hook.conf")}

    def hook(self, *args, code=0, input=None, **env):
        """What it said; code is what it must end with."""
        done = subprocess.run(["sallyport-deploy-hook", *map(str, args)], input=input, capture_output=True, text=True, timeout=60,
                              env={**self.env, **env}, check=False)
        assert done.returncode == code, f"{done.returncode}: {done.stdout}{done.stderr}"
        return done.stderr

    def shown(self, c2s=1, ca=None, domain=DOMAIN):
        """SHA-256 of what a client is shown who asks for the domain; with a CA the client verifies it."""
        client = self.cluster.client(c2s=c2s)
        client.ca = ca
        context = ssl.create_default_context(cafile=ca)
        if not ca:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        client.connect()
        client.sock = context.wrap_socket(self.direct(client), server_hostname=domain)
        digest = hashlib.sha256(client.sock.getpeercert(binary_form=True)).hexdigest()
        client.close()
        return digest

    @staticmethod
    def direct(client):
        client.close()
        client.port = client.tls_port
        return client.connect().sock

    def files(self):
        return {f.name: (f.read_bytes(), f.stat().st_mode, f.stat().st_gid) for f in self.tls.iterdir() if f.name != ".lock"}


def fingerprint(pem):
    der = subprocess.run(["openssl", "x509", "-in", pem, "-outform", "DER"], capture_output=True, check=True).stdout
    return hashlib.sha256(der).hexdigest()


# --- recipes -----------------------------------------------------------------------------------------------------------------

CERTBOT_INI = "config-dir = {0}/certbot\nwork-dir = {0}/certbot/work\nlogs-dir = {0}/certbot/logs\nno-random-sleep-on-renew = true\n"
DNS_CHALLENGE = """#!/bin/sh
case $1 in
present) curl -sf -d "{\\"host\\":\\"$2\\",\\"value\\":\\"$3\\"}" @CONTROL@/set-txt ;;
cleanup) curl -sf -d "{\\"host\\":\\"$2\\"}" @CONTROL@/clear-txt ;;
esac
"""
# In the place of ssh: each host is a folder with settings of its own, as /etc/sallyport/deploy-hook.conf would be.
FAKE_SSH = '#!/bin/sh\nhost=$1\nshift\nSALLYPORT_HOOK_CONF=@FOLDER@/hosts/$host.conf exec "$@"\n'


class Recipe:
    def __init__(self, site, acme):
        self.site, self.acme, self.folder = site, acme, site.folder / "recipe"
        (self.folder / "etc/sallyport").mkdir(parents=True)
        (self.folder / "xdg/letsencrypt").mkdir(parents=True)
        (self.folder / "xdg/letsencrypt/cli.ini").write_text(CERTBOT_INI.format(self.folder))
        self.script(self.folder / "etc/sallyport/dns-challenge", DNS_CHALLENGE.replace("@CONTROL@", acme.control))

    @staticmethod
    def script(path, text):
        path.write_text(text)
        path.chmod(0o755)

    def here(self, text):
        """The page's text with our places in it."""
        for there, ours in ((PUBLIC_CA, self.acme.directory), ("/var/www/acme", str(self.acme.webroot)), ("/var/lib/", f"{self.folder}/"),
                            ("/etc/sallyport/", f"{self.folder}/etc/sallyport/"), ("/usr/sbin/sallyport-deploy-hook", str(HOOK))):
            text = text.replace(there, ours)
        # The DNS server of the test is no resolver of the Internet's.
        return text.replace("--dns exec", "--dns exec --dns.disable-cp")

    def run(self, name):
        for file, text in blocks("sh-file").items():
            if file.startswith(CLIENTS[name]) and file in (f"{name}.conf", "dehydrated-hook"):
                target = "dehydrated.conf" if file.endswith(".conf") else file
                self.script(self.folder / "etc/sallyport" / target, self.here(text))
        text = blocks("sh")["server"] + blocks("sh")[name]
        env = {**self.site.env, "XDG_CONFIG_HOME": str(self.folder / "xdg"), "LEGO_CA_CERTIFICATES": str(self.acme.tls_ca),
               "REQUESTS_CA_BUNDLE": str(self.acme.tls_ca), "CURL_CA_BUNDLE": str(self.acme.tls_ca)}
        done = subprocess.run(["sh", "-e", "-c", self.here(text)], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=120, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout + done.stderr


@pytest.fixture
def recipe(site, acme):
    return Recipe(site, acme)


@pytest.mark.parametrize("name", ["certbot-webroot", "lego-webroot", "dehydrated-webroot"])
def test_a_recipe_puts_a_new_certificate_on_both_and_ends_no_connection(site, acme, recipe, name):
    if not shutil.which(CLIENTS[name]):
        pytest.skip(f"{CLIENTS[name]} is not installed")
    before = site.shown()
    people = [site.cluster.online(f"alice-{name}", c2s=1), site.cluster.online(f"bob-{name}", c2s=2)]
    recipe.run(name)
    assert fingerprint(site.tls / f"{DOMAIN}.pem") != before
    for c2s in (1, 2):
        assert site.shown(c2s, ca=acme.root()) == fingerprint(site.tls / f"{DOMAIN}.pem")
    for person in people:
        person.ping()
    key = site.tls / f"{DOMAIN}.key"
    assert key.stat().st_mode & 0o777 == 0o640 and key.group() == KEY_GROUP and key.owner() == (site.tls / f"{DOMAIN}.pem").owner()
    assert not [f for f in site.files() if f.startswith(".")], "nothing is left behind"


def hosts_of(site, *names):
    """A folder of certificates and of control sockets for each host: gate-1 has c2s-1, gate-2 has c2s-2. What the hosts' settings say."""
    real = site.cluster.folder / "conf" / site.folder.name  # where the processes may read (common/confine.h)
    real.mkdir()
    (site.folder / "hosts").symlink_to(real)
    for name in names:
        tls, control = site.folder / "hosts" / name / "tls", site.folder / "hosts" / name / "control"
        shutil.copytree(site.tls, tls)
        control.mkdir()
        process = name.replace("gate", "c2s")
        for socket in (f"{process}.sock", f"{process}-admin.sock"):
            (control / socket).symlink_to(site.cluster.folder / "control" / socket)
        conf = site.cluster.folder / "conf" / f"{process}.conf"
        conf.write_text(conf.read_text().replace(f"{site.tls}/", f"{tls}/"))
        site.cluster.ctl(process, "reload", check=True)
        (site.folder / "hosts" / f"{name}.conf").write_text(f"SALLYPORT_TLS_DIR={tls}\nSALLYPORT_CONTROL_DIR={control}\nSALLYPORT_TO=\n")
    Recipe.script(site.bin / "ssh-to-host", FAKE_SSH.replace("@FOLDER@", str(site.folder)))
    site.env["SALLYPORT_SSH"] = "ssh-to-host"


@pytest.mark.parametrize("name", ["lego-dns", "dehydrated-dns"])
def test_a_recipe_inside_pushes_one_certificate_to_each_host(site, acme, recipe, name):
    hosts_of(site, "gate-1", "gate-2")
    person = site.cluster.online(f"alice-{name}", c2s=2)
    site.env["SALLYPORT_TLS_DIR"] = "/nonexistent"  # the inner host has none
    recipe.run(name)
    assert site.shown(1, ca=acme.root()) == site.shown(2, ca=acme.root()) == fingerprint(site.folder / f"hosts/gate-1/tls/{DOMAIN}.pem")
    assert (site.folder / f"hosts/gate-2/tls/{DOMAIN}.key").stat().st_mode & 0o777 == 0o640
    person.ping()


def test_every_command_of_the_page_is_run_by_a_test():
    plain = {"certificates", "by-hand", "expiry", "server"}
    assert set(blocks("sh")) == set(CLIENTS) | plain
    assert not re.findall(r"^```sh$", PAGE, re.M), "a block of commands without a name is run by nobody"


def test_the_other_commands_of_the_page(site):
    pem, key = authority(site).issue()
    (site.folder / "fullchain.pem").write_bytes(pem.read_bytes())
    (site.folder / "privkey.pem").write_bytes(key.read_bytes())
    env = {**site.env, "SALLYPORT_CONTROL_DIR": str(site.cluster.folder / "control")}
    for name, want in (("by-hand", ""), ("certificates", fingerprint(pem)), ("expiry", "certificate_days")):
        done = subprocess.run(["sh", "-e", "-c", blocks("sh")[name]], cwd=site.folder, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and want in done.stdout, done.stdout + done.stderr
    assert site.shown(1) == site.shown(2) == fingerprint(pem)


# --- what the hook refuses -----------------------------------------------------------------------------------------------------


class Authority:
    """A CA that makes any certificate, wrong ones included."""

    def __init__(self, folder):
        self.folder, self.count = folder, 0
        folder.mkdir(exist_ok=True)
        self.ca, self.ca_key = self.issue(name="A test CA", template="ca\ncert_signing_key\n", is_ca=True)

    def key(self):
        self.count += 1
        path = self.folder / f"{self.count}.key"
        subprocess.run(["certtool", "--generate-privkey", "--key-type", "ecdsa", "--outfile", path], check=True, capture_output=True)
        return path

    def issue(self, name=DOMAIN, template=None, is_ca=False, dates="expiration_days = 30\n"):
        """(leaf with its chain, key)"""
        key = self.key()
        pem, text = key.with_suffix(".pem"), key.with_suffix(".tmpl")
        text.write_text(f'cn = "{name}"\n{dates}' + (f'dns_name = "{name}"\ntls_www_server\n' if template is None else template))
        how = ["--generate-self-signed"] if is_ca else ["--generate-certificate", "--load-ca-certificate", self.ca, "--load-ca-privkey", self.ca_key]
        subprocess.run(["certtool", *how, "--load-privkey", key, "--template", text, "--outfile", pem], check=True, capture_output=True)
        if not is_ca:
            pem.write_bytes(pem.read_bytes() + self.ca.read_bytes())
        return pem, key


def authority(site):
    return Authority(site.folder / "authority")


def leaf_with_the_chain_of_another(site):
    pem, key = authority(site).issue()
    other = Authority(site.folder / "other")
    pem.write_bytes(pem.read_bytes().replace(authority_pem(pem), other.ca.read_bytes()))
    return pem, key


def authority_pem(chain):
    return b"-----BEGIN" + chain.read_bytes().split(b"-----BEGIN")[-1]


def empty(site):
    pem, key = authority(site).issue()
    pem.write_text("")
    return pem, key


def encrypted_key(site):
    pem, key = authority(site).issue()
    subprocess.run(["openssl", "pkcs8", "-topk8", "-in", key, "-out", f"{key}.enc", "-passout", "pass:secret"], check=True, capture_output=True)
    return pem, f"{key}.enc"


PAST = 'activation_date = "2020-01-01 00:00:00"\nexpiration_date = "2020-02-01 00:00:00"\n'
FUTURE = 'activation_date = "2090-01-01 00:00:00"\nexpiration_date = "2090-02-01 00:00:00"\n'
REFUSED = [
    ("of another name", lambda s: authority(s).issue("other.example"), "does not name example.com"),
    ("of a name that only begins so", lambda s: authority(s).issue("example.com.evil.example"), "does not name example.com"),
    ("of the name in the subject alone", lambda s: authority(s).issue(template="tls_www_server\n"), "has no DNS name"),
    ("expired", lambda s: authority(s).issue(dates=PAST), "has expired"),
    ("not valid yet", lambda s: authority(s).issue(dates=FUTURE), "does not verify"),
    ("for clients only", lambda s: authority(s).issue(template=f'dns_name = "{DOMAIN}"\ntls_www_client\n'), "does not verify"),
    ("with another's key", lambda s: (authority(s).issue()[0], authority(s).key()), "is not that of the certificate"),
    ("with a key under a passphrase", encrypted_key, "is not that of the certificate"),
    ("with another's chain", leaf_with_the_chain_of_another, "does not verify"),
    ("empty", empty, "is not a certificate"),
    ("that is a key", lambda s: (authority(s).key(),) * 2, "is not a certificate"),
]


@pytest.mark.parametrize("make, sentence", [pytest.param(*r[1:], id=r[0]) for r in REFUSED])
def test_a_certificate_is_refused_before_anything_is_replaced(site, make, sentence):
    before, shown = site.files(), site.shown()
    reloads = site.cluster.ctl("c2s-1", "status").stdout
    pem, key = make(site)
    assert sentence in site.hook("install", DOMAIN, pem, key, code=1)
    assert site.files() == before and site.shown(1) == site.shown(2) == shown
    reloaded = [l for l in reloads.splitlines() if l.startswith("reloads")]
    assert reloaded and reloaded[0] in site.cluster.ctl("c2s-1", "status").stdout, "it was not even reloaded"


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", ".example.com", "", "a..b", "x;reboot", "*.example.com", "EXAMPLE.COM"])
def test_a_name_that_is_no_domain_never_becomes_a_path(site, name):
    pem, key = authority(site).issue()
    assert "is not a domain" in site.hook("install", name, pem, key, code=1)


# --- what the processes refuse -------------------------------------------------------------------------------------------------


def test_when_one_process_does_not_take_it_all_have_the_old_one_again(site):
    before, shown = site.files(), site.shown()
    conf = site.cluster.folder / "conf/c2s-2.conf"
    good = conf.read_text()
    conf.write_text(good + "no_such_key = 1\n")
    said = site.hook("install", DOMAIN, *authority(site).issue(), code=1)
    assert "c2s-2 did not take it" in said and "no_such_key" in said
    conf.write_text(good)
    assert site.files() == before and site.shown(1) == site.shown(2) == shown


def test_a_process_that_reads_other_files_is_found_out(site):
    """It reloads without an error, and goes on to show what it showed."""
    before, shown = site.files(), site.shown()
    conf = site.cluster.folder / "conf/c2s-2.conf"
    elsewhere = site.cluster.folder / "conf" / "elsewhere"
    shutil.copytree(site.tls, elsewhere)
    conf.write_text(conf.read_text().replace(f"{site.tls}/", f"{elsewhere}/"))
    assert "c2s-2 was reloaded and does not show it" in site.hook("install", DOMAIN, *authority(site).issue(), code=1)
    assert site.files() == before and site.shown(1) == site.shown(2) == shown


def test_before_the_first_start_the_files_are_put_there(site):
    tls, control = site.folder / "tls", site.folder / "control"
    tls.mkdir()
    control.mkdir()
    pem, key = authority(site).issue()
    said = site.hook("install", DOMAIN, pem, key, SALLYPORT_TLS_DIR=str(tls), SALLYPORT_CONTROL_DIR=str(control))
    assert "no running process of this host serves example.com" in said
    assert (tls / f"{DOMAIN}.pem").read_bytes() == pem.read_bytes() and (tls / f"{DOMAIN}.key").read_bytes() == key.read_bytes()


def test_a_certificate_of_several_names_is_kept_under_each_that_has_files(site):
    (site.tls / "chat.example.pem").write_text("former")
    try:
        pem, key = authority(site).issue(template=f'dns_name = "{DOMAIN}"\ndns_name = "chat.example"\ndns_name = "new.example"\ntls_www_server\n')
        site.hook("install", DOMAIN, pem, key)
        assert (site.tls / "chat.example.pem").read_bytes() == (site.tls / f"{DOMAIN}.pem").read_bytes() == pem.read_bytes()
        assert not (site.tls / "new.example.pem").exists()
    finally:
        for end in ("pem", "key"):
            (site.tls / f"chat.example.{end}").unlink()


def test_a_wildcard_is_kept_under_the_domain(site):
    """The process does not show the domain's name then, nor before the second time: it is known by its former certificate."""
    for _ in range(2):
        pem, key = authority(site).issue("*.example.net")
        site.hook("install", SECOND, pem, key)
        assert site.shown(1, domain=SECOND) == site.shown(2, domain=SECOND) == fingerprint(pem)
        assert site.shown(1) == fingerprint(site.tls / f"{DOMAIN}.pem") != fingerprint(pem)


# --- other hosts ---------------------------------------------------------------------------------------------------------------


def test_a_host_that_does_not_take_it_is_named_and_the_others_have_it(site):
    hosts_of(site, "gate-1", "gate-2")
    conf = site.cluster.folder / "conf/c2s-1.conf"
    former = site.shown(1)
    conf.write_text(conf.read_text() + "no_such_key = 1\n")
    pem, key = authority(site).issue()
    said = site.hook("--remote-only", "--to", "gate-1", "--to", "gate-2", "install", DOMAIN, pem, key, code=1)
    assert "these hosts did not take it, and have what they had: gate-1" in said and "no_such_key" in said
    assert site.shown(1) == former and site.shown(2) == fingerprint(pem)


def test_the_other_end_takes_only_the_domains_that_it_was_given(site):
    pem, key = authority(site).issue()
    before = site.files()
    text = key.read_text() + pem.read_text()
    for first, sentence in (("sallyport-certificate other.example\n", "may not be replaced from there"),
                            ("sallyport-certificate ../example.com\n", "may not be replaced from there"), ("", "no certificate")):
        assert sentence in site.hook("receive", DOMAIN, "second.example", code=1, input=first + text)
    assert "nothing was received" in site.hook("receive", DOMAIN, code=1, input="")
    assert site.files() == before
    site.hook("receive", DOMAIN, "second.example", input=f"sallyport-certificate {DOMAIN}\n" + text)
    assert site.shown() == fingerprint(pem)


def test_settings_may_stand_in_a_file(site):
    (site.folder / "deploy-hook.conf").write_text(f"SALLYPORT_TLS_DIR={site.tls}\n")
    pem, key = authority(site).issue()
    site.hook("install", DOMAIN, pem, key, SALLYPORT_TLS_DIR="/nonexistent")
    assert site.shown() == fingerprint(pem)


# --- the script ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["startup_hook", "exit_hook", "deploy_challenge", "this_hookscript_is_broken__really"])
def test_what_dehydrated_tells_besides_is_passed_over(site, operation):
    assert site.hook(operation, "a", "b", "c") == ""


@pytest.mark.parametrize("words", [[], ["instal", "x", "y", "z"], ["install", "x"], ["receive"], ["--to"], ["deploy_cert", "x"]])
def test_a_wrong_command_line_says_how_it_is_used(site, words):
    assert "usage: sallyport-deploy-hook" in site.hook(*words, code=2)


def test_the_hook_is_plain_shell():
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed")
    done = subprocess.run(["shellcheck", "-s", "sh", HOOK], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
