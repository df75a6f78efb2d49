#!/bin/sh
# Makes the manual pages: build.sh OUTDIR BINDIR MANDIR. Pages of configuration files get their keys from the executables
# (--reference), so that they cannot say what the code does not do. Every page must pass mandoc's check where mandoc is installed.
set -eu
[ $# -eq 3 ] || { echo "usage: $0 OUTDIR BINDIR MANDIR" >&2; exit 2; }
out=$1 bin=$2 man=$3
date=$(LC_ALL=C date -u -d "@${SOURCE_DATE_EPOCH:-$(date +%s)}" '+%B %-d, %Y')
mkdir -p "$out"

dated() { sed "s/^\.Dd .*/.Dd $date/" "$1"; }

for page in "$man"/*.[18]; do
    dated "$page" > "$out/${page##*/}"
done
for template in "$man"/*.conf.5.in; do
    page=${template##*/}
    page=${page%.in}
    program=${page%.conf.5}
    case $program in
    sallyport-cluster) maker="$bin/sallyportctl" words="plan --reference" ;;
    *) maker="$bin/$program" words=--reference ;;
    esac
    [ -x "$maker" ] || { echo "$0: $maker is not built" >&2; exit 1; }
    "$maker" $words > "$out/$program.keys"
    dated "$template" | sed -e "/^@REFERENCE@\$/{r $out/$program.keys" -e 'd;}' > "$out/$page"
    rm "$out/$program.keys"
done
if command -v mandoc > /dev/null; then
    mandoc -Tlint -W warning "$out"/*.[158]
fi
