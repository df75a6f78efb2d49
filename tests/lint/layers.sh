#!/bin/sh
# The direction of includes (ARCHITECTURE: layout and layers). Prints each line that looks the wrong way; exit code 1 if there is any.
cd "$(dirname "$0")/../.."
status=0
forbid() { # forbid FILES PATTERN SENTENCE
    found=$(grep -nE "$2" $1 /dev/null 2>/dev/null) || return 0
    echo "$3"
    echo "$found" | sed 's/^/  /'
    status=1
}
code=$(find common proto router c2s s2s sm deploy/ctl -name '*.[ch]')
forbid "$code" '#include "(\.\./|[a-z0-9_]+\.h")' 'includes must name their folder:'
forbid "$(find common -name '*.[ch]')" '#include "(proto|router|c2s|s2s|sm)/' 'common/ looks upward:'
forbid "$(find common -name '*.[ch]')" '(XMPP|XML|JID|xmpp|stanza)' 'common/ must not know what it is for:'
forbid "$(find proto -name '*.[ch]')" '#include "(router|c2s|s2s|sm)/' 'proto/ looks upward:'
forbid "$(find proto -name '*.[ch]' ! -name 'link*')" '#include (<uv.h>|"common/(net|timer|service)\.h")' 'only the link knows sockets and clocks in proto/:'
for program in router c2s s2s sm; do
    others=$(echo router c2s s2s sm | tr ' ' '\n' | grep -vx "$program" | paste -sd'|')
    forbid "$(find $program -name '*.[ch]')" "#include \"($others)/" "$program/ looks into another program:"
done
others=$(find sm -name '*.h' ! -path sm/ext.h ! -path sm/ext/list.h | sed 's|\.|\\.|g' | paste -sd'|')
forbid "$(find sm/ext -name 'xep*.c')" "#include \"($others)\"" 'extensions include sm/ext.h and the list alone of sm/:'
forbid "$(find sm/auth sm/store sm/directory -name '*.[ch]')" '#include "sm/([a-z_]+\.h|ext/)' 'sm/auth, sm/directory and sm/store must not know the rest of sm/:'
forbid "$(find deploy/ctl -name '*.[ch]')" '#include "(proto|router|c2s|s2s|sm)/' 'the administration tool speaks through the control socket only:'
exit $status
