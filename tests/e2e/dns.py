"""A real name server for tests: nsd on a loopback address of its own, and a resolv.conf for processes that shall ask it."""
import os
import pathlib
import random
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

CONF = """server:
  ip-address: {address}
  username: ""
  database: ""
  zonesdir: {dir}
  xfrdfile: {dir}/xfrd.state
  xfrdir: {dir}
  zonelistfile: {dir}/zone.list
  pidfile: {dir}/pid
  logfile: {dir}/log
  server-count: 1
remote-control:
  control-enable: no
zone:
  name: {zone}
  zonefile: zone
"""


class Dns:
    """set() replaces the zone's records; the answer to a question sent afterwards has them."""

    def __init__(self, zone):
        self.zone = zone
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"nsd-{os.getpid()}-"))
        self.address = f"127.53.{random.randrange(1, 255)}.{random.randrange(1, 255)}"
        (self.folder / "nsd.conf").write_text(CONF.format(dir=self.folder, address=self.address, zone=zone))
        self.resolv = self.folder / "resolv.conf"
        self.resolv.write_text(f"nameserver {self.address}\n")
        # Processes started by it see this resolv.conf, and no other is changed.
        self.wrapper = self.folder / "with-dns"
        self.wrapper.write_text(f'#!/bin/sh\nmount --bind {self.resolv} /etc/resolv.conf && exec "$@"\n')
        self.wrapper.chmod(0o755)
        self.wrap = f"unshare --mount --propagation private {self.wrapper}"
        self.serial, self.process, self.lines = 0, None, []
        self.write()
        self.start()

    def write(self):
        self.serial += 1
        (self.folder / "zone").write_text(f"$ORIGIN {self.zone}.\n$TTL 1\n@ SOA ns root {self.serial} 60 60 60 1\n@ NS ns\nns A {self.address}\n"
                                          f"serial TXT \"is-{self.serial}-now\"\n" + "".join(line + "\n" for line in self.lines))

    def start(self):
        self.process = subprocess.Popen(["/usr/sbin/nsd", "-d", "-c", str(self.folder / "nsd.conf")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        start_new_session=True)
        self.wait()

    def wait(self):
        """Until it answers with what was written last."""
        name = b"".join(bytes([len(p)]) + p.encode() for p in f"serial.{self.zone}".split(".")) + b"\0"
        question = struct.pack(">6H", 7, 0, 1, 0, 0, 0) + name + struct.pack(">2H", 16, 1)
        deadline = time.monotonic() + 20
        while True:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.settimeout(0.2)
                try:
                    s.connect((self.address, 53))
                    s.send(question)
                    if f"is-{self.serial}-now".encode() in s.recv(4096):
                        return
                except OSError:
                    pass
            assert self.process.poll() is None and time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.02)

    def set(self, *lines):
        """Lines of a zone file, names below the zone."""
        self.lines = list(lines)
        self.write()
        self.process.send_signal(signal.SIGHUP)
        self.wait()

    def kill(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()

    def close(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
