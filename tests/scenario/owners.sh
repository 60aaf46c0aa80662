#!/bin/sh
# A group of more members than anybody makes room for has a name all the same.
. "$(dirname "$0")/lib.sh"
need_root
unshare -m true 2>/dev/null || skip "no mount namespace"

cp /etc/group "$T/group"
{ printf 'crowd:x:54321:'; seq -s, -f 'member%g' 20000; } >>"$T/group"
in_crowd() {
	unshare -m sh -c 'mount --bind "$0" /etc/group && exec "$@"' \
	    "$T/group" "$@"
}
mkdir "$T/src"
echo one >"$T/src/one"
chgrp 54321 "$T/src/one"

ok vitrine init
ok in_crowd vitrine backup "$T/src"
ok vitrine ls -l "latest:$T/src"
says ' crowd '
ok in_crowd vitrine restore "latest:$T/src" --target "$T/back" \
    --group-map crowd:0 --group-map '*:crowd'
is "$(stat -c %g "$T/back/one")" 0
is "$(stat -c %g "$T/back")" 54321
