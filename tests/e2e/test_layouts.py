"""Links over TLS and over Unix sockets, dialled either way: two clients on different connection managers notice no difference.
Who is not whom its certificate must name is refused, audited, and harms nobody else. proto/LINK.md §1-§3."""
import json
import shutil
import subprocess

import pytest

from cluster import Cluster
from steps import befriend, interested, state

CERTTOOL = ("certtool", "--template")


def links(cluster):
    """{(process, peer): row} of `sallyportctl links`."""
    rows = json.loads(cluster.ctl("--json", "links", check=True).stdout)
    return {(process, row["peer"].split(".")[0]): row for process in rows for row in rows[process]}


def expected_links():
    pairs = [("router-1", leaf) for leaf in ("sm-1", "c2s-1", "c2s-2")]
    return {*pairs, *((b, a) for a, b in pairs)}


# --- what users see ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["a", "b"])
@pytest.mark.parametrize("transport", ["unix", "tls"])
def test_clients_on_two_connection_managers_meet_in_every_layout(new_cluster, transport, layout):
    cluster = new_cluster("--links", transport, "--layout", layout, "--c2s", "2")
    alice, bob = interested(cluster, "alice"), cluster.client("bob", c2s=2).login()
    bob.roster()
    bob.online()
    befriend(alice, bob)
    assert state(alice, bob.bare) == state(bob, alice.bare) == ("both", None)
    rows = links(cluster)
    assert set(rows) == expected_links()
    assert all(row["state"] == "up" and row["transport"] == transport for row in rows.values())
    is_dialled_by_router = {peer: rows["router-1", peer]["by"] == "dialled" for peer in ("sm-1", "c2s-1", "c2s-2")}
    assert is_dialled_by_router == {"sm-1": False, "c2s-1": layout == "a", "c2s-2": layout == "a"}

    cluster.kill("router-1")
    alice.message(bob.jid, "said without a router")
    cluster.start("router-1")
    bob.expect("message", body="said without a router", from_=alice.jid)
    bob.message(alice.jid, "heard")
    alice.expect("message", body="heard", from_=bob.jid)
    for client in (alice, bob):
        client.expect_none("presence")  # the router's death is nobody's absence
    assert all(row["state"] == "up" for row in links(cluster).values())


# --- who is refused ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["a", "b"])
def split(request):
    made = Cluster("--links", "tls", "--layout", request.param, "--c2s", "2")
    yield made, request.param
    made.down()


def edit(cluster, process, old, new):
    path = cluster.folder / "conf" / f"{process}.conf"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def reload(cluster, *processes):
    for process in processes:
        done = cluster.ctl(process, "reload")
        assert done.returncode == 0, done.stdout + done.stderr


def new_router(cluster):
    cluster.kill("router-1")
    cluster.start("router-1")


def certify(cluster, folder, ca):
    """A certificate for c2s-1's key by the CA in another folder."""
    link = cluster.folder / "link"
    subprocess.run([*CERTTOOL, link / "c2s-1.tmpl", "--generate-certificate", "--load-privkey", link / "c2s-1.key", "--load-ca-certificate", ca / "ca.pem",
                    "--load-ca-privkey", ca / "ca.key", "--outfile", folder / "c2s-1.pem"], check=True, capture_output=True)


def foreign_ca(cluster, tmp_path):
    """A CA of the same name with another key."""
    link = cluster.folder / "link"
    shutil.copy(cluster.folder / "tls" / "ca.key", tmp_path / "ca.key")
    subprocess.run([*CERTTOOL, link / "ca.tmpl", "--generate-self-signed", "--load-privkey", tmp_path / "ca.key", "--outfile", tmp_path / "ca.pem"],
                   check=True, capture_output=True)


def break_ca(cluster, tmp_path):
    """c2s-1 gets a certificate of another CA, which calls itself as ours does."""
    foreign_ca(cluster, tmp_path)
    certify(cluster, tmp_path, tmp_path)
    edit(cluster, "c2s-1", f'{cluster.folder}/link/c2s-1.pem', f"{tmp_path}/c2s-1.pem")
    reload(cluster, "c2s-1")
    new_router(cluster)


def break_revoked(cluster, tmp_path):
    """The router learns that c2s-1's certificate is revoked, while the link is up."""
    link = cluster.folder / "link"
    (tmp_path / "crl.tmpl").write_text("crl_next_update = 100\ncrl_number = 1\n")
    subprocess.run([*CERTTOOL, tmp_path / "crl.tmpl", "--generate-crl", "--load-ca-privkey", link / "ca.key", "--load-ca-certificate", link / "ca.pem",
                    "--load-certificate", link / "c2s-1.pem", "--outfile", tmp_path / "crl.pem"], check=True, capture_output=True)
    edit(cluster, "router-1", "link_ca =", f'link_crl = "{tmp_path}/crl.pem"\nlink_ca =')
    reload(cluster, "router-1")


def break_name(cluster, tmp_path):
    """The router expects somebody else where c2s-1 is, and does not know c2s-1."""
    edit(cluster, "router-1", 'peer "c2s-1.', 'peer "c2s-7.')
    reload(cluster, "router-1")


def break_role(cluster, tmp_path):
    """c2s-1 is not what the router takes it for."""
    path = cluster.folder / "conf" / "router-1.conf"
    head, tail = path.read_text().split('peer "c2s-1.', 1)
    path.write_text(head + 'peer "c2s-1.' + tail.replace('role = "c2s"', 'role = "s2s"', 1))
    reload(cluster, "router-1")


def break_secret(cluster, tmp_path):
    """c2s-1 and the router have different secrets for the handshake of XEP-0114."""
    (tmp_path / "secret").write_text("0123456789abcdef" * 4 + "\n")
    (tmp_path / "secret").chmod(0o600)
    edit(cluster, "c2s-1", f"{cluster.folder}/secret/c2s-1+router-1", f"{tmp_path}/secret")
    reload(cluster, "c2s-1")
    new_router(cluster)


def break_trust(cluster, tmp_path):
    """c2s-1 trusts another CA than the router's."""
    foreign_ca(cluster, tmp_path)
    edit(cluster, "c2s-1", f"{cluster.folder}/link/ca.pem", f"{tmp_path}/ca.pem")
    reload(cluster, "c2s-1")


ROUTER, C2S, DIALLED = "router-1", "c2s-1", "who is dialled"
NOT_VALID = "its certificate is not valid any more"
BREAKS = [
    # what is wrong, who refuses, what its audit log says in layout a and in b: where the router dials it sees a server's certificate, else a client's
    (break_ca, ROUTER, ["its certificate is not of the link CA"], ["the certificate's issuer is not known"]),
    (break_revoked, ROUTER, [NOT_VALID, "its certificate is not of the link CA, has ended or is revoked"], [NOT_VALID, "the certificate is revoked"]),
    (break_name, ROUTER, ["it is no longer configured", "its certificate has another name"], ["it is no longer configured", "names no peer"]),
    (break_role, ROUTER, ["its role is not the configured one"], ["its role is not the configured one"]),
    (break_secret, DIALLED, ["its handshake is wrong"], ["its handshake is wrong"]),
    (break_trust, C2S, [NOT_VALID], [NOT_VALID, "its certificate is not of the link CA"]),
]


@pytest.mark.parametrize("spoil,judge,in_a,in_b", BREAKS, ids=[b[0].__name__[6:] for b in BREAKS])
def test_a_peer_that_is_not_who_it_must_be_is_refused_and_audited(split, unique, tmp_path, spoil, judge, in_a, in_b):
    cluster, layout = split
    if judge == DIALLED:
        judge = C2S if layout == "a" else ROUTER
    alice, bob, carol = [cluster.online(unique(n), c2s=c2s) for n, c2s in (("alice", 1), ("bob", 2), ("carol", 2))]
    saved = {p: (cluster.folder / "conf" / f"{p}.conf").read_text() for p in ("router-1", "c2s-1")}
    since = {p: len(cluster.audit(p)) for p in saved}
    scratch = cluster.folder / "link" / tmp_path.name  # where the processes may read (common/confine.h)
    scratch.mkdir(exist_ok=True)
    spoil(cluster, scratch)
    try:
        for reason in in_a if layout == "a" else in_b:
            cluster.wait_audit(judge, "link-refused", reason, since=since[judge])
        alice.message(bob.jid, "from behind the fence")
        bob.message(carol.jid, "nothing happened here")
        carol.expect("message", body="nothing happened here")
        bob.expect_none("message")
        assert not any(row["state"] == "up" for (process, peer), row in links(cluster).items() if process == "c2s-1")
    finally:
        since = len(cluster.log("router-1"))
        for process, text in saved.items():
            (cluster.folder / "conf" / f"{process}.conf").write_text(text)
        reload(cluster, "router-1", "c2s-1")
    cluster.wait_log("router-1", "link up peer=c2s-1.", since=since)
    bob.expect("message", body="from behind the fence", from_=alice.jid)
    cluster.close_clients()
