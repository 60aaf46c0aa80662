#!/bin/sh
# The main job: back up, look, mount, copy out, restore, check; twice.
. "$(dirname "$0")/lib.sh"

make_tree "$T/src"

step "a repository"
fails 10 vitrine snapshots
ok vitrine init
fails 1 vitrine init
says ': there is a repository already$'
VITRINE_PASSWORD=wrong fails 12 vitrine snapshots

step "two snapshots"
ok vitrine backup "$T/src"
ok vitrine snapshots
says "$T/src"
cp -a "$T/src" "$T/before"
echo "a longer letter" >"$T/src/letter.txt"
rm "$T/src/dangling"
echo new >"$T/src/dir/new"
ok vitrine backup "$T/src"
ok vitrine -q ls "latest:$T/src"
says letter.txt
says_not dangling
ok vitrine cat "latest:$T/src/letter.txt"
is "$(out)" "a longer letter"
fails 1 vitrine cat "latest:$T/src/nothing"

step "restore"
ok vitrine restore "latest:$T/src" --target "$T/back"
same "$T/src" "$T/back"

step "check"
ok vitrine check
ok vitrine check --read-data

step "statuses"
fails 2 vitrine nonsense
fails 2 vitrine backup --nonsense "$T/src"
fails 1 vitrine ls "ffffffff:$T"
fails 10 vitrine -r "$T/none" check

step "what was seen before can't be read: that is said, and files are to be had"
state=$(find "$T/state/vitrine" -type f ! -name '*.*' -size +0 | head -1)
rm "$state"
mkdir "$state"
for c in "ls latest" "restore latest:$T/src --target $T/again" snapshots check; do
	# shellcheck disable=SC2086 # words
	ok vitrine $c
	says "warning: what this user saw before can't be read, .*$state"
done
same "$T/src" "$T/again"
rmdir "$state"

step "an argument too many, a passphrase's file that isn't there"
fails 2 vitrine snapshots latest
says 'usage: vitrine snapshots \[options\]$'
# Most often it is the repository, which is no argument.
for c in init check snapshots 'key list' 'key add' 'key change'; do
	# shellcheck disable=SC2086 # words
	fails 2 vitrine $c "$REPO"
	says "^vitrine: $c: too many arguments: the repository is named"
	says 'with --repo \(-r\) or VITRINE_REPOSITORY; usage: vitrine '
done
fails 2 vitrine version "$REPO"
says '^vitrine: version: too many arguments; usage: vitrine version$'
fails 2 vitrine restore "$REPO" latest
says 'too many arguments; usage: vitrine restore \[options\] SNAPSHOT'
fails 1 vitrine --password-file "$T/none" snapshots
says "the passphrase's file: $T/none: No such file"
fails 1 vitrine --key-file "$T/none" snapshots
says "the key file: $T/none: No such file"
