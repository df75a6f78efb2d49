"""What stands behind one connection manager, in a test's own hands: a router and a session manager in one, that say over the link what the test says
(proto/LINK.md). For what real ones do only in bad moments: dying, waking up late, coming back with other numbers. Blocking, with deadlines."""
import os
import pathlib
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile

from link import CONNECT, DEADLINE, LINK, Wire, dial_unix, frame_text
from xmpp import SASL, STREAM, Client

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
NAME, ROUTER, SM = "c2s-1.test", "router-1.test", "sm-1.test"
HOST = ("<host name='{name}' tls='{tls}' registration='0' max-stanza='65536' max-stanza-before='10000' max-depth='64' max-attributes='64' "
        "bytes-per-second='{rate}' stanzas-per-second='0' auth-timeout-ms='{auth}' idle-timeout-ms='0'/>")


def make_certificate(folder, host):
    """A CA and a certificate for host, with certtool: (CA, certificate, key)."""
    def certtool(*args):
        subprocess.run(["certtool", *map(str, args)], check=True, capture_output=True)
    ca_key, ca, key, cert, template = (folder / n for n in ("ca.key", "ca.pem", "tls.key", "tls.pem", "template"))
    for path in (ca_key, key):
        certtool("--generate-privkey", "--key-type", "ecdsa", "--curve", "secp256r1", "--outfile", path)
    template.write_text('cn = "test"\nca\ncert_signing_key\nexpiration_days = 2\n')
    certtool("--generate-self-signed", "--load-privkey", ca_key, "--template", template, "--outfile", ca)
    template.write_text(f'cn = "{host}"\ndns_name = "{host}"\ntls_www_server\nsigning_key\nexpiration_days = 2\n')
    certtool("--generate-certificate", "--load-privkey", key, "--load-ca-certificate", ca, "--load-ca-privkey", ca_key,
             "--template", template, "--outfile", cert)
    return ca, cert, key


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Link(Wire):
    """One router's link to the connection manager: it dials (jabber:component:connect)."""

    def __init__(self, path, secret, name=ROUTER):
        super().__init__(dial_unix(path))
        self.name = name
        self.header(NAME, CONNECT).shake(secret)
        self.until(rb"<handshake/>")
        self.hello(name, "router")
        self.instance = self.heard_hello()

    def send(self, to, payload, sender=SM, **attributes):
        """One frame. Attributes: s, e, n, h, f, id."""
        self.write(frame_text(to, sender, payload, **attributes))

    def acked(self, s, h, timeout=DEADLINE):
        """Waits until the gate of session s has said that h down frames are written."""
        def says(frame):
            if frame.s == s and frame.h >= h:
                return True
            found = re.search(f"{s}:\\d+:(\\d+):", frame.payload) if "<acks" in frame.payload else None
            return bool(found) and int(found[1]) >= h
        return self.expect(says, timeout)


class Hub:
    """A connection manager that runs, and its links."""

    def __init__(self, build, options="", hosts=("localhost",), tls="required", rate=0, auth=30000, routers=(ROUTER,)):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sp-"))
        self.routers, self.links, self.clients, self.sm_instance = routers, {}, [], secrets.token_hex(8)
        self.ca, cert, key = make_certificate(self.folder, hosts[0])
        self.port, self.tls_port, self.proxy_port = free_ports(3)
        secret = self.folder / "secret"
        secret.write_text("0123456789abcdef")
        secret.chmod(0o600)
        peers = "".join(f'peer "{r}" {{\n role = "router"\n accept = "unix:{self.path(r)}"\n secret_file = "{secret}"\n}}\n' for r in routers)
        drain = "" if "drain" in options else "drain = 200ms\n"  # nobody answers at a test's end
        self.conf = self.folder / "c2s.conf"
        self.conf.write_text(f'name = "{NAME}"\nlog_level = "debug"\n{drain}{options}\ncertificate "{hosts[0]}" {{\n cert = "{cert}"\n key = "{key}"\n}}\n'
                             f'listen "a" {{\n address = "127.0.0.1:{self.port}"\n}}\n'
                             f'listen "b" {{\n address = "127.0.0.1:{self.tls_port}"\n kind = "tls"\n}}\n'
                             f'listen "c" {{\n address = "127.0.0.1:{self.proxy_port}"\n proxies = {{"127.0.0.1"}}\n}}\n{peers}')
        self.log = open(self.folder / "log", "w")
        self.process = subprocess.Popen([str(build / "sallyport-c2s"), "-c", str(self.conf)], stderr=self.log, stdout=self.log)
        self.hosts = "".join(HOST.format(name=h, tls=tls, rate=rate, auth=auth) for h in hosts)
        self.version, self.is_ending = 1, False

    def path(self, router):
        return self.folder / f"{router}.sock"

    def up(self, router=ROUTER, has_sm=True):
        """A router links; the session manager is reached by it, and announces the hosts."""
        link = self.links[router] = Link(self.path(router), "0123456789abcdef", router)
        if has_sm:
            self.sm_up(link)
        return link

    def sm_up(self, link):
        self.peers(link, True)
        link.send(NAME, f"<hosts xmlns='{LINK}' v='{self.version}'>{self.hosts}</hosts>")

    def peers(self, link, is_up):
        link.send(NAME, f"<peers xmlns='{LINK}'><peer name='{SM}' role='sm' instance='{self.sm_instance}' up='{int(is_up)}'/></peers>",
                  sender=link.name)

    def client(self, port=None):
        client = Client("127.0.0.1", port or self.port, self.tls_port, self.ca, "localhost", "alice", "secret")
        self.clients.append(client)
        return client

    def features(self, link):
        """Answers the next <open/>; returns its frame."""
        frame = link.expect("<open ")
        link.send(frame.sender, f"<stream:features xmlns:stream='{STREAM}'><mechanisms xmlns='{SASL}'><mechanism>PLAIN</mechanism>"
                                "</mechanisms></stream:features>")
        return frame

    def session(self, link, epoch=1):
        """A client that is logged in, as the client and the session manager see it: (client, Session)."""
        client = self.client().connect(direct_tls=True)
        client.reset_parser()
        client.send(f"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='{STREAM}' to='localhost' version='1.0'>")
        conn = self.features(link).sender
        client.features()
        client.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>AGEAYg==</auth>")
        link.expect("<auth ")
        session = Session(link, conn, epoch)
        session.down(f"<success xmlns='{SASL}'/>")
        client.expect("success")
        client.reset_parser()
        client.send(f"<stream:stream xmlns='jabber:client' xmlns:stream='{STREAM}' to='localhost' version='1.0'>")
        assert session.up().payload.startswith("<restart ")
        session.down(f"<stream:features xmlns:stream='{STREAM}'/>")
        client.features()
        return client, session

    def close(self):
        for client in self.clients:
            client.close()
        for link in self.links.values():
            link.close()
        if self.process.poll() is None and not self.is_ending:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.log.close()
        log = (self.folder / "log").read_text()
        if code != 0 or "runtime error" in log or "AddressSanitizer" in log:
            raise AssertionError(f"c2s ended with {code}:\n{log[-6000:]}")
        shutil.rmtree(self.folder, ignore_errors=True)


class Session:
    """The owner's end of one session, with numbers as the test wants them."""

    def __init__(self, link, conn, epoch):
        self.link, self.conn, self.epoch, self.id = link, conn, epoch, secrets.token_hex(16)
        self.down_last = self.up_last = 0

    def down(self, payload, **attributes):
        """Sends a frame with the next number."""
        self.down_last += 1
        self.again(payload, self.down_last, **attributes)

    def again(self, payload, n, **attributes):
        self.link.send(self.conn, payload, s=self.id, e=self.epoch, n=n, **attributes)

    def up(self, timeout=DEADLINE):
        """The next frame of the client, whatever it is."""
        frame = self.link.expect(lambda f: f.s == self.id and f.n == self.up_last + 1, timeout)
        self.up_last += 1
        return frame

    def ack(self, h, f=0):
        self.link.send(NAME, f"<acks xmlns='{LINK}'>{self.id}:{self.epoch}:{h}:{f} </acks>")


def build_folder():
    return pathlib.Path(os.environ.get("SALLYPORT_BIN", ROOT / "build/release"))
