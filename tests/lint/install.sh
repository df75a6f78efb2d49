#!/bin/sh
# `make install` puts everything where FHS wants it and nothing elsewhere; manual pages pass mandoc's check; what the pages and READMEs name exists.
set -eu
cd "$(dirname "$0")/../.."
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
fail() { echo "$1"; exit 1; }

case ${BUILD:-} in *san*) sanitizers=1 ;; *) sanitizers= ;; esac # the build that the tests use, and no other
make -s install SAN=$sanitizers DESTDIR="$out/root" PREFIX=/usr/local
(cd "$out/root" && find . -type f -o -type l | sort) > "$out/have"
{
    for p in router c2s sm; do
        echo "./usr/local/sbin/sallyport-$p"
        echo "./usr/local/share/man/man8/sallyport-$p.8"
        echo "./usr/local/share/man/man5/sallyport-$p.conf.5"
        echo "./usr/local/share/doc/sallyport/examples/$p.conf"
    done
    echo ./usr/local/bin/sallyportctl
    echo ./usr/local/sbin/sallyport-deploy-hook
    echo ./usr/local/share/man/man8/sallyport-deploy-hook.8
    echo ./usr/local/share/man/man5/sallyport-cluster.conf.5
    echo ./usr/local/share/doc/sallyport/examples/cluster.conf
    for file in deploy/directory/*; do
        echo "./usr/local/share/doc/sallyport/directory/${file##*/}"
    done
    for page in deploy/*.md; do
        [ "$page" = deploy/README.md ] || echo "./usr/local/share/doc/sallyport/${page##*/}"
    done
    echo ./usr/local/share/man/man1/sallyportctl.1
    for f in README.md CHANGELOG LICENSE LINK.md NAMES.md alerts.yml metrics.txt audit-events.txt; do
        echo "./usr/local/share/doc/sallyport/$f"
    done
} | sort > "$out/want"
diff "$out/want" "$out/have" || fail "these files are not what make install is to leave (<: missing, >: too many)"

for page in $(find "$out/root" -path '*/man/*' -type f); do
    mandoc -Tlint -W warning "$page" || fail "$page does not pass mandoc's check"
    ! grep -q '@[A-Z]*@' "$page" || fail "$page has an unfilled place"
    for other in $(sed -n 's/^\.Xr \(sallyport[^ ]*\) \([158]\).*/\1.\2/p' "$page"); do
        find "$out/root" -name "$other" | grep -q . || fail "$page refers to $other, which is not there"
    done
done
for p in router c2s sm; do
    "$out/root/usr/local/sbin/sallyport-$p" --reference=markdown | grep -q log_level || fail "sallyport-$p does not run from where it is installed"
done
"$out/root/usr/local/bin/sallyportctl" --help > /dev/null || fail "sallyportctl does not run from where it is installed"
