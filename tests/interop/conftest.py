"""The clusters and clients of tests/e2e serve here too."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "e2e"))
from conftest import cluster, new_cluster, shared_cluster, unique  # noqa: E402,F401
