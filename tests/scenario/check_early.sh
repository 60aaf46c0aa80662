#!/bin/sh
# With several threads, packs are read to their end while the structure is gone
# through.  What is said is what one thread says that does one after the other.
. "$(dirname "$0")/lib.sh"

S=$T/src
mkdir -p "$S"
ok vitrine init
for i in 1 2 3 4 5 6; do
	head -c 300000 /dev/urandom >"$S/file$i"
	ok vitrine backup "$S"
done
pull
data_packs() {
	for p in "$R"/packs/*/*; do
		[ "$(od -An -tu1 -j4 -N1 "$p" | tr -d ' ')" = 3 ] &&
		    echo "$p"
	done
}
set -- $(data_packs)
[ $# = 6 ] || die "$# data packs"

# What was said, without how long it took.
said() {
	out | sed 's/ verified in .*//'
}
alike() {
	push
	fails 4 vitrine --threads 1 check --read-data
	said >"$T/one"
	for n in 2 8; do
		fails 4 vitrine --threads $n check --read-data
		said >"$T/many"
		cmp "$T/one" "$T/many" || die "$n threads say otherwise"
	done
}
size() {
	stat -c %s "$1"
}

step "frames: each is said, once"
for p; do flip_bit "$p" 5000; done
alike
for p; do says "damage: pack $(short "$p"): frame 0: "; done
says '^Damage: 6 findings '

step "what is inside is no news where more was said of the pack"
flip_bit "$1" 20
flip_bit "$2" $(($(size "$2") - 60))
chmod u+w "$3"
truncate -s -70000 "$3"
rm -f "$4"
alike
says "damage: pack $(short "$1"): its header: "
says "damage: pack $(short "$2"): its directory: "
says "damage: pack $(short "$3") has "
says "damage: pack $(short "$4") .data. is missing"
says "damage: pack $(short "$5"): frame 0: "
says "damage: pack $(short "$6"): frame 0: "

step "a directory alone, and two"
flip_bit "$2" 5000
flip_bit "$6" $(($(size "$6") - 60))
alike
says "damage: pack $(short "$2"): its directory: "
says_not "damage: pack $(short "$2"): frame"
