"""sallyportctl plan, on running processes: started from their bundles; renewal, revocation, a new CA and one more c2s without a restart."""
import fnmatch
import json
import os
import re
import stat
import time

import pytest

from planned import Load, link_state, running, serial_of, talk, wait_for

TLS_ENDS = ("router-1", "c2s-1")  # sm-1 is on the router's host: a Unix socket, and no certificate in use


@pytest.mark.parametrize("router_host", ["core-1", "gate-1"])
def test_a_cluster_starts_from_its_bundles_and_carries_messages(plan, router_host):
    p = running(plan, router_host=router_host)
    talk(p)
    links = p.ctl("--json", "router-1", "links").stdout
    assert sorted(l["transport"] for l in json.loads(links)) == ["tls", "unix"], links
    for name, unit in p.units.items():
        assert unit.is_confined(), name
        assert os.geteuid() != 0 or unit.is_alone() == unit.is_offline, name
    assert p.units["c2s-1"].is_offline


def test_clients_of_a_c2s_inside_may_use_plain_and_those_of_the_dmz_may_not(plan):
    p = plan(more='c2s "c2s-2" {{ host = "core-1" user = "{user}" starttls_port = {p4} tls_port = {p5} link_port = {p6} }}')
    p.file.write_text(p.file.read_text().replace('domain "example.com" {', 'domain "example.com" { mechanisms = {"SCRAM-SHA-256", "PLAIN"}'))
    p.make()
    p.domain_certificate()
    p.install("gate-1", "core-1")
    p.start("router-1", "sm-1", "c2s-1", "c2s-2")
    p.ctl("adduser", "alice@example.com", input="secret\n")
    inside, outside = p.client("alice", "127.0.0.3", ports=(4, 5)), p.client("alice")
    inside.login("in", mechanism="PLAIN").ping()
    outside.direct()
    assert outside.auth_plain().find("{urn:ietf:params:xml:ns:xmpp-sasl}invalid-mechanism") is not None
    outside.authenticate("SCRAM-SHA-256")
    outside.bind("out")
    outside.logout()
    inside.logout()


# --- certificates -------------------------------------------------------------------------------------------------------


def expiry(p, name):
    """The metric that alert rules look at, in days from now."""
    end = re.search(r"^sallyport_link_certificate_expiry_seconds (\d+)", p.ctl(name, "metrics").stdout, re.M)[1]
    return int((int(end) - time.time()) // 86400)


def test_certificates_that_end_soon_are_told_and_renewed_under_load_without_a_restart(plan):
    p = running(plan, more='link_cert_lifetime = "9d"')
    assert re.search("ends in [89] days: plan renew", p.make().stdout)
    load = Load(p)
    pids = {name: unit.process.pid for name, unit in p.units.items()}
    for name in TLS_ENDS:
        done = p.ctl(name, "health")
        assert done.returncode == 1 and "link_certificate_days" in done.stdout and expiry(p, name) == 8, done.stdout
    keys = {name: (p.out / f"keys/{name}.key").read_bytes() for name in TLS_ENDS}
    p.write()
    said = p.run("renew", "--file", p.file).stdout
    assert all(f"{name}.example.internal" in said for name in p.units) and "link.key" not in said
    p.install("gate-1", "core-1")
    p.reload()
    load.go_on()
    for name in TLS_ENDS:
        assert p.ctl(name, "health").returncode == 0 and expiry(p, name) == 89
        assert (p.out / f"keys/{name}.key").read_bytes() == keys[name]
    assert load.stop() > 0 and {name: unit.process.pid for name, unit in p.units.items()} == pids


def test_a_revoked_name_is_refused_after_reload_until_it_is_renewed(plan):
    p = running(plan)
    said = p.run("revoke", "--file", p.file, "c2s-1").stdout
    assert "link-crl.pem" in said and "/c2s-1/" not in said
    p.install("core-1")  # the peers of the one that is revoked
    p.reload("router-1")
    wait_for(lambda: link_state(p, "router-1", "c2s-1")["state"] != "up", "the link of the revoked name never ended")
    wait_for(lambda: "revoked" in (p.dir / "log/router-1/audit.log").read_text(), "the refusal is not in the audit log")
    assert "revoked" in p.run(p.file).stdout
    p.run("renew", "--file", p.file, "c2s-1")
    assert p.run("revoke", "--file", p.file, "nobody", check=False).returncode == 66
    p.install("gate-1", "core-1")
    p.reload("router-1")
    p.units["c2s-1"].stop()
    p.start("c2s-1")  # a new key is a new credential
    wait_for(lambda: link_state(p, "router-1", "c2s-1")["state"] == "up", "the link did not come back with a new key")


def test_the_ca_is_replaced_under_load_without_a_restart_and_nothing_is_lost(plan):
    p = running(plan)
    load = Load(p)

    def step(word):
        p.run("ca", "--file", p.file, word)
        p.install("gate-1", "core-1")
        p.reload()
        wait_for(lambda: link_state(p, "router-1", "c2s-1")["state"] == "up", f"no link after ca {word}")
        load.go_on()

    assert p.run("ca", "--file", p.file, "drop", check=False).returncode == 77
    step("new")
    assert (p.dir / "etc/link-ca.pem").read_text().count("BEGIN CERT") == 2
    step("switch")
    assert "CA 2" in serial_of((p.dir / "etc/c2s-1/link.pem").read_text())
    step("drop")
    assert not (p.out / "ca/ca-1.key").exists()
    assert (p.dir / "etc/link-ca.pem").read_text().count("BEGIN CERT") == 1
    # Links that are made anew have the new certificates on both sides: the router dies in the midst of it.
    p.units["router-1"].process.kill()
    p.units["router-1"].process.wait()
    p.start("router-1")
    wait_for(lambda: link_state(p, "router-1", "c2s-1")["state"] == "up", "no link under the new CA")
    load.go_on()
    assert load.stop() > 0


# --- one more -----------------------------------------------------------------------------------------------------------


def test_one_more_c2s_is_one_line_and_a_reload_and_nobody_notices(plan):
    p = running(plan)
    load = Load(p)
    p.write(more='c2s "c2s-2" {{ host = "gate-1" user = "{user}" starttls_port = {p4} tls_port = {p5} link_port = {p6} }}')
    p.make()
    p.install("gate-1", "core-1")
    p.reload("router-1")
    p.start("c2s-2")
    assert link_state(p, "router-1", "c2s-2")["state"] == "up"
    p.ctl("adduser", "carol@example.com", input="secret\n")
    carol = p.client("carol", ports=(4, 5)).login("c", mechanism="SCRAM-SHA-256").online()
    carol.message(load.alice.bare, "from the new one", type="headline")
    carol.ping()
    load.go_on()
    carol.logout()
    assert load.stop() > 0
    assert f"tcp dport {p.ports[4]} accept" in next(p.host("gate-1").rglob("sallyport.nft")).read_text()


# --- secrets ------------------------------------------------------------------------------------------------------------


def is_covered(rows, file):
    return [r for r in rows if fnmatch.fnmatch(str(file), r["file"])]


def test_no_private_file_of_a_running_cluster_is_missing_in_the_table_of_secrets(plan):
    p = running(plan, more='component "irc.example.com" {{ }}\n')
    key = p.dir / "tls/example.com.key"
    key.chmod(0o640)
    talk(p)
    assert p.ctl("store", "backup").returncode == 0
    rows = json.loads(p.run("--secrets=json", p.file).stdout)
    assert all(all(r[c] for c in ("host", "file", "owner", "mode", "secret", "rotation", "theft_permits")) for r in rows)
    secrets = {f.read_text().strip() for f in (p.out / "secrets").iterdir()}
    seen = set()
    for folder in ("etc", "run", "log", "state", "tls", "credentials"):
        for file in (p.dir / folder).rglob("*"):
            mode = file.lstat().st_mode
            if not stat.S_ISREG(mode) or file.name in ("ca.key", "example.com.tmpl", "ca.tmpl"):
                continue  # the CA of the domain's certificate is this test's own
            name = re.sub(rf"^{p.dir}/credentials/((\w+)-\d)/", r"/run/credentials/sallyport-\2@\1.service/", str(file))
            row = is_covered(rows, name)
            if mode & 0o007:
                text = file.read_text(errors="replace")
                assert not row and "PRIVATE KEY" not in text and not any(s in text for s in secrets), file
                continue
            assert row, f"{file} is private, and not in the table"
            assert f"{stat.S_IMODE(mode):04o}" == row[0]["mode"], (file, row[0], oct(mode))
            if os.geteuid() == 0 and "tls" not in file.parts:
                assert f"{file.owner()}:{file.group()}" == row[0]["owner"], (file, row[0])
            seen.add(row[0]["file"])
    told = {r["file"] for r in rows if r["host"] != "(planning)"}
    assert told == seen, told ^ seen
    # … and on the planning machine.
    planning = [r for r in rows if r["host"] == "(planning)"]
    for file in (f for f in p.out.rglob("*") if f.is_file()):
        text, name = file.read_text(), str(file.relative_to(p.out))
        if "PRIVATE KEY" in text or any(s in text for s in secrets):
            assert is_covered(planning, name) and stat.S_IMODE(file.stat().st_mode) == 0o600, name
