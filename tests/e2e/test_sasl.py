"""SASL: RFC 6120 §6, RFC 4616, 5802, 7677, XEP-0440."""
import base64

import pytest

from xmpp import SASL, local, q

SCRAM = ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"]


def condition(failure):
    assert failure.tag == q(SASL, "failure"), failure.tag
    return [local(c) for c in failure if local(c) != "text"][0]


def b64(text):
    return base64.b64encode(text.encode()).decode()


def auth(client, mechanism, initial=""):
    client.send(f"<auth xmlns='{SASL}' mechanism='{mechanism}'>{initial}</auth>")
    return client.sasl_answer()


def test_offered_mechanisms_are_ordered_and_bound_to_the_channel(cluster):
    features = cluster.client().direct()
    names = [m.text for m in features.find(q(SASL, "mechanisms"))]
    assert set(names) == {"PLAIN", *SCRAM, *(m + "-PLUS" for m in SCRAM)}
    assert names[0] == "SCRAM-SHA-512-PLUS" and names[-1] == "PLAIN"
    bindings = [c.get("type") for c in features.find("{urn:xmpp:sasl-cb:0}sasl-channel-binding")]
    assert "tls-exporter" in bindings and "tls-server-end-point" in bindings and "tls-unique" not in bindings


@pytest.mark.parametrize("mechanism", ["PLAIN", *SCRAM])
def test_each_mechanism_logs_in(cluster, unique, mechanism):
    alice = cluster.client(unique("alice"))
    alice.direct()
    answer = alice.auth_plain() if mechanism == "PLAIN" else alice.auth_scram(mechanism)
    assert local(answer) == "success"


@pytest.mark.parametrize("mechanism", SCRAM)
def test_a_wrong_password_is_not_authorized(cluster, unique, mechanism):
    alice = cluster.client(unique("alice"))
    alice.direct()
    assert condition(alice.auth_scram(mechanism, password="wrong")) == "not-authorized"


@pytest.mark.parametrize("mechanism", ["PLAIN", *SCRAM])
def test_an_unknown_user_looks_like_a_wrong_password(cluster, unique, mechanism):
    stranger = cluster.client()
    stranger.direct()
    name = unique("nobody")
    if mechanism == "PLAIN":
        answer = stranger.auth_plain(name=name, password="x")
    else:
        answer = stranger.auth_scram(mechanism, name=name, password="x")
    assert condition(answer) == "not-authorized"


def test_an_unknown_user_is_shown_the_same_salt_every_time(cluster, unique):
    name = unique("nobody")
    salts = set()
    for _ in range(3):
        client = cluster.client()
        client.direct()
        answer = auth(client, "SCRAM-SHA-256", b64(f"n,,n={name},r=abcdefgh"))
        salts.add(base64.b64decode(answer.text).decode().split(",")[1])
    assert len(salts) == 1


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512-PLUS"])
def test_tls_unique_binds_on_tls_1_2(cluster, unique, mechanism):
    import ssl
    alice = cluster.client(unique("alice"))
    alice.connect()
    alice.open()
    alice.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    alice.expect("proceed")
    context = alice.tls_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    alice.start_tls(context=context)
    alice.open()
    alice.features()
    data = alice.sock.get_channel_binding("tls-unique")
    assert local(alice.auth_scram(mechanism, cb_type="tls-unique", cb_data=data)) == "success"


def end_point(client):
    """RFC 5929 §4: the hash of the server's certificate, by SHA-256 for an ECDSA-with-SHA256 signature."""
    import hashlib
    return hashlib.sha256(client.sock.getpeercert(binary_form=True)).digest()


def test_tls_server_end_point_binds(cluster, unique):
    alice = cluster.client(unique("alice"))
    alice.direct()
    assert local(alice.auth_scram("SCRAM-SHA-256-PLUS", cb_type="tls-server-end-point", cb_data=end_point(alice))) == "success"


def test_another_channel_is_refused(cluster, unique):
    alice = cluster.client(unique("alice"))
    alice.direct()
    answer = alice.auth_scram("SCRAM-SHA-256-PLUS", cb_type="tls-server-end-point", cb_data=b"x" * 32)
    assert condition(answer) == "not-authorized"


def test_a_downgrade_of_the_binding_is_refused(cluster, unique):
    """RFC 5802 §6: flag 'y' says that the client knows bindings and saw none offered; somebody has removed them."""
    alice = cluster.client(unique("alice"))
    alice.direct()
    assert local(alice.auth_scram("SCRAM-SHA-256", flag="y")) == "failure"


MISBOUND = [
    ("SCRAM-SHA-256", dict(flag="y"), "believes"),
    ("SCRAM-SHA-256-PLUS", dict(cb_type="tls-unique", cb_data=b"x"), "does not have"),
    ("SCRAM-SHA-256-PLUS", dict(cb_type="tls-exporter", cb_data=b"x" * 32), "another channel"),
]


@pytest.mark.parametrize("mechanism,options,detail", MISBOUND)
def test_a_binding_that_does_not_fit_is_no_guess_and_is_told_in_the_audit_log(cluster, unique, mechanism, options, detail):
    """Clients try every mechanism in turn: after six such refusals a right password still logs in (auth_retries is 3)."""
    alice = cluster.client(unique("alice"))
    alice.direct()
    for _ in range(6):
        assert condition(alice.auth_scram(mechanism, **options)) == "not-authorized"
    assert local(alice.auth_plain()) == "success"
    refused = [e for e in cluster.events("sm-1", "login-refused") if alice.name in e.get("claimed", "")]
    assert len(refused) == 6 and all(detail in e["detail"] for e in refused)


def test_bindings_that_do_not_fit_are_limited_as_well(cluster, unique):
    alice = cluster.client(unique("alice"))
    alice.direct()
    for _ in range(13):
        assert condition(alice.auth_scram(flag="y")) == "not-authorized"
    alice.expect_stream_error("policy-violation")


MALFORMED = [
    ("not base64", "PLAIN", "!!!!", "incorrect-encoding"),
    ("base64 without padding", "PLAIN", "YQ", "incorrect-encoding"),
    ("base64 with a space inside", "PLAIN", "AGFs aWNl", "incorrect-encoding"),
    ("PLAIN without fields", "PLAIN", b64("hello"), "malformed-request"),
    ("PLAIN with too many fields", "PLAIN", b64("a\0b\0c\0d"), "malformed-request"),
    ("an unknown mechanism", "X-NONE", "", "invalid-mechanism"),
    ("no mechanism that exists", "EXTERNAL", "=", "invalid-mechanism"),
    ("SCRAM without user", "SCRAM-SHA-1", b64("n,,r=abc"), "malformed-request"),
    ("SCRAM nonsense", "SCRAM-SHA-256", b64("rubbish"), "malformed-request"),
]


@pytest.mark.parametrize("what,mechanism,initial,expected", MALFORMED, ids=[m[0] for m in MALFORMED])
def test_a_malformed_request_gets_its_condition(cluster, what, mechanism, initial, expected):
    client = cluster.client()
    client.direct()
    assert condition(auth(client, mechanism, initial)) == expected


def test_plain_with_an_empty_password_is_refused(cluster, unique):
    alice = cluster.client(unique("alice"))
    alice.direct()
    assert local(alice.auth_plain(password="")) == "failure"


def test_an_authzid_of_another_is_refused(cluster, unique):
    alice, bob = cluster.client(unique("alice")), cluster.client(unique("bob"))
    alice.direct()
    assert condition(alice.auth_plain(authzid=bob.bare)) == "invalid-authzid"


def test_the_own_authzid_is_accepted(cluster, unique):
    alice = cluster.client(unique("alice"))
    alice.direct()
    assert local(alice.auth_plain(authzid=alice.bare)) == "success"


def test_an_exchange_may_be_aborted_and_begun_again(cluster, unique):
    alice = cluster.client(unique("alice"))
    alice.direct()
    assert local(auth(alice, "SCRAM-SHA-256", b64(f"n,,n={alice.name},r=abcdefgh"))) == "challenge"
    alice.send(f"<abort xmlns='{SASL}'/>")
    assert condition(alice.sasl_answer()) == "aborted"
    assert local(alice.auth_scram()) == "success"


def test_a_response_out_of_order_is_refused(cluster):
    client = cluster.client()
    client.direct()
    client.send(f"<response xmlns='{SASL}'>{b64('x')}</response>")
    client.expect(lambda el: local(el) in ("failure", "error"))


def test_guesses_are_limited(cluster, unique):
    alice = cluster.client(unique("alice"))
    alice.direct()
    tries = 0
    while tries < 20:
        alice.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{b64(chr(0) + alice.name + chr(0) + 'wrong')}</auth>")
        tries += 1
        if local(alice.expect(lambda el: True)) == "error":
            break
    assert 2 <= tries <= 10
    alice.expect_close()


def test_an_oversized_request_ends_the_stream(cluster):
    client = cluster.client()
    client.direct()
    client.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>" + "A" * 400000)
    client.expect_stream_error("policy-violation")


def test_names_and_passwords_may_be_any_language(cluster, unique):
    name = unique("jürgen")
    cluster.run("adduser", name, "pässwörd ✓")
    for mechanism in ("PLAIN", "SCRAM-SHA-256"):
        client = cluster.client()
        client.name, client.password = name, "pässwörd ✓"
        client.direct()
        answer = client.auth_plain() if mechanism == "PLAIN" else client.auth_scram(mechanism)
        assert local(answer) == "success"


def test_authentication_twice_is_refused(cluster, unique):
    alice = cluster.client(unique("alice")).login()
    alice.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>AGEAYg==</auth>")
    alice.expect("error")
    alice.expect_close()
