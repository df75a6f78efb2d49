"""The clusters and clients of tests/e2e serve here too; and one cluster in which one connection manager is an attacker's."""
import importlib.util
import pathlib
import sys

import pytest

E2E = pathlib.Path(__file__).resolve().parent.parent / "e2e"
sys.path.insert(0, str(E2E))
_spec = importlib.util.spec_from_file_location("e2e_conftest", E2E / "conftest.py")  # both files are named conftest
_e2e = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_e2e)
cluster, new_cluster, shared_cluster, unique = _e2e.cluster, _e2e.new_cluster, _e2e.shared_cluster, _e2e.unique


@pytest.fixture(scope="session")
def stage(tmp_path_factory):
    from cluster import Cluster
    from scene import Stage
    c = Cluster("--c2s", "2", "--links", "tls", "--layout", "b", "--set", "router:link_queue = 4M", "--set", "router:component_auth_timeout = 2s",
                "--set", "router:component_queue = 1M")
    s = Stage(c)
    s.folder = tmp_path_factory.mktemp("keys")
    yield s
    c.down()
