#!/bin/sh
# Makes Debian packages of what `make install` left in a folder: build.sh ROOT OUTDIR VERSION PROGRAM...
# Files go to the package of the program that they are named after, the rest to sallyport-ctl; none is left over.
# Two runs on the same sources give the same bytes: times are those of SOURCE_DATE_EPOCH (README.md).
set -eu
umask 022
export LC_ALL=C TZ=UTC
[ $# -ge 4 ] || { echo "usage: $0 ROOT OUTDIR VERSION PROGRAM..." >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
root=$(realpath "$1") out=$(realpath "$2") version=$3
shift 3
fail() { echo "$0: $1" >&2; exit 1; }

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$("$here/epoch.sh")}
export SOURCE_DATE_EPOCH
# What is not released yet sorts before the release, and after what was built from earlier sources.
revision=$version-1
! sed -n '/^## /{p;q}' "$here/../../CHANGELOG" | grep -q unreleased ||
    revision=$version~$(date -d "@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M%S)-1
architecture=$(dpkg --print-architecture)

# dpkg's tools look for debian/control and debian/changelog where they run.
work=$out/work
rm -rf "$work"
mkdir -p "$work/debian"
cd "$work"
maintainer=${DEB_MAINTAINER:-Sallyport maintainers <maintainers@sallyport.invalid>}
sed "s|@MAINTAINER@|$maintainer|" "$here/control" > debian/control
cat > debian/changelog << END
sallyport ($revision) stable; urgency=medium

  * What is new in $version is in changelog.gz.

 -- $maintainer  $(date -R -d "@$SOURCE_DATE_EPOCH")
END

# take PACKAGE PATH...: moves what is there from the root to the package.
take() {
    package=$1
    shift
    for path in "$@"; do
        [ -e "$root$path" ] || fail "make install left no $path"
        install -d "$package$(dirname "$path")"
        mv "$root$path" "$package$path"
    done
}

# Symbols go to a package of their own, found by the build id.
split_symbols() { # PACKAGE PROGRAM
    id=$(readelf -n "$1$2" | sed -n 's/.*Build ID: //p')
    [ -n "$id" ] || fail "$2 has no build id"
    symbols=/usr/lib/debug/.build-id/$(echo "$id" | cut -c1-2)
    install -d "$1-dbgsym$symbols"
    symbols=$symbols/$(echo "$id" | cut -c3-).debug
    objcopy --only-keep-debug --compress-debug-sections "$1$2" "$1-dbgsym$symbols"
    chmod 644 "$1-dbgsym$symbols"
    strip --remove-section=.comment --remove-section=.note "$1$2"
    objcopy --add-gnu-debuglink="$1-dbgsym$symbols" "$1$2"
    echo "$id" > "$1.build-id"
}

documents() { # PACKAGE
    folder=$1/usr/share/doc/$1
    install -d "$folder"
    install -m 644 "$here/copyright" "$folder/copyright"
    gzip -9nc "$here/../../CHANGELOG" > "$folder/changelog.gz"
    gzip -9nc debian/changelog > "$folder/changelog.Debian.gz"
    find "$1" -path '*/share/man/*' -type f -exec gzip -9n {} +
    install -d "$1/usr/share/lintian/overrides"
    sed "s/@PACKAGE@/$1/" "$here/lintian-overrides" > "$1/usr/share/lintian/overrides/$1"
}

scripts() { # PACKAGE: what a restart costs decides (README.md)
    case $1 in
    sallyport-ctl) return ;;
    sallyport-c2s) postinst=postinst.notice ;;
    *) postinst=postinst.restart ;;
    esac
    for script in postinst:$postinst prerm:prerm; do
        sed "s/@PACKAGE@/$1/g" "$here/${script#*:}" > "$1/DEBIAN/${script%:*}"
        chmod 755 "$1/DEBIAN/${script%:*}"
    done
}

sums() { (cd "$1" && find usr -type f | sort | xargs md5sum > DEBIAN/md5sums); }
pack() { dpkg-deb --root-owner-group --build "$1" "$out/$1_${revision}_$architecture.deb" > /dev/null; }

build() { # PACKAGE PROGRAM
    split_symbols "$1" "$2"
    documents "$1"
    install -d "$1/DEBIAN" "$1-dbgsym/DEBIAN" "$1-dbgsym/usr/share/doc"
    dpkg-shlibdeps -O "$1$2" > "$1.substvars" 2> "$1.shlibdeps" || fail "$(cat "$1.shlibdeps")"
    dpkg-gencontrol -p"$1" -P"$1" -T"$1.substvars"
    scripts "$1"
    sums "$1"
    pack "$1"
    case ${DEB_BUILD_OPTIONS:-} in *noautodbgsym*) return ;; esac
    ln -s "$1" "$1-dbgsym/usr/share/doc/$1-dbgsym"
    dpkg-gencontrol -p"$1" -P"$1-dbgsym" -T"$1.substvars" -URecommends \
        -DPackage="$1-dbgsym" -DDepends="$1 (= $revision)" -DSection=debug -DAuto-Built-Package=debug-symbols \
        -DDescription="debug symbols for $1" -DBuild-Ids="$(cat "$1.build-id")"
    sums "$1-dbgsym"
    pack "$1-dbgsym"
}

rm -f "$out"/sallyport-*.deb
for program in "$@"; do
    package=sallyport-$program
    [ "$("$root/usr/sbin/$package" --version)" = "$package $version" ] || fail "$package is not of version $version: make clean"
    take "$package" "/usr/sbin/$package" "/usr/share/man/man8/$package.8" "/usr/share/man/man5/$package.conf.5"
    install -d "$package/usr/share/doc/$package/examples"
    mv "$root/usr/share/doc/sallyport/examples/$program.conf" "$package/usr/share/doc/$package/examples"
    build "$package" "/usr/sbin/$package"
done
# The rest; the licence stands in the file copyright, and CHANGELOG is changelog.gz.
rm "$root/usr/share/doc/sallyport/LICENSE" "$root/usr/share/doc/sallyport/CHANGELOG"
install -d sallyport-ctl/usr/share/doc
mv "$root/usr/share/doc/sallyport" sallyport-ctl/usr/share/doc/sallyport-ctl
(cd "$root" && find . -type f -o -type l) | sed 's/^\.//' | sort > rest
while read -r path; do
    take sallyport-ctl "$path"
done < rest
build sallyport-ctl /usr/bin/sallyportctl
rm -rf "$work"
ls "$out"/*.deb
