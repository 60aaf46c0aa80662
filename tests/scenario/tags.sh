#!/bin/sh
# Filters, the same on every command that takes snapshots; tags that change.
. "$(dirname "$0")/lib.sh"

head -c 40 /dev/urandom >"$T/key"
VITRINE_KEY_FILE=$T/key
export VITRINE_KEY_FILE
unset VITRINE_PASSWORD
bad=$(printf 'x\377y')
mkdir -p "$T/a/sub" "$T/b" "$T/ab"
echo one >"$T/a/sub/file"
echo two >"$T/b/file"
echo three >"$T/ab/file"
ok vitrine init
ok vitrine backup "$T/a" --host web --tag old --tag nightly --time @1000000000
ok vitrine backup "$T/a" "$T/b" --host mail --tag nightly --time @1100000000
ok vitrine backup "$T/ab" --host web --tag "$bad" --time @1200000000
ok vitrine backup "$T/b" --host web --time @1300000000

# How many snapshots do these filters leave?
n() {
	want=$1
	shift
	ok vitrine snapshots --json "$@"
	is "$(grep -c '"type":"snapshot"' "$T/out")" "$want"
}

step "filters"
n 4
n 3 --host web
n 2 --tag nightly
n 1 --tag nightly --tag old
n 0 --tag nightly --host nobody
says 'no snapshot of host nobody; there are the hosts web, mail'
n 1 --tag "$bad"
n 2 --path "$T/a"
n 2 --path "$T/a/sub/file"
n 1 --path "$T/a" --path "$T/b"
n 0 --path "$T"
n 2 --after @1200000000
n 2 --before @1200000000
n 1 --after @1100000000 --before @1200000000
n 2 --after '2004-11-09T11:33:20Z' --before '2008-01-10T22:26:40+01:00'
fails 2 vitrine snapshots --path a
says 'option --path: "a" is not absolute'
fails 2 vitrine snapshots --after yesterday
ok vitrine snapshots --tag none
says '^No snapshots: there is no snapshot with tag none; there are the tags old, nightly, '

step "names: shown, and told apart"
ok vitrine backup "$T/b" --host web --name db --tag named --time @1250000000
says_not '0 new'
ok vitrine snapshots
says '^ID +TIME +HOST +NAME +SIZE'
says ' web +db +4 B'
n 1 --name db
says '"name":"db"'
n 0 --name x
says 'no snapshot with name x; there are the names db'
ok vitrine cat --name db "latest:$T/b/file"
ok vitrine find --name db file
says '^1 found|: 1 found'
fails 2 vitrine find --name '*.txt'
says "a pattern needs no option: vitrine find '.\.txt'"
ok vitrine snapshots --tag nightly
says_not NAME

step "latest is the latest of what they leave"
ok vitrine cat --path "$T/a" "latest:$T/b/file"
is "$(out)" two
ok vitrine ls -R --host web --before @1250000000 latest
says '/ab/file$'
says_not '/b/file$'
ok vitrine sql --tag old latest "select count(*) from files where name = 'file'"
is "$(out | tail -1)" 1
ok vitrine restore --host mail latest --target "$T/back"
same "$T/a" "$T/back$T/a"
fails 1 vitrine ls --host web --tag nightly --after @1100000000 latest
says 'no snapshot fits the filters; "vitrine snapshots" lists all 5'
fails 1 vitrine cat --tag none "latest:$T/b/file"
says 'no snapshot with tag none'
fails 2 vitrine mount --host web "$T/back"
says 'shows all snapshots'

step "tags"
ok vitrine tag add --tag old latest keep nightly "$bad"
says '^Snapshot [0-9a-f]{8} now has the tags keep, nightly, old, x\\377y\.$'
n 2 --tag "$bad"
n 1 --tag keep
ok vitrine tag add --tag keep latest keep
says 'as before'
is "$(objects tags/ | wc -l)" 1
ok vitrine tag remove --tag keep latest old unknown
n 0 --tag old
n 2 --tag nightly
ok vitrine tag set --host mail latest
says 'now has no tags\.'
n 1 --tag nightly
ok vitrine tag set --host mail latest a b a
says 'now has the tags a, b\.'
ok vitrine tag set --host mail latest b a
says 'as before'
fails 2 vitrine tag add latest
fails 2 vitrine tag add latest ''
says 'a tag has 1 to'
fails 2 vitrine tag set "latest:$T/a" x
says "leave \":$T/a\" out"
fails 2 vitrine tag
fails 2 vitrine tag ad latest x
says 'did you mean "tag add"\?'
ok vitrine check --read-data

step "an independent reader sees them"
pull
ok "$TOP/tests/reader/vitrine_reader.py" --key-file "$R" "$T/key" verify
says "has the tags \['a', 'b'\]"
says "nothing is wrong"

step "a put-only key can't change tags"
head -c 40 /dev/urandom >"$T/web"
ok vitrine key add --new-key-file "$T/web" --put-only --host web
fails 12 vitrine --key-file "$T/web" tag add latest x

step "a snapshot from a time to come stays the latest, and that is said"
ok vitrine backup "$T/b" --name clock --time 2100-01-01
ok vitrine ls latest:/
says 'the latest snapshot, [0-9a-f]+, is of 2100-01-01 .*, a time to come'
ok vitrine ls --before 2100-01-01 latest:/
says_not 'a time to come'

step "damage is said, the tags before count"
pull
for f in $(ls "$R/tags"); do
	chmod u+w "$R/tags/$f"
	# (A byte in the middle might be an x already.)
	printf x >>"$R/tags/$f"
done
push
ok vitrine --cache-dir "$T/other" snapshots
says "tags/$f is left out"
n 0 --tag b --cache-dir "$T/other"
fails 4 vitrine check
says "tags/$f: its bytes are not"

step "an empty tag or host, as an unset variable gives, is none"
fails 2 vitrine backup --tag "" "$T/a"
says 'a tag has 1 to 65535 bytes'
fails 2 vitrine backup --host "" "$T/a"
says "a host's name has 1 to 255 bytes"
