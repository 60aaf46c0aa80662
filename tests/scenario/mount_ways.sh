#!/bin/sh
# Ways into a mount and out of it; what is refused; snapshots that come.
. "$(dirname "$0")/lib.sh"
need_fuse

make_tree "$T/src"
mkdir "$T/mnt" "$T/full"
: >"$T/full/something"
ok vitrine init
ok vitrine backup "$T/src"

gone() {
	in_time eval '! mountpoint -q "$T/mnt"'
}

step "refused before anything happens"
fails 2 vitrine mount -o rw "$T/mnt"
says 'rw'
fails 2 vitrine mount -o uid=3 "$T/mnt"
fails 2 vitrine mount -o ro,nonsense "$T/mnt"
says 'nonsense'
fails 1 vitrine mount "$T/full"
says 'not empty'
fails 1 vitrine mount "$T/nowhere"
fails 1 vitrine mount "$T/src/letter.txt"
if [ "$STORE" = dir ]; then
	mkdir -p "$R/within"
	fails 1 vitrine mount "$R/within"
	says 'repository'
	rmdir "$R/within"
	fails 1 vitrine mount -o nonempty "$R"
	fails 1 vitrine mount -o nonempty "$T"
	says 'hide'
fi
fails 1 vitrine mount latest:/no/such "$T/mnt"
VITRINE_PASSWORD=wrong fails 12 vitrine mount "$T/mnt"
! mountpoint -q "$T/mnt" || die "mounted all the same"

step "umount"
ok vitrine mount "$T/mnt"
fails 1 vitrine mount "$T/mnt"
says 'already'
grep " $T/mnt fuse.vitrine ro," /proc/mounts >/dev/null || die "type"
exec 5<"$T/mnt/latest$T/src/letter.txt"
fails 1 vitrine umount "$T/mnt"
says 'busy'
[ "$(id -u)" != 0 ] || says 'fuser -vm'
exec 5<&-
ok vitrine umount "$T/mnt"
gone
fails 1 vitrine umount "$T/mnt"
ok vitrine mount "$T/mnt"
ok fusermount3 -u "$T/mnt"
gone
if [ "$(id -u)" = 0 ]; then
	ok vitrine mount "$T/mnt"
	ok umount "$T/mnt"
	gone
fi

step "signals"
for s in INT TERM; do
	env --default-signal=INT vitrine mount -f "$T/mnt" &
	pid=$!
	in_time mountpoint -q "$T/mnt"
	ls "$T/mnt/latest/" >/dev/null
	kill -$s $pid
	wait $pid || die "status $? after a signal"
	gone
done

step "a signal that is ignored stays so"
(trap '' HUP; exec vitrine mount -f "$T/mnt") &
pid=$!
in_time mountpoint -q "$T/mnt"
kill -HUP $pid
sleep 1
kill -0 $pid || die "a hangup ended it"
kill -TERM $pid
wait $pid || die "status $? after a signal"
gone

step "a daemon that was killed"
vitrine mount -f "$T/mnt" &
pid=$!
in_time mountpoint -q "$T/mnt"
kill -9 $pid
wait $pid 2>/dev/null
ok vitrine umount "$T/mnt"
gone

step "a part of a snapshot, in small inode numbers"
ok vitrine mount "latest:$T/src" "$T/mnt"
same "$T/src" "$T/mnt"
is "$(stat -c %i "$T/mnt")" 1
for f in "$T/mnt"/dir "$T/mnt/letter.txt"; do
	[ "$(stat -c %i "$f")" -lt 1000000 ] || die "inode of $f"
done
ok vitrine umount "$T/mnt"
ok vitrine mount -o nonempty,noexec,fsname="a name" latest "$T/full"
is "$(findmnt -n -o SOURCE "$T/full")" "a name"
ok ls "$T/full$T/src"
ok vitrine umount "$T/full"
ok ls "$T/full/something"

step "snapshots that come, by every name"
ok vitrine mount "$T/mnt"
first=$(readlink "$T/mnt/latest")
ok ls "$T/mnt/by-time"
ino=$(stat -c %i "$T/mnt/latest/")
sleep 1.1
echo newer >"$T/src/letter.txt"
ok vitrine backup "$T/src"
in_time eval '[ "$(readlink "$T/mnt/latest")" != "$first" ]'
is "$(cat "$T/mnt/latest$T/src/letter.txt")" newer
is "$(cat "$T/mnt/$first$T/src/letter.txt")" "a letter"
is "$(ls "$T/mnt/by-id" | wc -l)" 2
is "$(ls "$T/mnt/by-time" | wc -l)" 2
for t in "$T/mnt/by-time"/*; do
	ok ls "$t$T/src"
done
id=${first#by-id/}
is "$(readlink "$T/mnt/by-id/$(printf %.5s "$id")")" "$id"
ok vitrine umount "$T/mnt"
ok vitrine mount "$T/mnt"
is "$(stat -c %i "$T/mnt/$first")" "$ino"
ok vitrine umount "$T/mnt"

step "a snapshot that is taken away under a mount is stale: its files aren't absent"
ok vitrine mount "$T/mnt"
exec 5<"$T/mnt/$first"
pull
rm "$R/snapshots/$id"*
push
fails 2 ls "/proc/self/fd/5$T/src"
says 'Stale file handle'
exec 5<&-
ok ls "$T/mnt/latest$T/src"
ok vitrine umount "$T/mnt"
