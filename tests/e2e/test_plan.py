"""sallyportctl plan: one description, a bundle for each host; what is in it, that it can be checked, what is told and refused."""
import csv
import io
import json
import os
import re
import shutil
import subprocess

import pytest

from planned import PASSPHRASE, keys_in, talk, user
from units import read_unit

# --- what is in a bundle ------------------------------------------------------------------------------------------------


def test_each_host_gets_what_its_processes_need_and_nothing_of_others(plan):
    p = plan()
    p.make()
    gate = {path.removeprefix(str(p.dir)) for _, _, _, path in p.manifest("gate-1")}
    core = {path.removeprefix(str(p.dir)) for _, _, _, path in p.manifest("core-1")}
    assert {"/etc/c2s-1.conf", "/etc/c2s-1/link.key", "/etc/c2s-1/link.pem", "/etc/c2s-1/secret/router-1", "/etc/link-ca.pem",
            "/etc/link-crl.pem", "/etc/sallyport.nft", "/etc/systemd/system/sallyport-c2s@.service"} <= gate
    assert {"/etc/router-1.conf", "/etc/sm-1.conf", "/etc/router-1/secret/c2s-1", "/etc/sm-1/secret/router-1"} <= core
    assert not [f for f in gate if "sm-1" in f or f.startswith("/etc/router-1")]
    assert not [f for f in core if f.startswith("/etc/c2s-1")]


def test_a_domain_may_be_a_directorys(plan):
    p = plan(more="domain \"dir.example\" {{ mechanisms = {{\"PLAIN\"}} mechanisms_dmz = {{\"PLAIN\"}} settings = {{'auth = {{\"ldap\"}}', 'directory = corp'}} }}")
    p.make()
    text = (p.host("core-1") / f".{p.dir}/etc/sm-1.conf").read_text()
    section = re.search(r'^host "dir.example" \{\n(.*?)^\}', text, re.S | re.M)[1]
    assert '    auth = {"ldap"}\n' in section and "    directory = corp\n" in section


def test_the_key_of_the_ca_is_encrypted_and_in_no_bundle(plan):
    p = plan()
    p.make()
    ca_key = (p.out / "ca/ca-1.key").read_text()
    assert ca_key.startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert PASSPHRASE not in ca_key
    opened = subprocess.run(["certtool", "--key-info", "--pkcs8", "--password", PASSPHRASE, "--infile", str(p.out / "ca/ca-1.key")], capture_output=True,
                            text=True, check=True).stdout
    secret = re.search(r"private key:\n([0-9a-f:\s]+)\n\n", opened).group(1)
    assert len(re.sub(r"\s", "", secret)) > 60
    for file in (p.out / "hosts").rglob("*"):
        if file.is_file():
            for kind, body in keys_in(file.read_text()):
                assert kind == "PRIVATE KEY" and file.name == "link.key", file
                info = subprocess.run(["certtool", "--key-info", "--infile", str(file)], capture_output=True, text=True, check=True).stdout
                assert secret not in info, file


def test_secrets_are_private_on_the_planning_machine(plan):
    p = plan()
    p.make()
    for folder in ("ca", "keys", "secrets"):
        for file in (p.out / folder).iterdir():
            assert file.stat().st_mode & 0o077 == 0, file
    assert all(mode in (0o600, 0o640) for mode, _, _, path in p.manifest("core-1") if "/secret/" in path or path.endswith(".key"))
    assert {owner for _, owner, _, path in p.manifest("core-1") if "/secret/" in path} == {f"root:{user()}"}


def test_a_second_run_changes_nothing_and_needs_no_passphrase(plan):
    p = plan()
    first = p.make().stdout
    assert "ca-1.pem" in first and "c2s-1.conf" in first
    before = {f: f.read_bytes() for f in p.out.rglob("*") if f.is_file()}
    assert "nothing has changed" in p.make(passphrase=False, input="").stdout
    assert {f: f.read_bytes() for f in p.out.rglob("*") if f.is_file()} == before


def test_one_more_c2s_leaves_keys_and_secrets_of_the_others_alone(plan):
    p = plan()
    p.make()
    before = {f: f.read_bytes() for f in p.out.rglob("*") if f.is_file() and (f.suffix == ".key" or f.parent.name in ("secrets", "secret"))}
    p.write(more='c2s "c2s-2" {{ host = "gate-1" user = "{user}" starttls_port = {p4} tls_port = {p5} link_port = {p6} }}')
    said = p.make().stdout
    assert re.search(r"changed  \S+/router-1.conf", said) and re.search(r"new      \S+/c2s-2.conf", said)
    assert "sm-1" not in said and not re.search(r"changed  \S+/c2s-1", said)
    assert {f: f.read_bytes() for f in before} == before
    p.write()
    said = p.make().stdout
    assert re.search(r"removed  \S+/c2s-2/link.key", said) and not list(p.host("gate-1").rglob("*c2s-2*.conf"))


def test_link_certificates_have_the_right_names_keys_and_days(plan):
    p = plan()
    p.make()
    info = subprocess.run(["certtool", "--certificate-info", "--infile", str(p.out / "keys/c2s-1.pem")], capture_output=True, text=True, check=True).stdout
    assert "DNSname: c2s-1.example.internal" in info and "SECP256R1" in info
    assert "TLS WWW Server" in info and "TLS WWW Client" in info and "Certificate Authority (CA): FALSE" in info
    days = subprocess.run(["openssl", "x509", "-in", str(p.out / "keys/c2s-1.pem"), "-noout", "-checkend", str(91 * 86400)], capture_output=True)
    assert days.returncode == 1
    assert subprocess.run(["openssl", "x509", "-in", str(p.out / "keys/c2s-1.pem"), "-noout", "-checkend", str(89 * 86400)], capture_output=True).returncode == 0


# --- that it can be checked ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("router_host", ["core-1", "gate-1"])
def test_every_process_accepts_its_file(plan, router_host):
    p = plan(router_host)
    p.make()
    p.domain_certificate()
    p.folders()
    p.install("gate-1", "core-1")
    for name in ("c2s-1", "router-1", "sm-1"):
        done = subprocess.run([str(p.bin / f"sallyport-{name.split('-')[0]}"), "--check", "-c", str(p.dir / f"etc/{name}.conf")], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
@pytest.mark.parametrize("router_host", ["core-1", "gate-1"])
def test_units_are_valid_and_confined(plan, router_host):
    p = plan(router_host)
    p.make()
    for host in ("gate-1", "core-1"):
        folder = p.host(host) / "etc/systemd/system"
        for file in folder.rglob("*.service"):
            file.write_text(re.sub(r"^Documentation=.*\n", "", file.read_text(), flags=re.M))  # pages that are not installed here
        units = [f.name for f in folder.iterdir() if f.suffix in (".socket", ".target")] + ["sallyport-firewall.service"]
        services = [f.name.removesuffix(".d") for f in folder.glob("*.service.d")]
        done = subprocess.run(["systemd-analyze", "verify", *(f"./{u}" for u in units + services)], cwd=folder, capture_output=True, text=True)
        ours = [l for l in (done.stdout + done.stderr).splitlines() if "sallyport" in l]
        assert done.returncode == 0 and not ours, ours
        for unit in [*services, "sallyport-firewall.service"]:
            done = subprocess.run(["systemd-analyze", "security", "--offline=true", f"./{unit}"], cwd=folder, capture_output=True, text=True)
            level = float(re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout).group(1))
            assert level < 1.5 and (level <= 0.6 or not unit.startswith("sallyport-c2s")), f"{unit}: {level}"


def test_a_c2s_with_the_router_inside_has_no_network_of_its_own(plan):
    p = plan()
    p.make()
    unit = read_unit(p.host("gate-1") / "etc/systemd/system/sallyport-c2s@c2s-1.service.d/plan.conf")["Service"]
    assert unit["PrivateNetwork"] == ["yes"] and unit["RestrictAddressFamilies"] == ["AF_UNIX"] and unit["IPAddressDeny"] == ["any"]
    template = read_unit(p.host("gate-1") / "etc/systemd/system/sallyport-c2s@.service")["Service"]
    assert template["LimitCORE"] == ["0"] and template["Type"] == ["notify"] and "WatchdogSec" in template and template["LoadCredential"]


def test_a_revocation_says_which_links_it_does_not_end(plan):
    p = plan()
    p.make()
    assert "Unix socket" not in p.run("revoke", "--file", p.file, "c2s-1").stdout
    assert "WARNING: the link of router-1 and sm-1 is a Unix socket on host core-1" in p.run("revoke", "--file", p.file, "sm-1").stdout


# --- what it tells, and what it refuses ---------------------------------------------------------------------------------


def test_every_flow_is_told_alike_as_text_csv_and_json(plan):
    p = plan()
    rows = json.loads(p.run("--explain=json", p.file).stdout)
    assert list(csv.DictReader(io.StringIO(p.run("--explain=csv", p.file).stdout))) == rows
    text = p.run("--explain", p.file).stdout
    assert all(r["why"] in text and r["identity"] in text for r in rows)
    crossing = [(r["from"], r["to"], r["port"]) for r in rows if r["crosses"] == "yes" and r["from_zone"] != "Internet"]
    assert crossing == [("router-1", "c2s-1", str(p.ports[2]))]
    assert not p.out.exists()


def test_secrets_are_told_with_owner_mode_rotation_and_what_theft_permits(plan):
    p = plan()
    rows = json.loads(p.run("--secrets=json", p.file).stdout)
    assert all(r["owner"] and r["mode"] and r["rotation"] and r["theft_permits"] for r in rows)
    p.make()
    told = {r["file"] for r in rows}
    assert all(path in told for host in ("gate-1", "core-1") for mode, _, _, path in p.manifest(host) if mode != 0o644)


@pytest.mark.parametrize("more, sentence", [
    ('host "far" {{ zone = "dmz" address = {{"127.0.0.4"}} }}\nsm "sm-2" {{ host = "far" }}', "belong in a private zone"),
    ('c2s "c2s-2" {{ host = "nowhere" }}', 'there is no section host "nowhere"'),
    ('c2s "c2s-2" {{ host = "gate-1" link_port = {p2} }}', "is also that of c2s-1"),
    ('service "log" {{ kind = "syslog" zone = "office" address = {{"10.0.0.1"}} hosts = {{"gate-1"}} }}', "from a dmz to the inside"),
    ('component "c.example.com" {{ zone = "dmz" address = {{"10.0.0.1"}} }}', "open connections inwards"),
    ('c2s "c2s-2" {{ host = "gate-1" user = "root" }}', "other than root"),
    ("domain \"dir.example\" {{ settings = {{'mechanisms_dmz = {{PLAIN}}'}} }}", "mechanisms and mechanisms_dmz are keys of their own"),
    ('host "odd" {{ zone = "dmz" address = {{"gate.example.com"}} }}', "expected IP addresses"),
])
def test_what_would_open_the_boundary_or_cannot_work_is_refused_with_its_place(plan, more, sentence):
    p = plan()
    p.write(more=more)
    done = p.run(p.file, check=False)
    assert done.returncode == 78 and sentence in done.stderr, done.stderr
    assert re.search(r"cluster.conf:\d+: ", done.stderr)
    assert not p.out.exists()


def test_several_session_managers_with_all_routers_in_the_dmz_are_refused_unless_one_is_inside(plan):
    p = plan("gate-1")
    p.write(more='sm "sm-2" {{ host = "core-1" user = "{user}" }}')
    assert "needs a router in a private zone" in p.run("--explain", p.file, check=False).stderr
    p.write(more='sm "sm-2" {{ host = "core-1" user = "{user}" }}\nrouter "router-2" {{ host = "core-1" user = "{user}" link_port = {p4} }}')
    assert p.run("--explain", p.file).returncode == 0
    done = p.run(p.file, check=False)
    assert done.returncode == 78 and re.search(r'cluster.conf:\d+: sm "sm-2": .* Leave one section sm', done.stderr), done.stderr
    assert not p.out.exists()


def test_a_server_connection_manager_is_explained_and_not_written_silently(plan):
    p = plan()
    p.write(more='s2s "s2s-1" {{ host = "gate-1" user = "{user}" }}\nservice "dns" {{ kind = "dns" zone = "dmz" address = {{"127.0.0.9"}} }}')
    done = p.run("--explain=json", p.file)
    assert "explained, but not installed" in done.stderr
    flows = {(f["from"], f["to"], f["protocol"], f["port"]) for f in json.loads(done.stdout) if "s2s-1" in (f["from"], f["to"]) and f["protocol"] != "unix"}
    assert flows == {("servers", "s2s-1", "tcp", "5269"), ("servers", "s2s-1", "tcp", "5270"), ("s2s-1", "servers", "tcp", "5269"), ("s2s-1", "servers", "tcp", "5270"),
                     ("router-1", "s2s-1", "tcp", "5277"), ("s2s-1", "dns", "udp", "53"), ("s2s-1", "dns", "tcp", "53")}
    done = p.run(p.file, check=False)
    assert done.returncode == 78 and re.search(r'cluster.conf:\d+: s2s "s2s-1": the program sallyport-s2s is not part', done.stderr), done.stderr
    assert not p.out.exists()


def test_plain_passwords_and_a_router_in_the_dmz_are_told_loudly(plan):
    p = plan("gate-1")
    assert "stands in zone dmz" in p.run("--explain", p.file).stdout.splitlines()[0]
    assert "stands in zone dmz" in p.run("--explain=json", p.file).stderr
    text = p.file.read_text()
    p.file.write_text(text.replace('domain "example.com" {', 'domain "example.com" { mechanisms = {"SCRAM-SHA-256", "PLAIN", "EXTERNAL"}'))
    assert "PLAIN" not in p.run("--explain", p.file).stdout  # off where it is dangerous
    p.file.write_text(text.replace('domain "example.com" {', 'domain "example.com" { mechanisms_dmz = {"SCRAM-SHA-256", "PLAIN", "EXTERNAL"}'))
    done = p.run("--explain", p.file)
    assert re.search(r"^WARNING: domain example.com has PLAIN on through a dmz \(c2s-1\): .* reads the password", done.stdout, re.M) and done.returncode == 0
    assert re.search(r"^WARNING: domain example.com has EXTERNAL on through a dmz \(c2s-1\): .* can log in as anybody", done.stdout, re.M)
    assert "has PLAIN on" in p.make().stderr and "has PLAIN on" in (p.out / "flows.txt").read_text()


def test_a_wrong_passphrase_changes_nothing(plan):
    p = plan()
    p.make()
    before = {f: f.read_bytes() for f in p.out.rglob("*") if f.is_file()}
    p.passphrase.write_text("something else entirely\n")
    done = p.run("renew", "--file", p.file, check=False)
    assert done.returncode == 77 and "passphrase is wrong" in done.stderr
    assert {f: f.read_bytes() for f in p.out.rglob("*") if f.is_file()} == before


def test_the_company_s_own_ca_answers_requests(plan):
    p = plan(more="")
    tls = p.dir / "company"
    tls.mkdir()
    run = lambda *args: subprocess.run(["certtool", *map(str, args)], check=True, capture_output=True)
    (tls / "ca.tmpl").write_text('cn = "Company CA"\nca\ncert_signing_key\nexpiration_days = 9\n')
    run("--generate-privkey", "--key-type", "ecdsa", "--curve", "secp256r1", "--outfile", tls / "ca.key")
    run("--generate-self-signed", "--load-privkey", tls / "ca.key", "--template", tls / "ca.tmpl", "--outfile", tls / "ca.pem")
    p.file.write_text(f'company_ca = "{tls}/ca.pem"\ncompany_certs = "{tls}"\n' + p.file.read_text())
    done = p.run(p.file, check=False)
    assert done.returncode == 70 and not (p.out / "hosts").exists() and not (p.out / "ca").exists()
    for name in ("c2s-1", "router-1", "sm-1"):
        (tls / f"{name}.tmpl").write_text("honor_crq_extensions\ntls_www_server\ntls_www_client\nsigning_key\nexpiration_days = 60\n")
        run("--generate-certificate", "--load-request", p.out / f"requests/{name}.csr", "--load-ca-certificate", tls / "ca.pem", "--load-ca-privkey",
            tls / "ca.key", "--template", tls / f"{name}.tmpl", "--outfile", tls / f"{name}.pem")
    p.make(passphrase=False)
    p.domain_certificate()
    p.install("gate-1", "core-1")
    p.start("router-1", "sm-1", "c2s-1")
    talk(p)
    assert p.run("revoke", "--file", p.file, "c2s-1", check=False).returncode == 77


def test_what_a_plan_would_change_is_told_before_it_is_written(plan):
    p = plan()
    done = p.run("--diff", p.file, check=False)
    assert done.returncode == 1 and "+ flow" in done.stdout and not p.out.exists()
    p.make()
    assert "nothing would change" in p.run("--diff", p.file, passphrase=False, input="").stdout
    before = {f: f.read_bytes() for f in p.out.rglob("*") if f.is_file()}
    p.write(more='host "gate-2" {{ zone = "dmz" address = {{"127.0.0.4"}} }}\nc2s "c2s-2" {{ host = "gate-2" starttls_port = {p4} tls_port = 0 link_port = {p6} }}')
    done = p.run("--diff", p.file, check=False)
    assert done.returncode == 1
    flows = [line for line in done.stdout.splitlines() if line[:6] in ("+ flow", "- flow")]
    assert all("c2s-2" in line and line[0] == "+" for line in flows) and any(f'"{p.ports[4]}"' in line for line in flows)
    assert re.search(r"^new      \S+/hosts/gate-2/\S+/c2s-2.conf$", done.stdout, re.M) and re.search(r"^changed  \S+/core-1/\S+/router-1.conf$", done.stdout, re.M)
    assert "sm-1.conf" not in done.stdout and "hosts/gate-1" not in done.stdout
    assert {f: f.read_bytes() for f in p.out.rglob("*") if f.is_file()} == before
    told = {line for line in done.stdout.splitlines() if line.startswith(("new ", "changed "))}
    written = {line for line in p.make().stdout.splitlines() if line.startswith(("new ", "changed "))}
    assert told <= written and all(re.search(r"/(secret/\S+|link\S*|flows\.\w+|secrets\.\w+|manifest)$", line) for line in written - told), written - told
    p.write()
    done = p.run("--diff", p.file, check=False)
    assert re.search(r"^- flow .*c2s-2", done.stdout, re.M) and re.search(r"^removed  \S+/hosts/gate-2$", done.stdout, re.M)
    p.make()
    assert p.run("--diff", p.file).returncode == 0
