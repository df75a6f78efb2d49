"""An ACME CA on loopback for tests: pebble, the DNS server that it asks, and a web server for one folder. Debian's package pebble has the first two."""
import functools
import http.server
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.request

DEADLINE = 20


def is_there():
    return bool(shutil.which("pebble") and shutil.which("pebble-challtestsrv"))


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


class AcmeServer:
    """directory: its URL; tls_ca: who signed its own TLS certificate; webroot: what http://ANY-NAME shows; root(): whom clients must trust."""

    def __init__(self, folder):
        self.folder = folder
        self.processes = []
        self.webroot = folder / "www"
        self.webroot.mkdir(parents=True)
        api, management, tls, dns, control = free_ports(5)
        self.directory, self.management = f"https://127.0.0.1:{api}/dir", f"https://127.0.0.1:{management}"
        self.control = f"http://127.0.0.1:{control}"
        self.web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(self.webroot)))
        self.web_thread = threading.Thread(target=self.web.serve_forever, daemon=True)
        self.web_thread.start()
        self.tls_ca = self.make_own_certificate()
        conf = {"listenAddress": f"127.0.0.1:{api}", "managementListenAddress": f"127.0.0.1:{management}", "certificate": str(self.tls_ca),
                "privateKey": str(folder / "api.key"), "httpPort": self.web.server_port, "tlsPort": tls, "ocspResponderURL": "",
                "externalAccountBindingRequired": False}
        (folder / "pebble.json").write_text(json.dumps({"pebble": conf}))
        try:
            self.start("dns", "pebble-challtestsrv", "-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", "",
                       "-dns01", f"127.0.0.1:{dns}", "-management", f"127.0.0.1:{control}")
            self.start("pebble", "pebble", "-config", folder / "pebble.json", "-dnsserver", f"127.0.0.1:{dns}")
            for port in (control, api, management):
                self.wait_port(port)
        except BaseException:
            self.stop()
            raise

    def make_own_certificate(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=acme",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.folder / "api.key", "-out", self.folder / "api.pem"],
                       check=True, capture_output=True)
        return self.folder / "api.pem"

    def start(self, name, *command):
        # Every second nonce refused and validations put off are the client's test, not ours.
        env = dict(os.environ, PEBBLE_VA_NOSLEEP="1", PEBBLE_WFE_NONCEREJECT="0")
        with open(self.folder / f"{name}.log", "wb") as log:
            self.processes.append(subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env))

    def wait_port(self, port):
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                logs = [p.read_text(errors="replace")[-1000:] for p in self.folder.glob("*.log")]
                assert time.monotonic() < deadline and all(p.poll() is None for p in self.processes), logs
                time.sleep(0.02)

    def root(self):
        """The file with the certificate at the top of what it issues."""
        context = ssl.create_default_context(cafile=str(self.tls_ca))
        with urllib.request.urlopen(f"{self.management}/roots/0", context=context, timeout=DEADLINE) as answer:
            (self.folder / "root.pem").write_bytes(answer.read())
        return str(self.folder / "root.pem")

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.web.shutdown()
        self.web.server_close()
        self.web_thread.join(10)
