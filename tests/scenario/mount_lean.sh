#!/bin/sh
# Listings without attributes and with them, in whatever order they are asked
# for, show the same tree.
. "$(dirname "$0")/lib.sh"
need_fuse

mkdir "$T/src" "$T/mnt"
(cd "$T/src" && for d in $(seq 1 400); do
	mkdir "d$d"
	for f in 1 2 3 4 5; do
		echo "$d $f" >"d$d/f$f"
	done
	ln -s "f$((d % 5 + 1))" "d$d/link"
done)
mkdir "$T/src/large"
(cd "$T/src/large" && seq -f 'file%g' 1 3000 | xargs touch)
make_tree "$T/src/mixed"
ok vitrine init
ok vitrine backup "$T/src"

names() {
	(cd "$1" && find . -printf '%y %p\n' | sort)
}
all() {
	(cd "$1" && find . ! -type d -printf '%y %m %U %G %n %s %T@ %l %p\n' |
	    sort)
}
same_text() {
	cmp "$T/want-$1" "$T/have" || die "$1: not what the source has"
}
look() {
	names "$top" >"$T/have"
	same_text names
}
look_at_all() {
	all "$top" >"$T/have"
	same_text all
}
names "$T/src" >"$T/want-names"
all "$T/src" >"$T/want-all"

begin() {
	ok vitrine mount latest "$T/mnt"
	top=$T/mnt$T/src
}
step "names, then everything, then names"
begin
look
look_at_all
look
look_at_all
ok vitrine umount "$T/mnt"

step "everything first, by two at a time"
begin
all "$top" >"$T/have2" &
look_at_all
wait
cmp "$T/want-all" "$T/have2" || die "the second reader saw something else"
look
(cd "$top/mixed" && tar cf - .) >"$T/tar" || die "tar"
mkdir "$T/copy" && tar xpf "$T/tar" -C "$T/copy" || die "tar x"
diff -r --no-dereference "$T/src/d1" "$top/d1" || die "diff"
ok vitrine umount "$T/mnt"

step "unmounted while listings are being forgotten"
begin
look
for f in 1 2 3 4 5; do
	cat "$top/d1/f$f" "$top/d2/f$f" "$top/d3/f$f" "$top/d4/f$f" >/dev/null
done
ok vitrine umount "$T/mnt"
