"""SASL EXTERNAL where accounts are a directory's: the certificate says who, the directory whether there is such a person and what is with them."""
import pytest

from authority import Authority
from cluster import Cluster
from slapd import Slapd
from test_directory import DOMAIN
from test_external import external
from test_sasl import condition
from test_settings import mechanisms
from xmpp import local


class Site:
    def __init__(self, folder):
        self.ca, self.slapd = Authority(folder), Slapd()
        self.cluster = Cluster("--domain", "localhost", "--domain", DOMAIN, "--set", f'c2s:client_ca = "{self.ca.file}"')
        conf = self.cluster.folder / "conf/sm-1.conf"
        keys = f'    auth = {{"ldap"}}\n    directory = "corp"\n    external_ca = "{self.ca.file}"\n    mechanisms = {{"EXTERNAL"}}\n'
        conf.write_text(self.slapd.section() + conf.read_text().replace(f'host "{DOMAIN}" {{\n', f'host "{DOMAIN}" {{\n' + keys))
        self.cluster.kill("sm-1")
        self.cluster.start("sm-1")

    def client(self, name):
        """A client with this person's certificate, as far as the features."""
        client = self.cluster.client(domain=DOMAIN)
        context = client.tls_context(("xmpp-client",))
        context.load_cert_chain(*self.ca.issue(f"{name}@{DOMAIN}").files)
        client.tls_context = lambda alpn=None: context
        assert mechanisms(client.direct()) == ["EXTERNAL"]
        return client

    def close(self):
        self.cluster.down()
        self.slapd.close()


@pytest.fixture(scope="module")
def whole_site(tmp_path_factory):
    made = Site(tmp_path_factory.mktemp("external"))
    yield made
    made.close()


@pytest.fixture
def site(whole_site):
    yield whole_site
    whole_site.cluster.close_clients()


def test_an_account_is_made_at_the_first_login_and_is_the_entry_s(site):
    site.slapd.add_person("juliet")
    for _ in range(2):
        client = site.client("juliet")
        assert local(external(client)) == "success"
        client.open()
        client.features()
        assert client.bind("desk") == f"juliet@{DOMAIN}/desk"
    assert len(site.cluster.events("sm-1", "account-added", account=f"juliet@{DOMAIN}", by="directory")) == 1
    site.slapd.delete("juliet")
    site.slapd.add_person("juliet")  # somebody else, with the name
    assert condition(external(site.client("juliet"))) == "not-authorized"
    site.cluster.wait_audit("sm-1", "login-refused", "another entry of the directory has this name now")


def test_who_is_not_in_the_directory_is_refused_though_the_certificate_is_good(site):
    client = site.client("leaver")
    assert condition(external(client)) == "not-authorized"
    assert not site.cluster.events("sm-1", "account-added", account=f"leaver@{DOMAIN}")


@pytest.mark.parametrize("attribute,value,expected", [("pwdAccountLockedTime", "000001010000Z", "account-disabled"),
                                                      ("pwdReset", "TRUE", "credentials-expired")])
def test_what_the_entry_says_of_its_account_counts_though_the_certificate_is_good(site, attribute, value, expected):
    name = "state-" + attribute.lower()
    site.slapd.add_person(name)
    site.slapd.change(name, attribute, value)
    assert condition(external(site.client(name))) == expected
    assert not site.cluster.events("sm-1", "account-added", account=f"{name}@{DOMAIN}")
    site.slapd.change(name, attribute, value, verb="delete")
    assert local(external(site.client(name))) == "success"


def test_a_directory_that_is_away_is_a_temporary_failure(site):
    site.slapd.add_person("tybalt")
    client = site.client("tybalt")
    site.slapd.stop()
    try:
        assert condition(external(client)) == "temporary-auth-failure"
    finally:
        site.slapd.go_on()
