"""`health` is what monitoring systems ask: exit code 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN."""
import subprocess
import time

OK, WARNING, CRITICAL, UNKNOWN = range(4)


def wait_health(cluster, process, expected, seconds=20):
    deadline = time.monotonic() + seconds
    while True:
        done = cluster.ctl(process, "health")
        if done.returncode == expected:
            return done.stdout
        assert time.monotonic() < deadline, f"{process}: {done.returncode}, not {expected}: {done.stdout}{done.stderr}"
        time.sleep(0.05)


def short_certificate(folder, name, days):
    """The certificate name.pem in folder anew, of the same key, ending sooner."""
    template = (folder / f"{name}.tmpl").read_text().replace("expiration_days = 90", f"expiration_days = {days}")
    (folder / "short.tmpl").write_text(template)
    subprocess.run(["certtool", "--generate-certificate", "--load-privkey", folder / f"{name}.key", "--load-ca-certificate", folder / "ca.pem",
                    "--load-ca-privkey", folder / "ca.key", "--template", folder / "short.tmpl", "--outfile", folder / f"{name}.pem"],
                   check=True, capture_output=True)


def test_a_whole_cluster_is_ok(cluster):
    for process in ("c2s-1", "router-1", "sm-1"):
        assert "OK" in wait_health(cluster, process, OK)
    assert cluster.ctl("health").returncode == OK


def test_without_a_session_manager_nothing_goes(new_cluster):
    cluster = new_cluster()
    cluster.kill("sm-1")
    assert "CRITICAL" in wait_health(cluster, "c2s-1", CRITICAL)
    wait_health(cluster, "router-1", CRITICAL)
    assert cluster.ctl("health").returncode == CRITICAL
    cluster.start("sm-1")
    wait_health(cluster, "c2s-1", OK)
    wait_health(cluster, "router-1", OK)
    cluster.kill("router-1")
    wait_health(cluster, "sm-1", CRITICAL)
    wait_health(cluster, "c2s-1", CRITICAL)
    cluster.start("router-1")
    wait_health(cluster, "sm-1", OK)


def test_one_missing_connection_manager_of_two_is_a_warning_and_both_are_critical(new_cluster):
    cluster = new_cluster("--c2s", "2")
    cluster.kill("c2s-2")
    wait_health(cluster, "router-1", WARNING)
    cluster.kill("c2s-1")
    wait_health(cluster, "router-1", CRITICAL)
    assert cluster.ctl("c2s-1", "health").returncode in (UNKNOWN, CRITICAL)
    cluster.start("c2s-1")
    cluster.start("c2s-2")
    wait_health(cluster, "router-1", OK)


def test_a_certificate_in_its_last_fourteen_days_is_a_warning(new_cluster):
    cluster = new_cluster("--links", "tls")
    assert "certificate_days" in wait_health(cluster, "c2s-1", OK)
    short_certificate(cluster.folder / "tls", "localhost", 10)
    assert cluster.ctl("c2s-1", "reload").returncode == 0
    wait_health(cluster, "c2s-1", WARNING)
    short_certificate(cluster.folder / "tls", "localhost", 60)
    assert cluster.ctl("c2s-1", "reload").returncode == 0
    wait_health(cluster, "c2s-1", OK)
    for process in ("c2s-1", "router-1", "sm-1"):
        short_certificate(cluster.folder / "link", process, 10)
        assert cluster.ctl(process, "reload").returncode == 0
        assert "link_certificate_days" in wait_health(cluster, process, WARNING)
    text = cluster.ctl("router-1", "metrics").stdout
    ends = next(int(l.split()[1]) for l in text.splitlines() if l.startswith("sallyport_link_certificate_expiry_seconds "))
    assert 9 * 86400 < ends - time.time() < 11 * 86400
