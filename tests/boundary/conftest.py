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


AUDIT_RATE = 200


class Stages:
    """One stage at a time, of the layout that is asked for: tests come sorted by it (scene.params)."""
    layout = stage = None

    def __init__(self, folder):
        self.folder = folder

    def of(self, layout):
        if layout != self.layout:
            self.close()
            self.stage, self.layout = self.make(layout), layout
        return self.stage

    def make(self, layout):
        from cluster import Cluster
        from scene import Stage
        c = Cluster("--c2s", "3", "--links", "tls", "--layout", layout, "--set", "router:link_queue = 4M",
                    "--set", "router:component_auth_timeout = 2s", "--set", "router:component_queue = 1M",
                    "--set", f"sm:audit_rate = {AUDIT_RATE}")
        return Stage(c, self.folder, AUDIT_RATE)

    def close(self):
        stage, self.stage = self.stage, None
        if stage:
            stage.close()


@pytest.fixture(scope="session")
def stages(tmp_path_factory):
    all_of_them = Stages(tmp_path_factory.mktemp("keys"))
    yield all_of_them
    all_of_them.close()
