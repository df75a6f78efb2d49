#!/bin/sh
# Checks proto/channel.pml with spin: the rules as they are have no error within small bounds, and each rule left out (BAD_…) has one.
# --deep takes larger bounds as well: minutes, and 4 GB. Needs the packages spin and gcc.
cd "$(dirname "$0")/../.." || exit 1
model=$PWD/proto/channel.pml
for tool in spin gcc; do
    command -v $tool >/dev/null || { echo "model: $tool is not installed"; exit 1; }
done
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT INT TERM
status=0

# expect ERRORS FLAG...: one line of output
expect() {
    expected=$1
    shift
    rm -f "$work"/*
    (cd "$work" && spin -a "$@" "$model" && gcc -O1 -DSAFETY -DMEMLIM=4096 -w -o pan pan.c && ./pan -m1000000) >"$work/log" 2>&1
    errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' "$work/log")
    states=$(sed -n 's/ *\([0-9]*\) states, stored.*/\1/p' "$work/log")
    if grep -qE 'error: max search depth|out of memory|reached -DMEMLIM' "$work/log"; then
        errors=unfinished
    fi
    if [ "$errors" = "$expected" ]; then
        echo "model: ok: $* errors=$errors states=$states"
    else
        echo "model: FAILED: $* errors=${errors:-none: it did not run} expected=$expected"
        [ -n "$errors" ] || tail -5 "$work/log"
        status=1
    fi
}

expect 0 -DSENDERS=2 -DFRAMES=1 -DOWNERS=2
expect 0 -DSENDERS=1 -DFRAMES=2 -DOWNERS=2
expect 0 -DSENDERS=1 -DFRAMES=1 -DOWNERS=3
for rule in H COPIES EPOCH FINAL PIN; do
    expect 1 -DBAD_$rule
done
if [ "$1" = --deep ]; then
    expect 0 -DSENDERS=2 -DFRAMES=1 -DOWNERS=3
    expect 0 -DSENDERS=1 -DFRAMES=2 -DOWNERS=3
fi
exit $status
