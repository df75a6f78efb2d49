"""Debian packages: what `make deb` makes, what is in it, what it needs, and what happens to running instances on upgrade and removal.

Nothing is installed on the machine that tests: dpkg works on a folder with a database of its own.
"""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAMS = re.search(r"^PROGRAMS := (.*)$", (ROOT / "Makefile").read_text(), re.M)[1].split()
DMZ = [p for p in PROGRAMS if p in ("c2s", "s2s", "router")]
NEVER_IN_DMZ = re.compile(r"^(libldap|libpq|libsqlite|libsasl)")
EPOCH = "1700000000"
pytestmark = pytest.mark.skipif(not shutil.which("lintian"), reason="lintian is not installed")


def run(*command, env=None, **options):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**os.environ, "LC_ALL": "C", **(env or {})}, **options)
    assert done.returncode == 0, f"{command}: {done.stdout[-4000:]}"
    return done.stdout


def make(*arguments, folder=ROOT, env=None):
    flags = {"MAKEFLAGS": "", "MAKELEVEL": "", "SAN": "", "DEB_BUILD_OPTIONS": ""}  # not those of `make test` around us
    return run("make", "-s", "-j2", *arguments, cwd=folder, env={**flags, **(env or {})})


def package_files(folder):
    return {p.name.split("_")[0]: p for p in sorted(folder.glob("*.deb"))}


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """{name: file}"""
    out = tmp_path_factory.mktemp("deb")
    make("deb", f"DEB_OUT={out}", env={"SOURCE_DATE_EPOCH": EPOCH})
    return package_files(out)


@pytest.fixture(scope="module")
def unpacked(packages, tmp_path_factory):
    """The folder of each package's files."""
    folders = {}
    for name, path in packages.items():
        folders[name] = tmp_path_factory.mktemp(name)
        run("dpkg-deb", "-x", path, folders[name])
    return folders


def files_below(folder):
    return {"/" + str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() or p.is_symlink()}


def field(path, name):
    return run("dpkg-deb", "-f", path, name).strip()


def program_of(name):
    return "/usr/bin/sallyportctl" if name == "sallyport-ctl" else f"/usr/sbin/{name}"


def programs():
    return [f"sallyport-{p}" for p in [*PROGRAMS, "ctl"]]


# --- what is in them ---------------------------------------------------------------------------------------------------------


def test_there_is_a_package_for_each_program_one_for_ctl_and_their_symbols(packages):
    assert set(packages) == {p + s for p in programs() for s in ("", "-dbgsym")}


def test_every_program_that_may_come_has_its_stanza():
    names = re.findall(r"^Package: (\S+)$", (ROOT / "deploy/deb/control").read_text(), re.M)
    assert sorted(names) == sorted(f"sallyport-{p}" for p in ("c2s", "s2s", "router", "sm", "ctl"))


def test_together_they_hold_what_make_install_leaves(unpacked, tmp_path):
    make("install", f"DESTDIR={tmp_path}", "PREFIX=/usr")
    of_debian = re.compile(r"/usr/share/doc/[^/]*/(copyright|changelog(\.Debian)?\.gz)$|/usr/share/lintian/")
    have = {re.sub(r"\.gz$", "", re.sub(r"/doc/[^/]*/", "/doc/sallyport/", f))
            for p in programs() for f in files_below(unpacked[p]) if not of_debian.search(f)}
    want = files_below(tmp_path) - {f"/usr/share/doc/sallyport/{f}" for f in ("LICENSE", "CHANGELOG")}
    assert have == want


@pytest.mark.parametrize("name", programs())
def test_files_belong_to_root_and_only_programs_are_executable(packages, name):
    lines = [l.split(None, 5) for l in run("dpkg-deb", "-c", packages[name]).splitlines()]
    assert len(lines) > 8
    for mode, owner, _, _, _, path in lines:
        want = "drwxr-xr-x" if path.endswith("/") else "-rwxr-xr-x" if "bin/" in path else "-rw-r--r--"
        assert (mode, owner) == (want, "root/root"), path
        assert path.startswith("./usr") or path == "./", f"{path}: units and configuration are the bundle's"


@pytest.mark.parametrize("name", programs())
def test_each_has_manual_page_copyright_changelog_and_example(unpacked, name):
    have = "\n".join(sorted(files_below(unpacked[name])))
    role = name.removeprefix("sallyport-")
    pages = ["man1/sallyportctl.1", "man5/sallyport-cluster.conf.5"] if role == "ctl" else [f"man8/{name}.8", f"man5/{name}.conf.5"]
    for page in pages:
        assert f"/usr/share/man/{page}.gz" in have
    for document in ("copyright", "changelog.gz", "changelog.Debian.gz", f"examples/{'cluster' if role == 'ctl' else role}.conf"):
        assert f"/usr/share/doc/{name}/{document}" in have


def test_the_units_of_a_plan_start_the_programs_where_the_packages_put_them(unpacked, tmp_path):
    (tmp_path / "passphrase").write_text("a passphrase of the test")
    (tmp_path / "passphrase").chmod(0o600)
    ctl = unpacked["sallyport-ctl"]
    run(ctl / "usr/bin/sallyportctl", "plan", "--out", tmp_path / "plan", "--passphrase-file", tmp_path / "passphrase",
        ctl / "usr/share/doc/sallyport-ctl/examples/cluster.conf")
    units = list((tmp_path / "plan").rglob("sallyport-*@.service"))
    assert {re.search(r"^ExecStart=(\S+)", u.read_text(), re.M)[1] for u in units} == {program_of(f"sallyport-{p}") for p in PROGRAMS}


# --- how they are built ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", programs())
def test_programs_are_hardened_and_stripped(unpacked, name):
    program = unpacked[name] / program_of(name)[1:]
    headers = run("readelf", "-W", "-hld", program)
    symbols = run("readelf", "-W", "--dyn-syms", program)
    sections = run("readelf", "-W", "-S", program)
    assert re.search(r"Type:\s+DYN", headers), "not position-independent"
    assert "GNU_RELRO" in headers and re.search(r"FLAGS.*NOW", headers), "relocations stay writable"
    assert re.search(r"GNU_STACK\s.* RW ", headers), "an executable stack"
    assert "__stack_chk_fail" in symbols and re.search(r"__\w+_chk@", symbols), "no stack protector, or no fortify"
    assert ".symtab" not in sections and ".debug_info" not in sections
    identity = re.search(r"Build ID: (\w+)", run("readelf", "-n", program))[1]
    assert (unpacked[f"{name}-dbgsym"] / f"usr/lib/debug/.build-id/{identity[:2]}/{identity[2:]}.debug").exists()


def test_lintian_finds_nothing(packages):
    output = run("lintian", "--allow-root", "--no-tag-display-limit", "--fail-on", "error,warning", *packages.values())
    assert not re.search("^[EW]:", output, re.M), output


def test_a_second_build_gives_the_same_bytes(packages, tmp_path):
    make("deb", f"DEB_OUT={tmp_path}/second", env={"SOURCE_DATE_EPOCH": EPOCH, "TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8"})
    second = package_files(tmp_path / "second")
    assert set(second) == set(packages)
    for name, path in packages.items():
        assert second[name].read_bytes() == path.read_bytes(), name


def test_a_build_in_another_folder_gives_the_same_bytes(packages, tmp_path):
    """Symbols included: they name sources, and the build id is a hash of them."""
    for folder in ("common", "proto", "c2s", "deploy"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "Makefile", tmp_path)
    for part in ("common/service.o", "proto/jid.o", "c2s/main.o", "deploy/ctl/ask.o"):
        make(f"build/release/{part}", folder=tmp_path)
        assert (tmp_path / "build/release" / part).read_bytes() == (ROOT / "build/release" / part).read_bytes(), part


def test_time_and_version_come_from_the_changelog(packages, tmp_path):
    """A day of release decides; before that the version sorts before the release."""
    version = re.search(r"^VERSION := (.*)$", (ROOT / "Makefile").read_text(), re.M)[1]
    heading = re.search(r"^## (.*)$", (ROOT / "CHANGELOG").read_text(), re.M)[1]
    assert heading.split()[0] == version, "Makefile and CHANGELOG name different versions"
    want = f"{version}~20231114221320-1" if "unreleased" in heading else f"{version}-1"
    assert {field(p, "Version") for p in packages.values()} == {want}
    subprocess.run(["dpkg", "--compare-versions", want, "le", f"{version}-1"], check=True)
    (tmp_path / "deploy/deb").mkdir(parents=True)
    shutil.copy(ROOT / "deploy/deb/epoch.sh", tmp_path / "deploy/deb")
    (tmp_path / "CHANGELOG").write_text("# Changelog\n\n## 9.8.7 (2026-12-24)\n\n## 9.8.6 (2025-01-01)\n")
    assert run(tmp_path / "deploy/deb/epoch.sh").strip() == "1798070400"
    (tmp_path / "CHANGELOG").write_text("# Changelog\n\n## 9.8.7 (unreleased)\n\n## 9.8.6 (2025-01-01)\n")
    os.utime(tmp_path / "CHANGELOG", (5, 5))
    assert run(tmp_path / "deploy/deb/epoch.sh").strip() == "5", "without a repository, the file's time"


# --- what they need ----------------------------------------------------------------------------------------------------------


def closure(depends):
    """All packages that installing these may bring in, as apt knows it."""
    names = [re.split(r"[ (:]", d.strip())[0] for d in depends.split(",")]
    text = run("apt-cache", "depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks",
               "--no-replaces", "--no-enhances", *names)
    found = {l.strip() for l in text.splitlines() if re.match(r"\w", l)}
    assert set(names) <= found
    return found


@pytest.mark.parametrize("role", DMZ)
def test_what_stands_in_the_dmz_needs_no_directory_and_no_database(packages, unpacked, role):
    name = f"sallyport-{role}"
    depends = field(packages[name], "Depends")
    assert "libgnutls30" in depends
    assert not [p for p in closure(depends) if NEVER_IN_DMZ.match(p)]
    libraries = run("ldd", unpacked[name] / program_of(name)[1:])
    assert "libgnutls" in libraries and "asan" not in libraries
    assert not [l for l in libraries.split() if NEVER_IN_DMZ.match(l)]


def test_the_same_look_finds_the_database_of_the_session_manager(packages, unpacked):
    """Without which the test above could not fail."""
    depends = field(packages["sallyport-sm"], "Depends")
    assert [p for p in closure(depends) if p.startswith("libsqlite")]
    assert [p for p in closure(depends) if p.startswith("libpq")]
    assert [l for l in run("ldd", unpacked["sallyport-sm"] / "usr/sbin/sallyport-sm").split() if l.startswith("libsqlite")]
    assert [p for p in closure(depends) if p.startswith("libldap")]
    assert "libsasl2-modules" in depends, "its mechanisms are loaded at run time: no tool finds that"


def test_hosts_in_the_dmz_can_have_the_tools(packages):
    assert not [p for p in closure(field(packages["sallyport-ctl"], "Depends")) if NEVER_IN_DMZ.match(p)]
    assert "nftables" in field(packages["sallyport-ctl"], "Recommends")


# --- installation, upgrade, removal ------------------------------------------------------------------------------------------

FAKE_SYSTEMCTL = """#!/bin/sh
case "$*" in
list-units*) for u in $INSTANCES; do
    case $u in $(for last; do :; done; echo "${last%%@*}")@*) echo "$u loaded active running An instance" ;; esac
    done ;;
*) echo "systemctl $*" >> "$CALLS" ;;
esac
"""
FAKE_INVOKE = '#!/bin/sh\necho "$*" >> "$CALLS"\n'


@pytest.fixture
def host(tmp_path):
    """A folder that is a host with systemd running, as far as package scripts can see."""
    root = tmp_path / "host"
    for folder in ("var/lib/dpkg/info", "var/lib/dpkg/updates", "run/systemd/system", "etc/sallyport", "var/lib/sallyport/sm-1"):
        (root / folder).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    (root / "etc/sallyport/sm-1.conf").write_text("the site's")
    (root / "var/lib/sallyport/sm-1/store").write_text("the site's")
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in (("systemctl", FAKE_SYSTEMCTL), ("deb-systemd-invoke", FAKE_INVOKE)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    return root


def dpkg(host, *arguments):
    """(what it said, what was asked of the service manager)"""
    calls = host.parent / "calls"
    calls.write_text("")
    env = {"PATH": f"{host.parent}/tools:{os.environ['PATH']}", "CALLS": str(calls), "DEBIAN_FRONTEND": "noninteractive",
           "INSTANCES": "sallyport-c2s@c2s-1.service sallyport-router@router-1.service sallyport-sm@sm-1.service sallyport-sm@sm-2.service"}
    output = run("dpkg", f"--root={host}", "--force-depends", "--force-not-root", "--force-script-chrootless", "--log=/dev/null",
                 *arguments, env=env)
    return output, calls.read_text().splitlines()


@pytest.fixture(scope="module")
def later_packages(packages, tmp_path_factory):
    """The next day's build."""
    out = tmp_path_factory.mktemp("later")
    make("deb", f"DEB_OUT={out}", env={"SOURCE_DATE_EPOCH": str(int(EPOCH) + 86400), "DEB_BUILD_OPTIONS": "noautodbgsym"})
    return package_files(out)


def of_programs(made):
    return [made[p] for p in programs()]


def test_a_first_installation_starts_nothing_and_the_programs_run(packages, host):
    output, calls = dpkg(host, "-i", *of_programs(packages))
    assert calls == [], output
    version = field(packages["sallyport-c2s"], "Version").split("~")[0].split("-")[0]
    for name in programs()[:-1]:
        assert run(host / program_of(name)[1:], "--version") == f"{name} {version}\n"
        role = name.removeprefix("sallyport-")
        example = host / f"usr/share/doc/{name}/examples/{role}.conf"
        done = subprocess.run([host / program_of(name)[1:], "-c", example, "--check"], capture_output=True, text=True, check=False)
        assert done.returncode in (0, 78) and "unknown" not in done.stderr
        # The keys are right; the files that they name are another host's.
        assert all(re.search("No such file|reading file|does not exist", l) for l in done.stderr.splitlines() if re.match(r".*:\d+: ", l)), done.stderr
    assert "usage: sallyportctl" in run(host / "usr/bin/sallyportctl", "--help")


def test_an_upgrade_restarts_what_clients_do_not_notice_and_names_the_rest(packages, later_packages, host):
    dpkg(host, "-i", *of_programs(packages))
    output, calls = dpkg(host, "-i", *of_programs(later_packages))
    assert sorted(calls) == ["restart sallyport-router@router-1.service", "restart sallyport-sm@sm-1.service",
                             "restart sallyport-sm@sm-2.service"], "one after another, and never a connection manager"
    old = field(packages["sallyport-c2s"], "Version")
    assert f"sallyport-c2s@c2s-1.service still runs version {old}" in output
    assert "systemctl restart sallyport-c2s@c2s-1.service" in output


def test_removal_stops_the_instances_and_leaves_what_is_the_sites(packages, host):
    dpkg(host, "-i", *of_programs(packages))
    _, calls = dpkg(host, "--purge", "sallyport-sm", "sallyport-c2s")
    assert sorted(calls) == ["stop sallyport-c2s@c2s-1.service", "stop sallyport-sm@sm-1.service", "stop sallyport-sm@sm-2.service"]
    assert not (host / "usr/sbin/sallyport-sm").exists() and (host / "usr/sbin/sallyport-router").exists()
    assert (host / "etc/sallyport/sm-1.conf").read_text() == (host / "var/lib/sallyport/sm-1/store").read_text() == "the site's"


def test_without_a_service_manager_the_scripts_do_nothing(packages, later_packages, host):
    (host / "run/systemd/system").rmdir()
    dpkg(host, "-i", *of_programs(packages))
    for arguments in (["-i", *of_programs(later_packages)], ["--purge", *programs()]):
        output, calls = dpkg(host, *arguments)
        assert calls == [] and "still runs" not in output


def test_the_scripts_are_plain_shell():
    scripts = [ROOT / "deploy/deb" / n for n in ("build.sh", "epoch.sh", "postinst.restart", "postinst.notice", "prerm")]
    run("shellcheck", "-s", "sh", *scripts)
