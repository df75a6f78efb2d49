#!/bin/sh
# Every folder of sources says what it is in a README.md; what a README names in backquotes and that looks like a file is there; make targets that are named exist.
cd "$(dirname "$0")/../.."
status=0
say() { echo "$1"; status=1; }
for folder in $(git ls-files -co --exclude-standard -- '*.c' '*.py' '*.h' | xargs -n1 dirname | sort -u); do
    case $folder in
    .ci | tests/coverage | deploy/man) continue ;;
    esac
    [ -f "$folder/README.md" ] || [ -f "$(dirname "$folder")/README.md" ] || say "$folder has no README.md, nor has the folder above it"
done
for folder in . common proto router c2s s2s sm sm/auth sm/store sm/ext deploy deploy/ctl tests tests/fuzz; do
    [ -f "$folder/README.md" ] || say "$folder has no README.md"
done
exists() { # exists FOLDER NAME: a path from the top or from the folder, or a name anywhere below the folder or in the folder above
    for path in "$1"/$2 ./$2; do
        [ -e "$path" ] && return 0
    done
    [ -n "$(find "$1" "$1/.." -path ./build -prune -o -name "$2" -print -quit 2>/dev/null)" ]
}
for readme in $(git ls-files -co --exclude-standard -- '*README.md'); do
    folder=$(dirname "$readme")
    for name in $(grep -o '`[A-Za-z0-9_./*-]*\.\(c\|h\|md\|py\|sh\|txt\|yml\|mk\|pml\|sql\)`' "$readme" | tr -d '`' | grep -v '_X\.\|_x\.\|^x\.' | sort -u); do
        exists "$folder" "$name" || say "$readme names $name, which is not there"
    done
    for target in $(grep -oE '(^|`)make [a-z][a-z0-9-]*' "$readme" | cut -d' ' -f2 | sort -u); do
        grep -qE "^(\.PHONY:.* )?$target( |:|$)|^$target:|$(echo "$target" | sed 's/-.*/-%/'):" Makefile deploy/*.mk tests/*.mk tests/*/*.mk ||
            say "$readme names make $target, which the Makefile does not have"
    done
done
exit $status
