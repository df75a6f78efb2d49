"""A client's side of GSSAPI (RFC 4752 §3.1) for tests, by the machine's own Kerberos library; and tickets that no honest KDC client asks for."""
import base64
import contextlib
import ctypes
import os

import gssapi

from xmpp import SASL, local

KRB5 = gssapi.OID.from_int_seq("1.2.840.113554.1.2.2")
MUTUAL = gssapi.RequirementFlag.mutual_authentication
NO_LAYER = b"\x01\0\0\0"


def b64(data):
    return base64.b64encode(data).decode() or "="


@contextlib.contextmanager
def believing(conf):
    """The library reads this krb5.conf."""
    before = os.environ.get("KRB5_CONFIG")
    os.environ["KRB5_CONFIG"] = str(conf)
    try:
        yield
    finally:
        if before is None:
            del os.environ["KRB5_CONFIG"]
        else:
            os.environ["KRB5_CONFIG"] = before


class Login:
    """One exchange. service: "xmpp@HOSTNAME"."""

    def __init__(self, kdc, ccache, service="xmpp@localhost", flags=MUTUAL, mech=KRB5, conf=None):
        self.conf = conf or kdc.conf
        with believing(self.conf):
            creds = gssapi.Credentials(usage="initiate", store={"ccache": ccache})
            name = gssapi.Name(service, gssapi.NameType.hostbased_service)
            self.context = gssapi.SecurityContext(name=name, creds=creds, usage="initiate", flags=flags, mech=mech)

    def step(self, data=None):
        with believing(self.conf):
            return self.context.step(data) or b""

    def offered(self, data):
        """The server's layers and its buffer, from its last challenge."""
        text = self.context.unwrap(data).message
        assert len(text) == 4
        return text[0], int.from_bytes(text[1:], "big")

    def choice(self, authzid="", layer=NO_LAYER):
        return self.context.wrap(layer + authzid.encode(), False).message


def start(client, token, mechanism="GSSAPI"):
    client.send(f"<auth xmlns='{SASL}' mechanism='{mechanism}'>{b64(token)}</auth>")
    return client.sasl_answer()


def respond(client, data):
    client.send(f"<response xmlns='{SASL}'>{b64(data) if data else ''}</response>")
    return client.sasl_answer()


def data_of(answer):
    assert local(answer) == "challenge", answer
    return base64.b64decode(answer.text or "")


def up_to_choice(client, login):
    """Everything before the client's last message; returns the server's last challenge, or what came instead of one."""
    answer = start(client, login.step())
    if local(answer) != "challenge":
        return answer
    login.step(data_of(answer))
    assert login.context.complete
    return respond(client, b"")


def log_in(client, login, authzid=""):
    """The whole exchange; returns the last element."""
    answer = up_to_choice(client, login)
    if local(answer) != "challenge":
        return answer
    assert login.offered(data_of(answer)) == (1, 0), "a security layer is offered"
    return respond(client, login.choice(authzid))


# --- big tickets -----------------------------------------------------------------------------------------------------

class _Data(ctypes.Structure):
    _fields_ = [("magic", ctypes.c_int32), ("length", ctypes.c_uint), ("data", ctypes.c_char_p)]


class _Authdata(ctypes.Structure):
    _fields_ = [("magic", ctypes.c_int32), ("type", ctypes.c_int32), ("length", ctypes.c_uint), ("contents", ctypes.c_char_p)]


class _Creds(ctypes.Structure):
    _fields_ = [("magic", ctypes.c_int32), ("client", ctypes.c_void_p), ("server", ctypes.c_void_p),
                ("keyblock", ctypes.c_byte * 24), ("times", ctypes.c_int32 * 4), ("is_skey", ctypes.c_uint), ("flags", ctypes.c_int32),
                ("addresses", ctypes.c_void_p), ("ticket", _Data), ("second_ticket", _Data),
                ("authdata", ctypes.POINTER(ctypes.POINTER(_Authdata)))]


def fatten(kdc, ccache, service, size):
    """Makes the cache hold a ticket for the service ("xmpp/localhost@") alone that carries so many bytes of authorization data, as one with many groups does."""
    krb5 = ctypes.CDLL("libkrb5.so.3")
    context, cc, client, server = (ctypes.c_void_p() for _ in range(4))
    out = ctypes.POINTER(_Creds)()

    def call(name, *args):
        code = getattr(krb5, name)(*args)
        assert code == 0, (name, code)

    data = _Authdata(0, -1234, size, bytes(size))
    wanted = (ctypes.POINTER(_Authdata) * 2)(ctypes.pointer(data), None)
    with believing(kdc.conf):
        call("krb5_init_context", ctypes.byref(context))
        call("krb5_cc_resolve", context, ccache.encode(), ctypes.byref(cc))
        call("krb5_cc_get_principal", context, cc, ctypes.byref(client))
        call("krb5_parse_name", context, service.encode(), ctypes.byref(server))
        creds = _Creds(client=client, server=server, authdata=ctypes.cast(wanted, ctypes.POINTER(ctypes.POINTER(_Authdata))))
        call("krb5_get_credentials", context, 0, cc, ctypes.byref(creds), ctypes.byref(out))
        out.contents.authdata = None  # else it is found only by who asks for it again
        call("krb5_cc_initialize", context, cc, client)
        call("krb5_cc_store_cred", context, cc, out)
        call("krb5_cc_close", context, cc)
        krb5.krb5_free_context(context)
