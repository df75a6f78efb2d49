"""What touches storage, a second time, on PostgreSQL: the same tests on a cluster with --store postgresql."""
import pytest

from cluster import Cluster
from test_bind import *  # noqa: F401,F403
from test_delivery import *  # noqa: F401,F403
from test_ext import *  # noqa: F401,F403
from test_roster import *  # noqa: F401,F403


@pytest.fixture(scope="module")
def shared_cluster():
    made = Cluster("--domain", "localhost", "--domain", "second.example", "--log-level", "debug", "--store", "postgresql")
    yield made
    made.down()


@pytest.fixture
def new_cluster():
    made = []

    def make(*options):
        made.append(Cluster("--store", "postgresql", *options))
        return made[-1]

    yield make
    for cluster in made:
        cluster.down()
