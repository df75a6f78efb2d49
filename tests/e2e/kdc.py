"""A real Kerberos realm for tests: MIT's krb5kdc with a folder and a port of its own on the loopback interface."""
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

REALM = "EXAMPLE.ORG"

KDC_CONF = """
[kdcdefaults]
    kdc_listen = ""
    kdc_tcp_listen = ""
[realms]
    {realm} = {{
        kdc_listen = ""
        kdc_tcp_listen = 127.0.0.1:{port}
        database_name = {dir}/principal
        key_stash_file = {dir}/stash
        acl_file = {dir}/acl
        max_life = 10h
        max_renewable_life = 1d
        supported_enctypes = aes256-cts:normal aes128-cts:normal
    }}
[logging]
    kdc = FILE:{dir}/kdc.log
"""

# Nothing of the machine's own configuration, and no DNS.
KRB5_CONF = """
[libdefaults]
    default_realm = {realm}
    dns_lookup_kdc = false
    dns_lookup_realm = false
    dns_canonicalize_hostname = false
    rdns = false
    qualify_shortname = ""
    udp_preference_limit = 1
    forwardable = true
[realms]
    {realm} = {{
        kdc = 127.0.0.1:{port}
    }}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Kdc:
    """conf: a krb5.conf (KRB5_CONFIG) for clients and services. close() ends everything."""

    def __init__(self, realm=REALM):
        self.realm = realm
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"kdc-{os.getpid()}-"))
        self.folder.chmod(0o755)  # services that run as somebody else read their keytabs here
        self.processes = []
        try:
            self.port, self.conf, self.kdc_conf = self._configure("")
            self._run("/usr/sbin/kdb5_util", "-r", realm, "create", "-s", "-P", "master")
            self.start()
        except BaseException:
            self.close()
            raise

    def _configure(self, mark, libdefaults=""):
        port = free_port()
        kdc_conf, conf = self.folder / f"kdc{mark}.conf", self.folder / f"krb5{mark}.conf"
        kdc_conf.write_text(KDC_CONF.format(realm=self.realm, port=port, dir=self.folder))
        conf.write_text(KRB5_CONF.format(realm=self.realm, port=port).replace("[libdefaults]", f"[libdefaults]\n{libdefaults}"))
        return port, conf, kdc_conf

    def environment(self, ccache=None, conf=None, **more):
        """For a program: this realm, and the tickets in ccache (none: those of nobody)."""
        return dict(os.environ, KRB5_CONFIG=str(conf or self.conf), KRB5_KDC_PROFILE=str(self.kdc_conf),
                    KRB5CCNAME=str(ccache or f"FILE:{self.folder}/none"), **more)

    def _run(self, *command, input=None, conf=None):
        done = subprocess.run(command, input=input, text=True, capture_output=True, env=self.environment(conf=conf), timeout=60)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def _spawn(self, port, kdc_conf, *options, conf=None):
        process = subprocess.Popen(["/usr/sbin/krb5kdc", "-n", "-r", self.realm, *options], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, cwd=self.folder,
                                   env=dict(self.environment(conf=conf), KRB5_KDC_PROFILE=str(kdc_conf)))
        self.processes.append(process)
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return process
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline, f"krb5kdc does not start: {self.log()}"
                time.sleep(0.02)

    def start(self):
        self.process = self._spawn(self.port, self.kdc_conf)
        return self

    def variant(self, mark, *options, libdefaults=""):
        """Another KDC of the same realm; returns the krb5.conf, with these settings, by which both go."""
        port, conf, kdc_conf = self._configure(mark, libdefaults)
        self._spawn(port, kdc_conf, *options, conf=conf)
        return conf

    def shifted(self, seconds):
        """One whose clock is that far from ours. The tickets that it gives, and the clients that use them, believe it."""
        return self.variant(f"{seconds:+d}", "-T", str(seconds))

    def log(self):
        path = self.folder / "kdc.log"
        return path.read_text(errors="replace") if path.exists() else ""

    # --- principals ---

    def admin(self, *queries):
        """Commands of kadmin.local, one after another."""
        out = self._run("/usr/sbin/kadmin.local", "-r", self.realm, input="".join(q + "\n" for q in queries))
        return out

    def add(self, principal, password=None, options=""):
        """A principal of this realm; without a password it has random keys, as services do."""
        secret = f'-pw "{password}"' if password is not None else "-randkey"
        self.admin(f"addprinc {options} {secret} {principal}")
        assert principal in self.admin("listprincs"), principal
        return principal

    def delete(self, principal):
        self.admin(f"delprinc -force {principal}")

    def rekey(self, principal, options=""):
        """New keys: what is in keytabs is old from now on."""
        self.admin(f"cpw -randkey {options} {principal}")

    def keytab(self, name, *principals):
        """A keytab with the present keys of these; those that are missing are made."""
        path = self.folder / f"{name}.keytab"
        present = self.admin("listprincs").splitlines()
        self.admin(*[f"addprinc -randkey {p}" for p in principals if f"{p}@{self.realm}" not in present],
                   *[f"ktadd -k {path} -norandkey {p}" for p in principals])
        assert path.exists(), principals
        path.chmod(0o600)
        return path

    # --- tickets ---

    def kinit(self, principal, password="secret", options=(), conf=None, keytab=None):
        """Tickets in a private cache; returns its name (KRB5CCNAME)."""
        fd, path = tempfile.mkstemp(prefix="cc-", dir=self.folder)
        os.close(fd)
        if keytab:
            self._run("/usr/bin/kinit", *options, "-c", f"FILE:{path}", "-k", "-t", str(keytab), principal, conf=conf)
        else:
            self._run("/usr/bin/kinit", *options, "-c", f"FILE:{path}", principal, input=password + "\n", conf=conf)
        return f"FILE:{path}"

    def kvno(self, ccache, service, conf=None):
        """A ticket for a service, into the cache."""
        self._run("/usr/bin/kvno", "-c", ccache, service, conf=conf)

    # --- the end ---

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
