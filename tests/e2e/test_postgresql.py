"""What touches storage, a second time, on PostgreSQL: the same tests on a cluster with --store postgresql."""
import pytest

from cluster import Cluster
from test_archive import (  # noqa: F401
    pair, test_an_administrator_deletes_one_side_and_then_the_other, test_by_time_and_by_id, test_ids_that_are_not_there, test_pages_forwards_and_backwards,
    test_preferences_are_kept_and_hold, test_what_is_sent_to_oneself_is_there_once, test_what_is_too_old_or_too_much_is_gone_at_once_or_soon,
    test_what_waits_is_the_row_of_the_archive, test_with_a_contact)
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
