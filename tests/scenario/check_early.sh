#!/bin/sh
# run: timeout=240
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

flip() {	# FILE OFFSET
	python3 - "$1" "$2" <<'PY'
import os, sys
os.chmod(sys.argv[1], 0o600)
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2]))
    b = f.read(1)
    f.seek(int(sys.argv[2]))
    f.write(bytes([b[0] ^ 16]))
PY
}
short() {
	basename "$1" | cut -c1-8
}
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
for p; do flip "$p" 5000; done
alike
for p; do says "damage: pack $(short "$p"): frame 0: "; done
says '^Damage: 6 findings '

step "what is inside is no news where more was said of the pack"
flip "$1" 20
flip "$2" $(($(size "$2") - 60))
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
flip "$2" 5000
flip "$6" $(($(size "$6") - 60))
alike
says "damage: pack $(short "$2"): its directory: "
says_not "damage: pack $(short "$2"): frame"
