"""Links on Unix sockets: the path names the peer, and the kernel tells whose process is at the other end. A process of another user is refused, whoever
dials; with a user of its own for each peer (`user`, `uid`), a connection manager that was taken over gets in by no path but its own."""
import contextlib
import os
import pwd
import socket

import pytest

from cluster import Cluster
from hostile import Place, Watch, bring_up, name_of
from link import Wire

NOBODY = pwd.getpwnam("nobody").pw_uid
ANOTHER = "another user is at the other end"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")


@contextlib.contextmanager
def as_nobody():
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def made(layout, of_nobody=()):
    """A cluster without c2s-2, whose folder everybody may pass through. The router takes `of_nobody` for processes of the user nobody."""
    c = Cluster("--c2s", "2", "--links", "unix", "--layout", layout)
    for path in (c.folder.parent, c.folder, c.folder / "s"):
        path.chmod(0o755)
    conf = c.folder / "conf/router-1.conf"
    text = conf.read_text()
    for process in of_nobody:
        text = text.replace(f'peer "{name_of(process)}" {{\n', f'peer "{name_of(process)}" {{\n    user = "nobody"\n')
    conf.write_text(text)
    try:
        c.kill("c2s-2")
        c.kill("router-1")
        c.start("router-1")
    except BaseException:
        c.down()
        raise
    return c


def dialled(path):
    s = socket.socket(socket.AF_UNIX)
    s.connect(str(path))
    return Wire(s)


def is_served(cluster):
    with contextlib.closing(cluster.online("alice")) as alice:
        alice.ping()


@pytest.fixture(scope="module")
def router_listens():
    c = made("b", ["c2s-2"])
    yield c
    c.down()


def test_the_file_keeps_other_users_from_a_path_of_our_own_user(router_listens):
    with as_nobody(), pytest.raises(PermissionError):
        dialled(Place(router_listens, "c2s-1").unix_path())


def test_a_user_who_gets_at_the_path_of_another_peer_is_refused(router_listens):
    watch = Watch(router_listens)
    path = Place(router_listens, "c2s-1").unix_path()
    mode = path.stat().st_mode
    path.chmod(0o666)
    try:
        with as_nobody():
            wire = dialled(path)
        wire.header(name_of("c2s-1"))
        wire.read_to_end()
    finally:
        path.chmod(mode)
    watch.audited("router-1", "link-refused", ANOTHER, name_of("c2s-1"))
    is_served(router_listens)


def test_each_user_has_its_own_path_and_no_other(router_listens):
    place, watch = Place(router_listens, "c2s-2"), Watch(router_listens)
    wire = dialled(place.unix_path())  # we are root here, and c2s-2 is nobody's
    wire.read_to_end()
    watch.audited("router-1", "link-refused", ANOTHER, name_of("c2s-2"))
    with as_nobody():
        wire = dialled(place.unix_path())
    bring_up(wire, place).expect("<peers ")
    wire.close()
    is_served(router_listens)


def test_a_path_names_one_peer(router_listens):
    place, watch = Place(router_listens, "c2s-2"), Watch(router_listens)
    with as_nobody():
        wire = dialled(place.unix_path())
    wire.header(name_of("c2s-1"))
    assert "host-unknown" in wire.read_to_end()
    watch.audited("router-1", "link-refused", "for another component")
    is_served(router_listens)


@pytest.fixture
def router_dials():
    c = made("a")
    yield c
    c.down()


def test_who_listens_at_the_path_of_a_peer_is_asked_too(router_dials):
    """Layout a: the router dials, and somebody else has put a socket where c2s-2's was."""
    cluster = router_dials
    path = Place(cluster, "c2s-2").unix_path()
    watch = Watch(cluster)
    path.unlink(missing_ok=True)
    path.parent.chmod(0o777)
    with socket.socket(socket.AF_UNIX) as listener:
        with as_nobody():
            listener.bind(str(path))
            listener.listen(4)
        path.chmod(0o777)
        cluster.ctl("router-1", "reload", check=True)
        listener.settimeout(15)
        Wire(listener.accept()[0]).read_to_end()
    path.parent.chmod(0o755)
    watch.audited("router-1", "link-refused", ANOTHER, name_of("c2s-2"))
    is_served(cluster)
