#!/bin/sh
# Prints the time that packages carry: the day of the release that CHANGELOG names first; before it is released, the last commit's time;
# without a repository, the time of the file CHANGELOG. Never the clock: the same sources make the same packages.
set -eu
cd "$(dirname "$0")/../.."
released=$(sed -n '/^## /{s/^## [^ ]* (\([0-9-]*\))$/\1/p;q}' CHANGELOG)
if [ -n "$released" ]; then
    date -u -d "$released" +%s
else
    git log -1 --format=%ct 2> /dev/null || stat -c %Y CHANGELOG
fi
