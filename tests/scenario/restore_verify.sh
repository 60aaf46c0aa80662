#!/bin/sh
# run: store=dir not=address,thread
# restore --verify: what a disk made of what was written, told file by file.
. "$(dirname "$0")/lib.sh"
# (A sanitizer wants to be loaded first, and so does what is made here.)

# A disk that keeps something else than it was given: the command in $DISK does it at
# the last sync, which is the first thread's.
cat >"$T/disk.c" <<'END'
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int
syncfs(int fd)
{
	if (gettid() == getpid() && system(getenv("DISK")) != 0)
		return (-1);
	return ((int)syscall(SYS_syncfs, fd));
}
END
cc -shared -fPIC -o "$T/disk.so" "$T/disk.c" || die "cc"

S=$T/src
D=$T/back
mkdir -p "$S/dir"
# No byte of these is what the disk makes of some.
for f in good byte dir/last short long gone one; do
	head -c 200000 /dev/urandom | tr '\001' '\002' >"$S/$f"
done
ln "$S/one" "$S/dir/two"
truncate -s 3M "$S/hole" "$S/hole-good"
printf end | tee -a "$S/hole" >>"$S/hole-good"
ok vitrine init
ok vitrine backup "$S"

# at OFFSET FILE: another byte there.
cat >"$T/disk" <<END
at() {
	printf '\\001' | dd of="$D/\$2" bs=1 seek="\$1" conv=notrunc 2>&-
}
cd "$D" || exit 1
at 70000 byte
at 199999 dir/last
at 100000 one
at 2000000 hole
truncate -s 199999 short
echo >>long
rm -f gone
END

step "what is something else, shorter, longer, or not there any more"
DISK="sh $T/disk" LD_PRELOAD=$T/disk.so fails 3 vitrine restore "latest:$S" \
    --target "$D" --verify
for f in byte dir/last 'one|dir/two' hole short long; do
	says "(^|[ /])($f): not restored: what was written reads back as something else"
done
says 'gone: not restored: can.t be opened to be verified: No such file'
says '; 2 verified; 7 things could not be restored'

step "one file"
DISK="sh $T/disk" LD_PRELOAD=$T/disk.so fails 3 vitrine restore "latest:$S/byte" \
    --target "$T/back" --overwrite always --verify
says 'byte: not restored: what was written reads back as something else'

step "without, nothing is read"
rm -r "$D"
DISK="sh $T/disk" LD_PRELOAD=$T/disk.so ok vitrine restore "latest:$S" --target "$D"

step "and where the disk keeps what it was given"
rm -r "$D"
ok vitrine restore "latest:$S" --target "$D" --verify
says '; 9 verified'
same "$S" "$D"
