#!/bin/sh
# Check: clean when whole, and each kind of damage is named, with what it hits.
. "$(dirname "$0")/lib.sh"

S=$T/src
mkdir -p "$S"
i=0
while [ $i -lt 6 ]; do
	head -c 40000 /dev/urandom >"$S/file$i"
	i=$((i + 1))
done
ok vitrine init
ok vitrine backup "$S"
ok vitrine check
says '^No damage in 1 snapshot, '
ok vitrine check --read-data
says '^No damage in 1 snapshot, .* verified in '

# kind of a pack: 3 data, 4 metadata
data_pack() {
	for p in "$R"/packs/*/*; do
		[ "$(od -An -tu1 -j4 -N1 "$p" | tr -d ' ')" = 3 ] &&
		    echo "$p"
	done | head -1
}
fresh() {
	rm -rf "$T/repo" "$T/cache" "$T/state"
	cp -a "$T/good" "$R"
	push
}
flip() {	# FILE OFFSET
	flip_bit "$@"
	push
}
pull
cp -a "$R" "$T/good"

step "a data pack is gone"
p=$(data_pack)
rm -f "$p"
push
fails 4 vitrine check
says "damage: pack $(short "$p") .data. is missing"
says "$S/file0: damage: snapshot [0-9a-f]{8}: bytes 0-39999 are lost .pack $(short "$p").$"
says "back up the same sources again"
says '^Damage: 1 finding '

step "a data pack is cut short"
fresh
p=$(data_pack)
chmod u+w "$p"
truncate -s -100 "$p"
push
fails 4 vitrine check
says "damage: pack $(short "$p") has "
says_not "$S"
says 'no file of a snapshot is hit'
truncate -s -60000 "$p"
push
fails 4 vitrine check
says "damage: pack $(short "$p") has "
says "$S/file5: damage: "
says '^Damage: 1 finding '
fails 4 vitrine check --read-data
says '^Damage: 1 finding '

step "a bit flipped in a frame"
fresh
p=$(data_pack)
flip "$p" 5000
ok vitrine check
fails 4 vitrine check --read-data
says "damage: pack $(short "$p"): frame 0: "
says "$S/file[0-5]: damage: snapshot"
says '^Damage: 1 finding '

step "a bit flipped in a directory"
fresh
p=$(data_pack)
flip "$p" $(($(stat -c %s "$p") - 60))
fails 4 vitrine check
says "damage: pack $(short "$p"): its directory: "
says_not "$S"
fails 4 vitrine check --read-data
says_not "$S"
says '^Damage: 1 finding '

step "... and in a frame of that pack"
flip "$p" 5000
fails 4 vitrine check --read-data
says "damage: pack $(short "$p"): its directory: "
says "damage: pack $(short "$p"): frame 0: "
says "$S/file0: damage: snapshot"
says '^Damage: 2 findings '

step "moved aside, backed up again, moved back"
mv "$p" "$T/aside"
push
ok vitrine backup "$S"
pull
mv "$T/aside" "$p"
push
ok vitrine restore "latest:$S" --target "$T/healed"
same "$S" "$T/healed"

step "a bit flipped in a table"
fresh
for t in "$R"/index/*; do flip "$t" 4000; done
fails 4 vitrine check
says "damage: index/$(basename "$t"): its bytes are not what its name says"

step "a bit flipped in a manifest"
fresh
for t in "$R"/snapshots/*; do flip "$t" 300; done
fails 4 vitrine check
says "snapshot $(basename "$t") is refused: .*damaged"
says '^Damage: 1 finding '

step "a snapshot is taken away"
fresh
ok vitrine backup "$S"
pull
rm -f "$R"/snapshots/"$(ls -t "$R/snapshots" | tail -1)"
push
fails 4 vitrine check

step "it changes nothing"
fresh
(cd "$R" && find . -type f -exec md5sum {} + | sort) >"$T/before"
ok vitrine check --read-data
pull
(cd "$R" && find . -type f -exec md5sum {} + | sort) >"$T/after"
cmp "$T/before" "$T/after" || die "the repository changed"
