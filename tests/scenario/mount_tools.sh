#!/bin/sh
# run: timeout=400
# Everyday tools on a mounted snapshot find what they find on the disk.
. "$(dirname "$0")/lib.sh"
need_fuse
probe=$TOP/tests/scenario/mount_probe.py

make_tree "$T/src"
mkdir "$T/src/many" "$T/mnt"
(cd "$T/src/many" && seq -f 'file%06.0f' 1 100000 | xargs touch) || die touch
head -c 6000000 /dev/urandom >"$T/src/large"
truncate -s 300M "$T/src/sparse"
printf middle | dd of="$T/src/sparse" bs=1 seek=150000000 conv=notrunc 2>/dev/null
printf end >>"$T/src/sparse"
git init -q "$T/src/work"
(cd "$T/src/work" && seq 1 5000 >numbers && mkdir a && echo b >a/b &&
    ln -s a/b link && git add -A &&
    git -c user.name=n -c user.email=e commit -q -m first) || die git
ok vitrine init
ok vitrine backup "$T/src"
ok vitrine mount latest "$T/mnt"
M=$T/mnt$T/src

step "cp, diff, tar, rsync, find, du, git"
same "$T/src" "$M"
ok rsync -aHAXSn --itemize-changes --checksum --exclude sparse --delete "$T/src/" "$M/"
is "$(out)" ""
ok sh -c "tar cf - -C '$M' --exclude sparse --exclude many . |
    tar df - -C '$T/src'"
is "$(out | grep -v 'socket ignored')" ""
ok cp -a "$M/dir" "$M/work" "$M/letter.txt" "$T/"
same "$M/dir" "$T/dir"
ok diff -r "$T/src/work" "$M/work"
(cd "$T/src" && find . -printf '%P %y %s %m %T@ %n\0' | grep -zv ' d ' |
    sort -z) >"$T/a"
(cd "$M" && find . -printf '%P %y %s %m %T@ %n\0' | grep -zv ' d ' |
    sort -z) >"$T/b"
ok cmp "$T/a" "$T/b"
touch -d '2005-01-01' "$T/ref"
is "$(cd "$M" && find . -newer "$T/ref" | sort | md5sum)" \
    "$(cd "$T/src" && find . -newer "$T/ref" | sort | md5sum)"
is "$(find "$M" -type d | wc -l)" "$(find "$T/src" -type d | wc -l)"
is "$(du -s --apparent-size --exclude many "$M" | cut -f1)" \
    "$(du -s --apparent-size --exclude many "$T/src" | cut -f1)"
a=$(du -sk "$M/sparse" | cut -f1)
[ "$a" -lt 1024 ] || die "the sparse file takes $a KiB"
is "$(git -C "$M/work" -c safe.directory='*' status --short)" ""
is "$(git -C "$M/work" -c safe.directory='*' log --oneline | wc -l)" 1
# As large as what was backed up (in blocks of 4 KiB), full, names of 255 bytes.
bytes=$(find "$T/src" -type f -links 1 -printf '%s\n' |
    awk '{ n += $1 } END { printf "%d", n / 4096 }')
set -- $(stat -f -c '%b %f %a %l %c %d' "$T/mnt")
[ "$1" -ge "$bytes" ] && [ "$1" -le $((bytes + bytes / 10)) ] ||
    die "statfs: $1 blocks for $bytes"
is "$2 $3 $4 $6" "0 0 255 0"
[ "$5" -gt 100000 ] || die "statfs: $5 files"

step "system calls"
ok "$probe" erofs "$M/dir" "$M/letter.txt"
ok "$probe" reads "$T/src/large" "$M/large"
ok "$probe" reads "$T/src/dir/numbers" "$M/dir/numbers"
ok "$probe" holes "$T/src/sparse" "$M/sparse"
ok "$probe" holes "$T/src/hole" "$M/hole"
ok "$probe" dir "$M/many" 100000
if [ "$(id -u)" = 0 ]; then
	ok "$probe" nfs "$M/dir"
	ok "$probe" nfs "$M/work"
fi
fails 1 getfattr -n user.nope "$M/letter.txt"
says 'No such attribute'
getfattr -d -m - "$M/letter.txt" 2>/dev/null | grep -v '^#' >"$T/a"
getfattr -d -m - "$T/src/letter.txt" 2>/dev/null | grep -v '^#' >"$T/b"
ok cmp "$T/a" "$T/b"

step "several readers"
for i in 1 2 3 4; do
	(cmp "$M/large" "$T/src/large" && cp -r "$M/work" "$T/copy$i" &&
	    diff -r "$T/copy$i" "$T/src/work" && touch "$T/done$i") &
done
wait
for i in 1 2 3 4; do
	[ -e "$T/done$i" ] || die "reader $i"
done
ok vitrine umount "$T/mnt"
