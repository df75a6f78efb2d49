"""deploy/ACTIVE-DIRECTORY.md, done as it says with a Samba domain controller: the blocks `sh samba`, `sh sm` and `conf sm`, in their order."""
import os
import re
import subprocess

import pytest

from cluster import ROOT, Cluster
from samba import PASSWORD, SERVICE, Samba
from test_sasl import condition
from xmpp import local

PAGE = ROOT / "deploy/ACTIVE-DIRECTORY.md"
DOMAIN = "corp.example.com"


@pytest.fixture
def ad(provisioned):
    server = Samba(provisioned)
    server.delete(SERVICE)  # the page makes it
    yield server
    server.close()


@pytest.fixture
def cluster():
    made = Cluster("--domain", DOMAIN)
    yield made
    made.down()


def auth(cluster, name, password=PASSWORD):
    """The answer to a login; a machine that is too busy for a domain controller is asked again, as a client would."""
    for _ in range(10):
        c = cluster.client(domain=DOMAIN)
        c.direct()
        answer = c.auth_plain(name=name, password=password)
        c.close()
        said = "success" if local(answer) == "success" else condition(answer)
        if said != "temporary-auth-failure":
            break
    return said


def program(folder, name, text):
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def blocks():
    return re.findall(r"^```(sh|conf) (samba|sm)\n(.*?)^```$", PAGE.read_text(), re.S | re.M)


def test_ten_minutes(ad, cluster, tmp_path):
    """The machine of a test has no service manager, no users of ours, and no name for the domain controller: these alone are put in."""
    ad.add_user("juliet")
    etc, programs = tmp_path / "etc", tmp_path / "bin"
    etc.mkdir()
    programs.mkdir()
    conf = cluster.folder / "conf/sm-1.conf"
    conf.write_text(re.sub(r"^host .*?^\}\n", "", conf.read_text(), flags=re.S | re.M))
    subprocess.run(["openssl", "x509", "-in", f"{ad.tls}/ca.pem", "-outform", "der", "-out", tmp_path / "ca.cer"], check=True)
    program(programs, "samba-tool", f'exec /usr/bin/samba-tool "$@" -s {ad.conf}')
    program(programs, "sallyportctl", f'exec {cluster.binary("sallyportctl")} --dir {cluster.folder}/control "$@"')
    program(programs, "sallyport-sm", f'exec {cluster.binary("sallyport-sm")} "$@"')
    restart = " && ".join(f"{ROOT}/deploy/local-cluster {verb} --dir {cluster.folder} sm-1" for verb in ("kill", "start"))
    program(programs, "systemctl", f'[ "$*" = "restart sallyport-sm@sm-1" ] && {restart}')
    ours = {"/etc/sallyport/sm-1.conf": str(conf), "/usr/share/doc/sallyport-ctl/directory": str(ROOT / "deploy/directory"), "/etc/sallyport": str(etc),
            "-g sallyport-sm": "-g daemon", "dc1.corp.example.com": ad.address}
    script = ""
    for kind, where, text in blocks():
        for theirs, own in ours.items():
            text = text.replace(theirs, own)
        if kind == "sh":
            script += text
            if "directory.conf" in text:  # "Put your servers … into directory.conf"
                script += f"sed -i 's#uris = .*#uris = {{\"{ad.ldaps}\"}}#; s#/etc/sallyport#{etc}#' {etc}/directory.conf\n"
        else:
            script += f"cat >>{conf} <<'END'\n{text}END\n"
    done = subprocess.run(["sh", "-euxc", script], cwd=tmp_path, capture_output=True, text=True, timeout=120,
                          env=dict(os.environ, PATH=f"{programs}:{os.environ['PATH']}", TDB_NO_FSYNC="1"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Verify return code: 0 (ok)" in done.stdout
    assert "CN=juliet,OU=Staff" in done.stdout and "Chat" in done.stdout
    cluster.refresh()
    assert auth(cluster, "juliet", "wrong") == "not-authorized"
    assert auth(cluster, "juliet") == "success"
    ad.add_user("romeo")
    assert auth(cluster, "romeo") == "not-authorized"
    cluster.wait_event("sm-1", "login-refused", claimed="romeo", detail="not in a group that may log in")


def test_the_page_tells_sub_codes_as_the_code_knows_them():
    """Each sub-code of sm/directory/verdict.c has its row, and no other."""
    known = set(re.findall(r"\{ 0x([0-9a-f]{3}), DIRECTORY_", (ROOT / "sm/directory/verdict.c").read_text()))
    rows = re.findall(r"^\| ([0-9a-f, ]+) \| .* \| `[a-z-]+` \| `", PAGE.read_text(), re.M)
    assert known and {code for row in rows for code in row.split(", ")} == known
