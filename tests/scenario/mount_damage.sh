#!/bin/sh
# Damage is EIO for the frames that it hits; the rest of the file reads.
. "$(dirname "$0")/lib.sh"
need_fuse
probe=$TOP/tests/scenario/mount_probe.py

mkdir -p "$T/src" "$T/mnt"
head -c 12000000 /dev/urandom >"$T/src/large"
echo small >"$T/src/small"
ok vitrine init
ok vitrine backup "$T/src"

pull
# The largest pack holds the data; a byte in the midst of it.
pack=$(find "$R/packs" -type f -size +1M -printf '%s %p\n' | sort -n |
    tail -1 | cut -d' ' -f2)
[ -n "$pack" ] || die "no pack"
chmod u+w "$pack"
off=$(($(stat -c %s "$pack") / 2))
printf '\377\000\377\000' | dd of="$pack" bs=1 seek=$off conv=notrunc 2>/dev/null
push

ok vitrine mount latest "$T/mnt"
M=$T/mnt$T/src
ok cat "$M/small"
fails 2 cmp "$M/large" "$T/src/large"
says 'Input/output error'
is "$(stat -c %s "$M/large")" 12000000
ok "$probe" damage "$M/large" 12000000
bad=$(out | sed 's/bad pages \([0-9]*\) .*/\1/')
# A frame is about a MiB: 256 pages, and a page more at each end.
[ "$bad" -le 290 ] || die "$bad pages are bad"
# What does read is right.
ok python3 -c "
import os
a = os.open('$M/large', os.O_RDONLY); b = open('$T/src/large', 'rb').read()
for o in range(0, len(b), 4096):
    try:
        assert os.pread(a, 4096, o) == b[o:o + 4096]
    except OSError:
        pass
"
ok vitrine umount "$T/mnt"
