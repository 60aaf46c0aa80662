#!/bin/sh
# Damage that is marked is mended by the next backup, for old snapshots too.
. "$(dirname "$0")/lib.sh"

S=$T/src
mkdir -p "$S"
for i in 0 1 2 3; do
	head -c 40000 /dev/urandom >"$S/file$i"
done
ok vitrine init
ok vitrine backup "$S"
cp -a "$S" "$T/as-it-was"
head -c 5000 /dev/urandom >"$S/file3"
ok vitrine backup "$S"
old=$(vitrine snapshots --json | /usr/bin/python3 -c '
import json, sys
print([json.loads(l) for l in sys.stdin if "snapshot" in l][0]["id"])')

# The data pack that has file0 (kind 3), as it was written first.
pull
p=$(for f in $(ls -tr "$R"/packs/*/*); do
	[ "$(od -An -tu1 -j4 -N1 "$f" | tr -d ' ')" = 3 ] && echo "$f"
done | head -1)
name=$(basename "$p" | cut -c1-8)
chmod u+w "$p"
printf '\377\376\375' | dd of="$p" bs=1 seek=2000 conv=notrunc 2>/dev/null
push

step "a backup takes what is there as known, damaged or not"
fails 4 vitrine check --read-data
says "damage: pack $name: frame 0"
says 'check --read-data --mark-damaged, then back up the same sources again'
ok vitrine backup "$S"
fails 4 vitrine check --read-data
says 'bytes .* are lost'
objects damaged | grep -q . && die "check wrote without being told"

step "marked: stored anew"
fails 4 vitrine check --read-data --mark-damaged
says '1 damaged pack is marked'
n=$(objects damaged | wc -l)
is "$n" 1
fails 4 vitrine check --read-data --mark-damaged
is "$(objects damaged | wc -l)" 1
ok vitrine backup "$S"
says 'added'
ok vitrine restore "latest:$S" --target "$T/healed"
same "$S" "$T/healed"

step "what is still there is whole again in the old snapshot"
for i in 0 1 2; do
	ok vitrine restore "$old:$S/file$i" --target "$T/old$i"
	cmp "$T/as-it-was/file$i" "$T/old$i/file$i" || die "file$i"
done
fails 4 vitrine check --read-data
says "damage: pack $name: frame 0"
says_not 'file[012]: damage: '
