#!/bin/sh
# The same source, parent, clock and random source: the same bytes, whatever the
# number of threads.
# run: store=dir
. "$(dirname "$0")/lib.sh"

[ -x "$VITRINE_TEST" ] || skip "no test build"
VITRINE_TEST_SEED=7
VITRINE_TEST_TIME=1700000000
export VITRINE_TEST_SEED VITRINE_TEST_TIME
# Not below /tmp: the directories above the source are backed up as well, and
# /tmp is everybody's.
Q=$(mktemp -d /dev/shm/vitrine-same.XXXXXX) || skip "no /dev/shm"
at_end 'rm -rf "$Q"'
S=$Q/src
make_tree "$S"
mkdir "$S/small"
for i in $(seq 1 40); do
	mkdir "$S/small/$i"
	for j in $(seq 1 40); do echo "$i $j" >"$S/small/$i/$j"; done
	head -c $((i * 9000)) /dev/urandom >"$S/small/$i/noise"
done
seq 1 2000000 >"$S/lines"
head -c 9000000 /dev/urandom >"$S/large"
mkdir "$T/w"

digest() {
	(cd "$1" && find . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum)
}

# Only a run during which they stood still can be compared.
above() {
	stat -c '%n %y %z' / /dev /dev/shm "$Q"
}

# all BASE NAME ARG ...: with 1, 2 and 5 threads from copies of the repository BASE.
all() {
	base=$1
	name=$2
	shift 2
	for try in 1 2 3 4 5 6 7 8; do
		before=$(above)
		for n in 1 2 5; do
			rm -rf "$T/w/$name.$n"
			cp -a "$T/w/$base" "$T/w/$name.$n"
			VITRINE_REPOSITORY=$T/w/$name.$n/repo
			XDG_CACHE_HOME=$T/w/$name.$n/cache
			XDG_STATE_HOME=$T/w/$name.$n/state
			ok vitrine-test --threads $n "$@"
			digest "$T/w/$name.$n/repo" >"$T/w/$name.$n.digest"
		done
		[ "$(above)" = "$before" ] && break
		[ $try -lt 8 ] || skip "what is above $S does not stand still"
	done
	cmp "$T/w/$name.1.digest" "$T/w/$name.2.digest" ||
	    die "2 threads write other bytes"
	cmp "$T/w/$name.1.digest" "$T/w/$name.5.digest" ||
	    die "5 threads write other bytes"
}

mkdir "$T/w/base"
VITRINE_REPOSITORY=$T/w/base/repo
XDG_CACHE_HOME=$T/w/base/cache
XDG_STATE_HOME=$T/w/base/state
ok vitrine-test init
all base one backup "$S"

step "and the second time"
seq 1 1999999 >"$S/lines"
rm -r "$S/small/7"
mv "$S/small/8" "$S/small/zz"
echo x >>"$S/small/9/9"
VITRINE_TEST_TIME=1700000100
all one.1 two backup "$S"
