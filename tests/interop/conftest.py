"""The clusters and clients of tests/e2e serve here too."""
import importlib.util
import pathlib
import sys

E2E = pathlib.Path(__file__).resolve().parent.parent / "e2e"
sys.path.insert(0, str(E2E))
_spec = importlib.util.spec_from_file_location("e2e_conftest", E2E / "conftest.py")  # both files are named conftest
_e2e = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_e2e)
cluster, new_cluster, shared_cluster, unique = _e2e.cluster, _e2e.new_cluster, _e2e.shared_cluster, _e2e.unique
