#!/bin/sh
# Restore: chunks side by side in the store, and not in a file; in a file, and not in
# the store; and files that go on where another one's chunk ends.
. "$(dirname "$0")/lib.sh"

S=$T/src
mkdir "$S"
ok vitrine init

# noise BYTES, none of which is what change FILE OFFSET makes of one.
noise() {
	head -c "$1" /dev/urandom | tr '\001' '\002'
}
change() {
	printf '\001' | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
# Each way of writing: new files, beside those that are there, and into them, where each
# byte is either written or there already; read back.
restored() {
	rm -rf "$T/back"
	ok vitrine restore "latest:$S" --target "$T/back" --verify
	same "$S" "$T/back"
	ok vitrine restore "latest:$S" --target "$T/back" --overwrite always --verify
	touch -r "$S" "$T/back"
	same "$S" "$T/back"
	for f in "$T/back"/*; do
		for at in 0 150000 310000 311000 500000; do
			[ $at -ge "$(stat -c %s "$f")" ] || change "$f" $at
		done
	done
	ok vitrine --json restore "latest:$S" --target "$T/back" --overwrite always \
	    --in-place --verify
	out | python3 -c '
import json, sys
for line in sys.stdin:
    o = json.loads(line)
print(o["bytes"] + o["bytes_there"])' >"$T/bytes"
	is "$(cat "$T/bytes")" "$(cat "$S"/* | wc -c)"
	touch -r "$S" "$T/back"
	same "$S" "$T/back"
}

step "new chunks side by side, of which the file has an old one between"
noise 1000000 >"$S/file"
ok vitrine backup "$S"
for at in 100 200000 400000 600000 800000 999999; do
	change "$S/file" $at
done
ok vitrine backup "$S"
restored

step "chunks of a file that the store has once, or in another order"
noise 400000 >"$T/block"
cat "$T/block" "$T/block" "$T/block" "$T/block" >"$S/repeated"
tail -c +150001 "$S/repeated" >"$S/turned"
ok vitrine backup "$S"
restored

step "a file whose chunk ends where the next one's in the store begins in another file"
noise 600000 >"$S/b"
ok vitrine backup "$S"
n=$(vitrine sql latest "select length from files join chunks using (ino) \
    where name = 'b' and offset = 0" | tail -1)
[ "$n" -gt 0 ] || die "no chunk"
# As long as the first of b, and cut like it; what follows in b is new as well.
head -c "$n" "$S/b" >"$S/a"
change "$S/a" 10
change "$S/b" $((n + 10))
ok vitrine backup "$S"
is "$(vitrine sql latest "select count(*) from files join chunks using (ino) \
    where name = 'a'" | tail -1)" 1
restored

strace -o /dev/null true 2>/dev/null || exit 0
[ -z "$SAN" ] || exit 0
step "what lies side by side is written at once"
noise 900000 >"$S/new"
ok vitrine backup "$S"
ok strace -f -y -o "$T/trace" -e trace=pwrite64 vitrine restore "latest:$S/new" \
    --target "$T/new"
cmp "$S/new" "$T/new/new" || die "new differs"
n=$(grep -c 'new/new>' "$T/trace")
[ "$n" -ge 1 ] && [ "$n" -le 3 ] || die "$n writes"
