#!/bin/sh
# A mounted repository reads like the disk, says EROFS, shows new snapshots, and
# goes away when asked.
. "$(dirname "$0")/lib.sh"
need_fuse

make_tree "$T/src"
attributes=$(for n in empty= short=x "long=$(printf %03000d 7)"; do
	setfattr -n "user.${n%%=*}" -v "${n#*=}" "$T/src/dir/random" && echo $n
done 2>/dev/null | wc -l)
ok vitrine init
ok vitrine backup "$T/src"
mkdir "$T/mnt"

step "everything is there"
ok vitrine mount "$T/mnt"
mounted "$T/mnt"
same "$T/src" "$T/mnt/latest$T/src"
ok ls "$T/mnt/by-id" "$T/mnt/by-time"
is "$(cat "$T/mnt/latest$T/src/letter.txt")" "a letter"

step "attributes, into rooms of any size"
for f in letter.txt dir/random dir; do
	ok "$TOP/tests/scenario/mount_probe.py" xattrs "$T/src/$f" \
	    "$T/mnt/latest$T/src/$f"
	[ $f != dir/random ] || says "^$attributes attributes"
done

step "nothing can be written"
for c in "touch $T/mnt/latest$T/src/x" "rm $T/mnt/latest$T/src/letter.txt" \
    "mkdir $T/mnt/x" "chmod 600 $T/mnt/latest$T/src/letter.txt"; do
	fails 1 $c
	says 'Read-only file system'
done

step "a new snapshot appears"
echo "a newer letter" >"$T/src/letter.txt"
ok vitrine backup "$T/src"
in_time grep -qx "a newer letter" "$T/mnt/latest$T/src/letter.txt"

step "a mount is not backed up, nor made over the repository"
[ "$STORE" = s3 ] || fails 1 vitrine mount "$R"

step "it ends"
ok vitrine umount "$T/mnt"
! mountpoint -q "$T/mnt" || die "still mounted"
ok vitrine mount "$T/mnt"
ok fusermount3 -u "$T/mnt"
