#!/bin/sh
# run: store=dir not=address,thread
# Restore where others are at work in the target: what turns up after it has looked
# is neither followed nor written to, and a file is whole before it takes its place.
. "$(dirname "$0")/lib.sh"
# (A sanitizer wants to be loaded first, and so does what is made here.)

# The command in $RACE is run once, before a file is opened that ends in $RACE_NAME
# with the flags in $RACE_FLAGS; and if there is a $RACE_CLOSE, no file in the
# target's directory can be closed: so a network says that it couldn't write it.  The
# modes that files are made with are noted in $RACE_MODES; with a $RACE_WRITE, none of
# them can be written but at its beginning, and before the $RACE_TERM-th write to them
# the command gets a SIGTERM.  With a $RACE_ACL no attribute can be taken away, with a
# $RACE_RENAME nothing be given another name, and what has $RACE_READ in its path can't
# be read, what has $RACE_SYNC not be synced at the end.
cat >"$T/race.c" <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int
race(int dir, const char *name, int flags, mode_t mode)
{
	static _Atomic int ran;
	const char *want = getenv("RACE_NAME"), *how = getenv("RACE_FLAGS");
	size_t n = strlen(name), m = want != NULL ? strlen(want) : 0;

	if (getenv("RACE_MODES") != NULL && (flags & O_EXCL) != 0) {
		FILE *f = fopen(getenv("RACE_MODES"), "a");

		if (f == NULL || fprintf(f, "%s %o\n", name, mode) < 0 ||
		    fclose(f) != 0)
			abort();
	}
	if (m > 0 && n >= m && strcmp(name + n - m, want) == 0 &&
	    (flags & (O_ACCMODE | O_CREAT)) == atoi(how) && !ran++ &&
	    system(getenv("RACE")) != 0)
		abort();
	return ((int)syscall(SYS_openat, dir, name, flags, mode));
}

#define OPEN(name)							\
int									\
name(int dir, const char *path, int flags, ...)				\
{									\
	va_list ap;							\
	mode_t mode = 0;						\
									\
	va_start(ap, flags);						\
	if ((flags & O_CREAT) != 0)					\
		mode = va_arg(ap, mode_t);				\
	va_end(ap);							\
	return (race(dir, path, flags, mode));				\
}
OPEN(openat)
OPEN(openat64)

static bool
has(int fd, const char *part)
{
	char link[64], at[4096] = "";

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return (readlink(link, at, sizeof(at) - 1) > 0 &&
	    strstr(at, part) != NULL);
}

static bool
is_there(int fd)
{
	return (has(fd, "/there/"));
}

static void
interrupt(void)
{
	static _Atomic int writes;

	if (++writes == atoi(getenv("RACE_TERM")))
		(void)kill(getpid(), SIGTERM);
}

#define WRITE(name)							\
ssize_t									\
name(int fd, const void *p, size_t len, off_t off)			\
{									\
	if (getenv("RACE_TERM") != NULL && is_there(fd))			\
		interrupt();						\
	if (getenv("RACE_WRITE") != NULL && off > 0 && is_there(fd)) {	\
		errno = EIO;						\
		return (-1);						\
	}								\
	return (syscall(SYS_pwrite64, fd, p, len, off));		\
}
WRITE(pwrite)
WRITE(pwrite64)

#define READ(name)							\
ssize_t									\
name(int fd, void *p, size_t len, off_t off)				\
{									\
	if (getenv("RACE_READ") != NULL && has(fd, getenv("RACE_READ"))) { \
		errno = EIO;						\
		return (-1);						\
	}								\
	return (syscall(SYS_pread64, fd, p, len, off));			\
}
READ(pread)
READ(pread64)

int
syncfs(int fd)
{
	if (getenv("RACE_SYNC") != NULL && gettid() == getpid() &&
	    has(fd, getenv("RACE_SYNC"))) {
		errno = EIO;
		return (-1);
	}
	return ((int)syscall(SYS_syncfs, fd));
}

#define REMOVE(name, call, type)					\
int									\
name(type at, const char *attribute)					\
{									\
	if (getenv("RACE_ACL") != NULL) {				\
		errno = EIO;						\
		return (-1);						\
	}								\
	return ((int)syscall(call, at, attribute));			\
}
REMOVE(fremovexattr, SYS_fremovexattr, int)
REMOVE(lremovexattr, SYS_lremovexattr, const char *)

int
renameat(int from, const char *a, int to, const char *b)
{
	if (getenv("RACE_RENAME") != NULL) {
		errno = EIO;
		return (-1);
	}
	return ((int)syscall(SYS_renameat2, from, a, to, b, 0));
}

int
close(int fd)
{
	bool there = getenv("RACE_CLOSE") != NULL && is_there(fd);

	(void)syscall(SYS_close, fd);
	if (!there)
		return (0);
	errno = EIO;
	return (-1);
}
END
cc -shared -fPIC -o "$T/race.so" "$T/race.c" || die "cc"

S=$T/src
D=$T/there
mkdir -p "$S/dir"
seq 1 30000 >"$S/dir/file"
truncate -s 3M "$S/dir/tail"
ok vitrine init
ok vitrine backup "$S"

# As it would be restored, but for a byte and the time.
fresh() {
	rm -rf "$D"
	ok vitrine restore "latest:$S" --target "$D"
	echo longer >>"$D/dir/file"
}

# race NAME O_FLAGS COMMAND STATUS ARGUMENT ...: the restore while that happens.
race() {
	RACE_NAME=$1 RACE_FLAGS=$2 RACE="unset LD_PRELOAD; touch $T/raced; $3"
	export RACE_NAME RACE_FLAGS RACE
	status=$4
	shift 4
	rm -f "$T/raced"
	LD_PRELOAD=$T/race.so fails "$status" timeout 60 vitrine restore \
	    "latest:$S" --target "$D" "$@"
	[ -e "$T/raced" ] || die "there was no race"
	[ -z "$(find "$D" -name '.vitrine-*')" ] || die "a temporary file was left"
}

RDWR=2
CREATE=65
READ=0

step "--in-place: what became something else is not written to"
echo dear >"$T/dear"
fresh
race file $RDWR "ln -sf $T/dear $D/dir/file" 3 --in-place
says 'dir/file: not restored: open to write: Too many levels of symbolic links'
fresh
race file $RDWR "ln -f $T/dear $D/dir/file" 3 --in-place
says 'dir/file: not restored: it became something else meanwhile'
says_not 'mixture'
says '; 1 thing could not be restored'
is "$(cat "$T/dear")" dear
fresh
race file $RDWR "rm $D/dir/file; mkfifo $D/dir/file" 3 --in-place
says 'dir/file: not restored: it became something else meanwhile'
says_not 'mixture'
fresh
race file $RDWR "rm $D/dir/file" 3 --in-place
says 'dir/file: not restored: open to write: No such file'

step "--in-place: its size is that of the moment"
fresh
race file $RDWR "head -c 400000 /dev/zero >>$D/dir/file" 0 --in-place
cmp "$S/dir/file" "$D/dir/file" || die "not the snapshot's"
fresh
echo short >"$D/dir/tail"
race file $RDWR ": >$D/dir/file" 0 --in-place
cmp "$S/dir/file" "$D/dir/file" || die "not the snapshot's"
cmp "$S/dir/tail" "$D/dir/tail" || die "not the snapshot's"

step "what turns up where nothing was is left"
rm -rf "$D"
race file $CREATE "echo mine >$D/dir/file" 3
says 'dir/file: not restored: something of this name is there already'
is "$(cat "$D/dir/file")" mine
rm -rf "$D"
race file $CREATE "ln -s $T/new $D/dir/file" 3
says 'dir/file: not restored: something of this name is there already'
[ ! -e "$T/new" ] || die "a link was followed"

step "nor is what has the name that a new file has for the moment written to"
fresh
echo dear >"$T/dear"
RACE_NAME=-0 RACE_FLAGS=$CREATE LD_PRELOAD=$T/race.so \
    RACE="ln $T/dear $D/dir/.vitrine-\$(printf %x \$PPID)-0" \
    ok vitrine restore "latest:$S" --target "$D" --overwrite always
is "$(cat "$D"/dir/.vitrine-*-0)" dear
is "$(cat "$T/dear")" dear
rm "$D"/dir/.vitrine-*
cmp "$S/dir/file" "$D/dir/file" || die "not the snapshot's"

step "another name of the file that is as it should be is left then, too"
echo two >"$S/dir/a-name"
ln "$S/dir/a-name" "$S/dir/b-name"
ok vitrine backup "$S"
rm -rf "$D"
ok vitrine restore "latest:$S" --target "$D"
rm "$D/dir/a-name"
race a-name $CREATE "echo mine >$D/dir/a-name" 3 --overwrite changed
says 'dir/a-name: not restored: something of this name is there already'
says '; 1 thing could not be restored'
is "$(cat "$D/dir/a-name") $(cat "$D/dir/b-name")" "mine two"

step "and made in the place of what is there, where that may be replaced"
in_the_way() {
	rm -r "$D/dir/a-name" "$D/dir/b-name"
	mkdir -p "$D/dir/b-name$1"
	race a-name $CREATE "echo mine >$D/dir/a-name" 3 --overwrite changed
	says 'dir/a-name: not restored: something of this name is there already'
}
in_the_way /full
says "dir/b-name: not restored: a directory that isn't empty is there"
[ -d "$D/dir/b-name/full" ] || die "what was in the way is gone"
in_the_way ''
says '; 1 thing could not be restored'
is "$(cat "$D/dir/a-name") $(cat "$D/dir/b-name")" "mine two"
rm "$S/dir/a-name" "$S/dir/b-name"
ok vitrine backup "$S"

step "--verify: nor is it read by way of a link, or waited for"
rm -rf "$D"
race file $READ "mv $D/dir/file $T/moved; ln -s $T/moved $D/dir/file" 3 --verify
says 'dir/file: not restored: can.t be opened to be verified'
rm -rf "$D"
race file $READ "rm $D/dir/file; mkfifo $D/dir/file" 3 --verify
says 'dir/file: not restored: what was written reads back as something else'

step "--verify: what can't be read back is told, and the others are verified"
rm -rf "$D"
RACE_NAME='' LD_PRELOAD=$T/race.so RACE_READ=/there/dir/file fails 3 vitrine restore \
    "latest:$S" --target "$D" --verify
says "dir/file: not restored: can't be read back: .*Input/output error"
says '; 1 verified; 1 thing could not be restored'

step "a file that can't be closed doesn't take the place of what is there"
fresh
LD_PRELOAD=$T/race.so RACE_CLOSE=1 fails 3 vitrine restore "latest:$S" \
    --target "$D" --overwrite always
says 'dir/file: not restored: close: Input/output error'
says '; 2 things could not be restored'
is "$(tail -1 "$D/dir/file")" longer
[ -z "$(find "$D" -name '.vitrine-*')" ] || die "a temporary file was left"
rm -rf "$D"
LD_PRELOAD=$T/race.so RACE_CLOSE=1 fails 3 vitrine restore "latest:$S" \
    --target "$D"
says 'dir/file: not restored: close: Input/output error'
says ': 0 files, 0 B restored .*; 2 things could not be restored'
[ ! -e "$D/dir/file" ] || die "what could not be closed was left"

step "nor is one there that could not be written whole; in place it is told"
seq 1 500000 >"$S/dir/big"
ok vitrine backup "$S"
rm -rf "$D"
LD_PRELOAD=$T/race.so RACE_WRITE=1 fails 3 vitrine restore "latest:$S" \
    --target "$D"
says 'dir/big: not restored: write: Input/output error'
says ': 2 files, .*; 1 thing could not be restored'
[ ! -e "$D/dir/big" ] || die "a part of it was left"
ok vitrine restore "latest:$S" --target "$D" --overwrite changed
tr 5 6 <"$S/dir/big" >"$D/dir/big"
LD_PRELOAD=$T/race.so RACE_WRITE=1 fails 3 vitrine restore "latest:$S" \
    --target "$D" --in-place
says 'dir/big: not restored: it is a mixture now'
says 'dir/big: not restored: write: Input/output error'

step "nobody gets at a file who isn't to be, before its owner and all else is set"
rm -rf "$S" "$D"
mkdir "$S"
for mode in 644 664 640 604 4755 444; do
	echo $mode >"$S/$mode"
	chmod $mode "$S/$mode"
done
seq 1 500000 >"$S/pieces"
chmod 644 "$S/pieces"
expect="444 600 4755 600 604 600 640 600 644 644 664 600 pieces 600"
# With an attribute, its mode alone says too little.
setfattr -n user.color -v blue "$S/604" 2>/dev/null && chmod 666 "$S/604"
ok vitrine backup "$S"
LD_PRELOAD=$T/race.so RACE_MODES=$T/modes ok vitrine restore "latest:$S" \
    --target "$D"
is "$(sort "$T/modes" | tr '\n' ' ')" "$expect "
same "$S" "$D"

step "what is damaged in the repository is told and left out; the rest is there"
rm -rf "$S" "$D"
mkdir "$S"
head -c 3000000 /dev/urandom >"$S/damaged"
echo whole >"$S/whole"
ok vitrine backup "$S"
pack=$(find "$R/packs" -type f -size +2500k)
flip_bit "$pack" 1500000
fails 3 vitrine restore "latest:$S" --target "$D"
says '^vitrine: damaged: not restored: '
says ': 1 file, 6 B restored .*; 1 thing could not be restored'
[ ! -e "$D/damaged" ] || die "a damaged file was left"
is "$(cat "$D/whole")" whole

step "interrupted while it writes to all files: none is left that isn't whole"
rm -rf "$S" "$D"
mkdir "$S"
for b in 1 2 3 4 5 6; do
	head -c 700000 /dev/urandom >"$T/block$b"
done
# Each frame has something of each.
for o in 123456 234561 345612 456123 561234 612345; do
	for b in $(echo $o | sed 's/./& /g'); do
		cat "$T/block$b"
	done >"$S/$o"
done
ok vitrine backup "$S"
for n in 1 2 6 12; do
	rm -rf "$D"
	LD_PRELOAD=$T/race.so RACE_TERM=$n fails 130 vitrine restore "latest:$S" \
	    --target "$D"
	left=0
	for f in "$D"/* "$D"/.vitrine-*; do
		[ -e "$f" ] || continue
		left=$((left + 1))
		cmp "$f" "$S/$(basename "$f")" || die "$f was left"
	done
	[ $left -lt 6 ] || die "it went on"
done

rm -rf "$S" "$D"
mkdir -p "$S/dir" "$D"
echo x | tee "$S/file" >"$S/dir/file"
mkfifo "$S/fifo"
if command -v setfacl >/dev/null && setfacl -d -m u:65534:rwx "$D"; then
	step "an ACL that is handed down and can't be taken away is told"
	ok vitrine backup "$S"
	LD_PRELOAD=$T/race.so RACE_ACL=1 fails 3 vitrine restore "latest:$S" \
	    --target "$D"
	for f in file dir/file; do
		says "^vitrine: $f: not restored: take away the directory's ACL: Input/"
		[ ! -e "$D/$f" ] || die "$f was left with it"
	done
	says "^vitrine: fifo: not restored: its directory's ACL stays on it: Input/"
	says "^vitrine: dir: not restored: its directory's ACL stays on it, and on"
	says '; 4 things could not be restored'
fi

step "what can't take the place of what is there leaves it, and counts for nothing"
rm -rf "$S" "$D"
mkdir "$S"
echo one >"$S/file"
ln "$S/file" "$S/link"
mkfifo "$S/fifo"
ln -s elsewhere "$S/symlink"
ok vitrine backup "$S"
mkdir "$D"
for f in file fifo symlink link; do
	echo mine >"$D/$f"
done
LD_PRELOAD=$T/race.so RACE_RENAME=1 fails 3 vitrine --json restore "latest:$S" \
    --target "$D" --overwrite always
says '"files":0,"directories":0,"others":0,"bytes":0,'
says '"failed":4'
is "$(cat "$D"/* | sort | uniq -c | tr -d ' \n')" 4mine
rm "$D/file"
LD_PRELOAD=$T/race.so RACE_RENAME=1 fails 3 vitrine restore "latest:$S" \
    --target "$D" --overwrite always
says 'link: not restored: link: Input/output error'
is "$(cat "$D/file" "$D/link" | tr '\n' ' ')" "one mine "
[ -z "$(find "$D" -name '.vitrine-*')" ] || die "a temporary file was left"

step "a sync that fails fails the restore, of each file system there"
rm -rf "$D"
LD_PRELOAD=$T/race.so RACE_SYNC=/there fails 1 vitrine restore "latest:$S" \
    --target "$D"
says "$D: sync: Input/output error"
says_not ' restored to '
rm -rf "$S" "$D"
mkdir -p "$S/apart" "$D/apart"
echo x >"$S/apart/file"
if mount -t tmpfs -o size=1m none "$D/apart" 2>/dev/null; then
	ok vitrine backup "$S"
	LD_PRELOAD=$T/race.so RACE_SYNC=/there/apart fails 1 vitrine restore \
	    "latest:$S" --target "$D"
	says "$D/apart: sync: Input/output error"
	says_not ' restored to '
fi
