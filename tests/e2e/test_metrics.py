"""Every metric of every process is listed with its meaning in deploy/metrics.txt, and nothing else is. Run as a program it writes that list."""
import pathlib
import re

LIST = pathlib.Path(__file__).resolve().parent.parent.parent / "deploy/metrics.txt"


def exposed(cluster):
    """name -> (kind, help) over all processes."""
    found = {}
    for process in ("router-1", "c2s-1", "sm-1"):
        text = cluster.ctl(process, "metrics").stdout
        help_of = dict(re.findall(r"^# HELP (\w+) (.*)$", text, re.M))
        found.update({n: (k, help_of.get(n, "")) for n, k in re.findall(r"^# TYPE (\w+) (\w+)$", text, re.M)})
    return found


def rows(found):
    return [f"{n} {k} {h}" for n, (k, h) in sorted(found.items())]


def test_the_list_of_metrics_is_what_processes_expose(cluster, unique):
    cluster.online(unique("alice")).ping()
    listed = [l for l in LIST.read_text().splitlines() if l and not l.startswith("#")]
    assert rows(exposed(cluster)) == listed


def test_every_metric_has_a_meaning_and_a_proper_name(cluster):
    for name, (kind, meaning) in exposed(cluster).items():
        assert len(meaning) > 10 and name.startswith(("sallyport_", "process_"))
        assert name.endswith("_total") == (kind == "counter")


def test_the_router_shows_what_its_peers_report_as_their_claim(cluster):
    text = cluster.ctl("router-1", "metrics").stdout
    for peer, name in (("c2s-1", "sallyport_c2s_clients"), ("sm-1", "sallyport_sm_sessions"), ("c2s-1", "process_open_fds")):
        assert re.search(rf'^{name}{{peer="{peer}.cluster.internal",claim="1"}} \d', text, re.M), (peer, name)
    names = [re.match(r"\w+", l)[0] for l in text.splitlines() if l and not l.startswith("#")]
    groups = [n for i, n in enumerate(names) if i == 0 or names[i - 1] != n]
    assert len(groups) == len(set(groups)), "a metric's lines must stand together"


if __name__ == "__main__":
    from cluster import Cluster

    c = Cluster()
    LIST.write_text("# Every metric: name, kind, meaning. Compared with running processes by tests/e2e/test_metrics.py, which also writes it.\n" + "\n".join(rows(exposed(c))) + "\n")
    c.down()
