#!/bin/sh
# Every header compiles alone.
cd "$(dirname "$0")/../.."
flags=$(pkg-config --cflags libuv gnutls libxml-2.0 libpq)
status=0
for header in $(find common proto router c2s s2s sm deploy/ctl -name '*.h'); do
    echo "#include \"$header\"" | gcc -std=gnu11 -Wall -Wextra -Werror -I. -D_GNU_SOURCE $flags -fsyntax-only -x c - || { echo "$header does not compile alone"; status=1; }
done
exit $status
