#!/bin/sh
# run: store=dir
# The repository and the cache lie in what is backed up, and are left out of it:
# no restore deletes them, nor writes into them.
. "$(dirname "$0")/lib.sh"

S=$T/src
mkdir -p "$S/a"
echo one >"$S/a/one"
VITRINE_REPOSITORY=$S/own/repo
XDG_CACHE_HOME=$S/own/cache
ok vitrine init
ok vitrine backup "$S"
says 'own/repo: left out: it belongs to vitrine itself'
says_not 'left out: left out'
listed() {
	find "$S/own/repo" -type f ! -path '*/leases/*' | sort
}
listed >"$T/before"

step "--delete leaves them"
echo two >"$S/a/extra"
ok vitrine restore "latest:$S" --target "$S" --overwrite changed --delete -n
says '^delete    a/extra$'
says_not '^delete    own'
ok vitrine restore "latest:$S" --target "$S" --overwrite changed --delete
says 'own/repo: left out: it belongs to vitrine itself'
says 'own/cache/vitrine.*: left out'
says '; 1 deleted'
listed | cmp - "$T/before" || die "the repository was touched"
ok vitrine check --read-data

step "nor does it where a directory that the snapshot hasn't leads to them"
ok vitrine backup "$S/a"
mkdir "$T/far"
mv "$S/own" "$T/far/own"
VITRINE_REPOSITORY=$T/far/own/repo
XDG_CACHE_HOME=$T/far/own/cache
fails 3 vitrine restore "latest:$S/a" --target "$T/far" --delete
says 'own: not restored: can.t be deleted: Directory not empty'
ok vitrine check --read-data

step "a target that is one of them, lies in it, or would"
for t in "$T/far/own/repo" "$T/far/own/repo/" "$T/far/own/repo/packs" \
    "$T/far/own/repo/new/deep" "$T/far/../far/own/repo"; do
	fails 1 vitrine restore "latest:$S/a" --target "$t" --delete
	says 'is the repository or lies in it'
done
ln -s far/own/repo "$T/door"
fails 1 vitrine restore "latest:$S/a" --target "$T/door"
cd "$T/far/own/repo" || die "cd"
fails 1 vitrine restore "latest:$S/a" --target .
fails 1 vitrine restore "latest:$S/a" --target new
cd "$TOP" || die "cd"
ok vitrine --cache-dir "$T/tmp" restore "latest:$S/a" --target "$T/tmp/back"
[ ! -e "$T/far/own/repo/new" ] || die "made in the repository"

step "a snapshot's directory of the same name is not written to them"
mkdir -p "$T/was/repo/packs"
echo x >"$T/was/repo/packs/x"
echo y >"$T/was/y"
chmod 0750 "$T/was/repo"
mkdir "$T/far/was"
ok vitrine backup "$T/was"
for more in "" "--include x" "-n"; do
	# shellcheck disable=SC2086 # words
	fails 3 vitrine restore "latest:$T/was" --target "$T/far/own" $more
	says '^vitrine: repo.*: not restored: it belongs to vitrine itself'
done
ok vitrine restore "latest:$T/was" --target "$T/far/own" --exclude repo \
    --overwrite changed
[ ! -e "$T/far/own/repo/packs/x" ] || die "written to the repository"
is "$(stat -c %a "$T/far/own/repo")" 700
is "$(cat "$T/far/own/y")" y
ok vitrine check --read-data
