"""A certification authority of a test's own: certificates of clients with the names, dates and purposes that a test wants, and revocation lists."""
import base64
import datetime
import os
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

XMPP_ADDR = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.5")
DAY = datetime.timedelta(days=1)
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH


def now():
    return datetime.datetime.utcnow()


def utf8(text):
    """A UTF8String in DER."""
    data = text.encode() if isinstance(text, str) else text
    length = bytes([len(data)]) if len(data) < 128 else b"\x81" + bytes([len(data)]) if len(data) < 256 else b"\x82" + len(data).to_bytes(2, "big")
    return b"\x0c" + length + data


def xmpp_addr(address):
    return x509.OtherName(XMPP_ADDR, address if isinstance(address, bytes) else utf8(address))


def subject(cn, uid=()):
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, c) for c in ([cn] if isinstance(cn, str) else cn)]
    return x509.Name(parts + [x509.NameAttribute(NameOID.USER_ID, u) for u in uid])


def write(path, text):
    """As an administrator's tool would: nobody ever sees half of it."""
    path = pathlib.Path(path)
    part = path.with_name(path.name + ".part")
    part.write_bytes(text)
    os.replace(part, path)


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


class Issued:
    """A certificate of a client with its key: files for ssl.SSLContext.load_cert_chain."""

    def __init__(self, folder, name, certificate, key, chain=()):
        self.x509, self.key = certificate, key
        self.cert_file, self.key_file = folder / f"{name}.pem", folder / f"{name}.key"
        self.pem = pem(certificate) + b"".join(map(pem, chain))
        self.cert_file.write_bytes(self.pem)
        self.key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))

    @property
    def files(self):
        return str(self.cert_file), str(self.key_file)


class Authority:
    def __init__(self, folder, name="Test CA", parent=None):
        self.folder, self.name, self.parent, self.revoked = pathlib.Path(folder), name, parent, []
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = subject(name)
        builder = self.builder(self.subject, self.key, parent or self, now() - 10 * DAY, now() + 365 * DAY)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        self.x509 = builder.add_extension(usage, True).sign((parent or self).key, hashes.SHA256())
        self.pem = pem(self.x509)
        self.file = self.folder / f"{name.replace(' ', '-')}.pem"
        self.file.write_bytes(self.pem)

    @staticmethod
    def builder(name, key, issuer, begin, end):
        return (x509.CertificateBuilder().subject_name(name).issuer_name(issuer.subject).public_key(key.public_key())
                .serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end))

    def issue(self, *addresses, cn="somebody", uid=(), names=(), purposes=(CLIENT,), begin=None, end=None, is_ca=False, is_signing=True, key=None):
        """addresses: XmppAddr each (bytes: its DER); names: other subjectAltNames; purposes None: no extendedKeyUsage."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        builder = self.builder(subject(cn, uid) if cn else x509.Name([]), key, self, begin or now() - DAY, end or now() + 30 * DAY)
        builder = builder.add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), True)
        builder = builder.add_extension(x509.KeyUsage(is_signing, False, not is_signing, False, False, False, False, False, False), True)
        if addresses or names:
            builder = builder.add_extension(x509.SubjectAlternativeName([*map(xmpp_addr, addresses), *names]), False)
        if purposes:
            builder = builder.add_extension(x509.ExtendedKeyUsage(list(purposes)), False)
        certificate = builder.sign(self.key, hashes.SHA256())
        return Issued(self.folder, f"client-{certificate.serial_number:x}", certificate, key, (self.x509,) if self.parent else ())

    def crl(self, *revoked, begin=None, end=None):
        """PEM of a list of all that was ever revoked here, and these."""
        self.revoked += [r.x509.serial_number for r in revoked]
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.subject)
        builder = builder.last_update(begin or now() - DAY).next_update(end or now() + 30 * DAY)
        for serial in self.revoked:
            builder = builder.add_revoked_certificate(x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now() - DAY).build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def b64(text):
    return base64.b64encode(text.encode()).decode() or "="
