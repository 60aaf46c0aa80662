#!/bin/bash
# make demo: the main job, for real, in a temporary directory: what a new user
# would do with vitrine, and what it then says.
set -u
: "${VITRINE:=$PWD/build/vitrine}"
TOP=$(cd "$(dirname "$0")/.." && pwd)

work=$(mktemp -d "${TMPDIR:-/tmp}/vitrine-demo.XXXXXX") || exit 1
mnt=$work/mnt
finish() {
	status=$?
	trap - EXIT INT TERM
	mountpoint -q "$mnt" && { fusermount3 -u -z "$mnt" || umount -l "$mnt"; }
	rm -rf --one-file-system "$work"
	exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

mkdir "$work/bin" "$mnt"
ln -s "$VITRINE" "$work/bin/vitrine"
PATH=$work/bin:$PATH
export VITRINE_REPOSITORY=$work/backup VITRINE_PASSWORD='correct horse' \
    XDG_CACHE_HOME=$work/cache XDG_STATE_HOME=$work/state

if [ -t 1 ]; then
	bold=$(printf '\033[1m') plain=$(printf '\033[0m')
else
	bold= plain=
fi
say() {
	printf '\n%s%s%s\n' "$bold" "$*" "$plain"
}
# Show a command as one would type it, run it, and stop when it fails.
shown() {
	local line=${*//$work/\$W}
	printf '  $ %s\n' "$line"
}
run() {
	shown "$@"
	"$@" 2>&1 | sed "s|$work|\$W|g; s/^/    /"
	local s=${PIPESTATUS[0]}
	[ "$s" = 0 ] || { echo "demo: this ended with status $s"; exit 1; }
}
# The same, its first lines only.
some() {
	local n=$1
	shift
	shown "$@"
	"$@" >"$work/out" 2>&1 ||
	    { cat "$work/out"; echo "demo: this failed"; exit 1; }
	head -n "$n" "$work/out" | sed "s|$work|\$W|g; s/^/    /"
	local all
	all=$(wc -l <"$work/out")
	[ "$all" -le "$n" ] || echo "    ... ($all lines in all)"
}
# Nothing to be seen is what is hoped for.
silent() {
	shown "$@"
	"$@" >"$work/out" 2>&1
	local s=$?
	sed "s|$work|\$W|g; s/^/    /" "$work/out" | head -20
	[ $s = 0 ] && [ ! -s "$work/out" ] ||
	    { echo "demo: there is a difference"; exit 1; }
	echo "    (nothing: no difference)"
}

say "Something worth keeping: this source tree, and the system's documentation."
data=$work/data
mkdir "$data"
echo "  W=$work"
shown cp -a vitrine "$data/vitrine"
(cd "$TOP" && tar -c --exclude='./build*' --exclude=./.git .) |
    (mkdir "$data/vitrine" && cd "$data/vitrine" && tar -x) || exit 1
for d in /usr/share/doc /usr/include /etc; do
	if [ -d "$d" ] && [ -r "$d" ]; then
		shown cp -a "$d" "$data/"
		cp -a "$d" "$data/" 2>/dev/null
	fi
done
run du -sh "$data"
echo "    $(find "$data" -type f | wc -l) files"

say "A repository, encrypted with a pass phrase (here VITRINE_PASSWORD)."
run vitrine init

say "A first backup."
run vitrine backup "$data"

say "A day's work: a file changed, one made, one lost."
echo "a line more" >>"$data/vitrine/README"
date >"$data/today"
rm -f "$data/vitrine/LICENSE"
echo "  README grew, today is new, LICENSE is gone."

say "A second backup: only what changed is read and stored."
run vitrine backup "$data"
run vitrine snapshots
some 8 vitrine ls "latest:$data/vitrine"
run du -sh "$work/backup"

say "Look into it as ordinary read-only files."
mounts=no
if [ ! -e /dev/fuse ]; then
	echo "  There is no /dev/fuse on this machine, so nothing can be mounted"
	echo "  here; the demo goes on with restore."
elif ! command -v fusermount3 >/dev/null; then
	echo "  There is no fusermount3 (package fuse3); on with restore."
else
	mounts=yes
	run vitrine mount "$mnt"
	run ls "$mnt" "$mnt/by-id" "$mnt/by-time"
	some 8 ls -l "$mnt/latest$data/vitrine"
	run tail -n 1 "$mnt/latest$data/vitrine/README"

	say "The lost file still is in the first snapshot: cp it out."
	first=$(ls "$mnt/by-time" | sort | head -n 1)
	run cp -a "$mnt/by-time/$first$data/vitrine/LICENSE" "$work/LICENSE"
	run head -n 3 "$work/LICENSE"

	say "All of the latest snapshot, compared with the original."
	silent diff -r --no-dereference "$data" "$mnt/latest$data"

	say "And copied out with cp -a."
	run cp -a "$mnt/latest$data" "$work/copy"
	silent diff -r --no-dereference "$data" "$work/copy"
	run vitrine umount "$mnt"
fi

say "The same without a mount: restore."
run vitrine restore "latest:$data" --target "$work/restored"
silent diff -r --no-dereference "$data" "$work/restored"
if command -v rsync >/dev/null; then
	say "Owners, modes, times, links and attributes too, says rsync."
	silent rsync -aHAXn --checksum --delete --itemize-changes \
	    "$data/" "$work/restored/"
fi

say "Prove that every byte in the repository is intact."
run vitrine check --read-data

if [ $mounts = yes ]; then
	say "Done: backed up twice, looked into through a mount, copied out," \
	    "restored, compared and checked: nothing differs."
else
	say "Done: backed up twice, restored, compared and checked: nothing" \
	    "differs. (Nothing was mounted: no /dev/fuse.)"
fi
