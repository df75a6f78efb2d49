#!/bin/sh
# What the house style forbids outright: unsafe string calls, marks of unfinished work, blocking calls, fixed sleeps in tests.
cd "$(dirname "$0")/../.."
status=0
forbid() {
    found=$(grep -nE "(^|[^a-zA-Z0-9_])($2)" $1 /dev/null 2>/dev/null) || return 0
    echo "$3"
    echo "$found" | sed 's/^/  /'
    status=1
}
code=$(find common proto router c2s s2s sm -name '*.[ch]')
calls() { # calls FILES NAMES SENTENCE: calls of these functions
    forbid "$1" "($2) ?\\(.*" "$3"
}
calls "$code" 'strcpy|strcat|sprintf|vsprintf|strncpy|gets|alloca' 'unsafe calls:'
# dial.c is what threads do while the loop goes on.
calls "$(echo "$code" | grep -v '^sm/directory/dial\.c$')" 'sleep|usleep|nanosleep|getaddrinfo|gethostbyname|system|popen' 'calls that block the loop:'
forbid "$code $(find deploy tests -name '*.[ch]' -o -name '*.sh' ! -path '*/lint/*')" 'TODO|FIXME|XXX([^X]|$)' 'marks of unfinished work:'
# A benchmark samples memory at intervals; nothing is right or wrong by it.
forbid "$(find tests -name '*.py' ! -path 'tests/bench/*')" 'time\.sleep\((0\.[1-9][0-9]*|[1-9][0-9.]*)\)' 'fixed sleeps in tests:'
exit $status
