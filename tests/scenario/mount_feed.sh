#!/bin/sh
# run: timeout=600
# Small files are given to the kernel ahead of who reads one after another, and
# are what they were; who reads here and there has no use for that.
. "$(dirname "$0")/lib.sh"
need_fuse
command -v fincore >/dev/null || skip "no fincore"

mkdir "$T/src" "$T/mnt"
(cd "$T/src" && for d in $(seq 10 30); do
	mkdir "d$d" "d$d/sub"
	for f in $(seq 10 40); do
		echo "$d $f" >"d$d/f$f"
		seq "$d" "$((d * f))" >"d$d/sub/f$f"
	done
	cp d10/f10 "d$d/twin"
	: >"d$d/empty"
done)
mkdir "$T/src/wide"
(cd "$T/src/wide" && for f in $(seq 1000 1599); do
	echo "$f" >"f$f"
done)
ok vitrine init
ok vitrine backup "$T/src"

begin() {
	ok vitrine "$@" mount latest "$T/mnt"
	top=$T/mnt$T/src
}
end() {
	ok vitrine umount "$T/mnt"
}
# How many pages of a file the kernel has.
cached() {
	fincore -nb -o PAGES "$1" | tr -d ' '
}

# Feeding is worth what is at hand in time, and the kernel may let go of it; on a
# machine with much else to do that is little.  So a way of reading has many mounts
# to be fed in, and each file counts that was fed in one of them.
fed() {
	least=$1
	shift
	: >"$T/fed"
	for _ in $(seq 40); do
		begin
		"$@"
		end
		n=$(sort -u "$T/fed" | wc -l)
		[ "$n" -lt "$least" ] || return 0
		echo "$n were fed, of $least"
	done
	die "$n were fed, of $least"
}
# Note it if that one was.
note() {
	[ "$(cached "$1")" = 0 ] || echo "$1" >>"$T/fed"
}

in_a_row() {
	cat "$top/wide"/f10?? >"$T/have"
	cat "$T/src/wide"/f10?? | cmp - "$T/have" ||
		die "not what the source has"
	ls -l "$top/wide" >/dev/null
	cat "$top/wide"/f1[1-4]?? >/dev/null
	for f in $(seq 1500 1520); do
		note "$top/wide/f$f"
	done
	cmp "$T/src/wide/f1510" "$top/wide/f1510" || die "f1510"
}
step "read in a row"
fed 11 in_a_row

listed() {
	ls -l "$top/wide" >/dev/null
	cat "$top/wide"/f1[1-4]?? >/dev/null
	for d in $(seq 20 30); do
		ls -l "$top/d$d" >/dev/null
	done
	for d in $(seq 20 30); do
		note "$top/d$d/f15"
	done
	cat "$T/src"/d2?/f* >"$T/have"
	cat "$top"/d2?/f* | cmp - "$T/have" || die "not what the source has"
}
step "listed, by who reads"
fed 9 listed

step "read here and there"
begin
ls -lR "$top" >/dev/null
for d in $(seq 10 2 30); do
	cat "$top/d$d/f25" >/dev/null
done
is "$(cached "$top/d14/f26")" 0
end

step "a whole tree, by one reader, by three, by one thread"
begin
cp -r "$top" "$T/copy1" || die "cp"
diff -r --no-dereference "$top" "$T/copy1" || die "the copy"
diff -r --no-dereference "$T/src" "$T/copy1" || die "the copy"
end
begin
for i in 2 3 4; do
	cp -r "$top" "$T/copy$i" &
done
(cd "$top" && find . -type f | sort -r | xargs cat >/dev/null)
wait
for i in 2 3 4; do
	diff -r --no-dereference "$T/src" "$T/copy$i" || die "copy $i"
done
end
begin --threads 1
cp -r "$top" "$T/copy5" || die "cp"
diff -r --no-dereference "$T/src" "$T/copy5" || die "copy 5"
end

step "ended while it is read"
for i in 1 2 3 4; do
	vitrine mount -f latest "$T/mnt" 2>/dev/null &
	pid=$!
	until mountpoint -q "$T/mnt" && [ -d "$T/mnt$T/src" ]; do
		kill -0 "$pid" || die "no mount"
	done
	cp -r "$T/mnt$T/src" "$T/half$i" 2>/dev/null &
	reader=$!
	(cd "$T/mnt$T/src" && cat wide/* d*/f* >/dev/null 2>&1) &
	sleep "0.$i"
	kill "$pid"
	wait "$pid" || die "ended with status $?"
	wait "$reader"
done
true
