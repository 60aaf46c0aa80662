#!/bin/sh
# run: not=address,thread
# A link that is gone, or something else, when its target is asked for: that is said
# of it, and all the rest is backed up.
. "$(dirname "$0")/lib.sh"
# (A sanitizer wants to be loaded first, and so does what is made here.)

cat >"$T/late.c" <<'END'
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What others do between a stat and this. */
ssize_t
readlinkat(int dir, const char *name, char *dst, size_t size)
{
	if (strcmp(name, "gone") == 0 || strcmp(name, "other") == 0)
		(void)unlinkat(dir, name, 0);
	if (strcmp(name, "other") == 0)
		(void)close(openat(dir, name, O_WRONLY | O_CREAT, 0644));
	return (syscall(SYS_readlinkat, dir, name, dst, size));
}
END
cc -shared -fPIC -o "$T/late.so" "$T/late.c" || die "cc"

S=$T/src
mkdir "$S"
links() {
	for n in gone other stays; do
		rm -f "$S/$n"
		ln -s "$1" "$S/$n"
	done
}
late() {
	LD_PRELOAD=$T/late.so fails 3 vitrine backup "$S"
	says "src/gone: not read: No such file"
	says "src/other: not read: was replaced while it was read"
	ok vitrine ls "latest:$S"
	says stays
	says other
	says_not '(^|/)gone$'
	ok vitrine check --read-data
}
ok vitrine init
step "new"
echo one >"$S/file"
links here
late
step "and where there was another one before"
links here
ok vitrine backup "$S"
links there
late
step "what stands still is as it is"
ok vitrine backup "$S"
ok vitrine restore "latest:$S" --target "$T/back"
same "$S" "$T/back"
