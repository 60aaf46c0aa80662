#!/bin/sh
# What can't be read is told, recorded so, and read as soon as it can be.
. "$(dirname "$0")/lib.sh"

need_root
command -v setpriv >/dev/null || skip "no setpriv"
S=$T/src
mkdir -p "$S/open" "$S/shut/in" "$S/names"
echo a >"$S/open/a"; echo b >"$S/open/b"; echo c >"$S/shut/in/c"
echo n >"$S/names/n"
ln "$S/open/a" "$S/open/a-too"
for_others
chown -R nobody "$S" "$T/home" "$T/cache" "$T/state" "$T/bin"
[ "$STORE" = s3 ] || { mkdir "$R"; chown nobody "$R"; }
nobody() { setpriv --reuid=nobody --clear-groups "$@"; }
ok nobody vitrine init
sleep 3.1
ok nobody vitrine backup "$S"

step "a file, a directory, a directory's names"
chown root "$S/open/a" "$S/shut" "$S/names"
chmod 600 "$S/open/a"; chmod 700 "$S/shut"; chmod 744 "$S/names"
fails 3 nobody vitrine backup "$S"
says 'open/a.*Permission'
says 'shut.*Permission'
says 'names/n.*Permission'
says '3 entries could not be read'
ok nobody vitrine -q ls "latest:$S/open"
is "$(out | tr '\n' ' ')" "a a-too b "
ok nobody vitrine -q ls "latest:$S/shut"
is "$(out)" ""
ok nobody vitrine cat "latest:$S/open/b"
ok nobody vitrine check --read-data

step "nor is it restored, as if it were empty"
fails 3 nobody vitrine restore "latest:$S" --target "$T/home/back"
for f in open/a open/a-too names/n; do
	says "$f: not restored: it could not be read when it was backed up$"
	[ ! -e "$T/home/back/$f" ] || die "$f was made"
done
says 'shut: not restored: it could not be read .*: what was in it is missing'
is "$(cat "$T/home/back/open/b")" b

step "nor is anything deleted of which it isn't known whether it was there"
mkdir "$T/home/back/shut/in"
echo c >"$T/home/back/shut/in/c"
echo x >"$T/home/back/open/x"
chown -R nobody "$T/home/back"
fails 3 nobody vitrine restore "latest:$S" --target "$T/home/back" --delete \
    --overwrite changed
says '; 1 deleted'
is "$(cat "$T/home/back/shut/in/c")" c

step "never trusted: told again, and read when it can be"
fails 3 nobody vitrine backup "$S"
says '3 entries could not be read'
chmod 644 "$S/open/a"; chmod 755 "$S/shut" "$S/names"
ok nobody vitrine backup "$S"
ok nobody vitrine cat "latest:$S/open/a"
is "$(out)" a
ok nobody vitrine cat "latest:$S/shut/in/c"
is "$(out)" c
ok nobody vitrine cat "latest:$S/names/n"
is "$(out)" n
ok nobody vitrine check --read-data
