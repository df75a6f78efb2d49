"""Fixtures: one cluster for all tests of a run (tests use accounts of their own), and clusters for a single test."""
import itertools
import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from cluster import Cluster  # noqa: E402
from planned import Plan  # noqa: E402
import samba  # noqa: E402

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def shared_cluster():
    cluster = Cluster("--domain", "localhost", "--domain", "second.example", "--log-level", "debug")
    yield cluster
    cluster.down()


@pytest.fixture
def cluster(shared_cluster):
    """The shared cluster; the clients that a test made on it are closed behind it."""
    yield shared_cluster
    shared_cluster.close_clients()


@pytest.fixture
def new_cluster():
    """Makes clusters with options of local-cluster's `up`; each is ended behind the test."""
    made = []

    def make(*options):
        made.append(Cluster(*options))
        return made[-1]

    yield make
    for cluster in made:
        cluster.down()


@pytest.fixture(scope="session")
def provisioned():
    """A domain for samba.Samba."""
    made = samba.provision()
    yield made
    shutil.rmtree(made[0])


@pytest.fixture
def plan():
    """Makes plans in folders of their own (planned.py); what runs of them is ended behind the test."""
    made = []

    def make(*args, **options):
        made.append(Plan(*args, **options))
        return made[-1]

    yield make
    for p in made:
        p.close()


@pytest.fixture
def unique():
    """A name that no other test uses: unique("alice") -> "alice-17"."""
    return lambda name: f"{name}-{next(_numbers)}"
