#!/bin/sh
# A put-only client: backs up, reads nothing, says nothing in others' names, and
# is refused once its key has been removed.
. "$(dirname "$0")/lib.sh"

S=$T/src
make_tree "$S"
owner() {
	vitrine "$@"
}
# The client has a home of its own, and its key only.
client() {
	HOME=$T/client XDG_CACHE_HOME=$T/client/cache \
	    XDG_STATE_HOME=$T/client/state VITRINE_PASSWORD=laptop \
	    "${CLIENT:-vitrine}" "$@"
}
packs() {
	objects packs/ | wc -l
}
mkdir "$T/client" "$T/mnt"
printf laptop >"$T/laptop.pass"

step "a key that can only put"
ok owner init
fails 2 owner key add --put-only --new-password-file "$T/laptop.pass"
says 'needs --host'
ok owner key add --put-only --host laptop --label "the laptop" \
    --new-password-file "$T/laptop.pass"
says 'put-only, for host laptop'
ok owner key list
says ' put-only .* laptop +the laptop'

step "it backs up, twice: the second finds its own chunks again"
ok owner backup "$S"
ok client backup "$S"
says 'Snapshot .* [1-9][0-9]* new'
n=$(packs)
seq 1 5000 >"$S/more"
ok client backup "$S"
says 'Snapshot '
[ "$(packs)" -le $((n + 4)) ] || die "stored anew: $n packs, then $(packs)"
added=$(out | sed -n 's/.*; \([0-9.]* [KMG]*i*B\) added.*/\1/p')
echo "added the second time: $added"
case $added in
*" MiB"|*" GiB") die "$added added" ;;
esac

step "without its cache"
rm -rf "$T/client/cache"
ok client backup "$S"

step "it reads nothing"
for command in "ls latest" "cat latest:$S/letter.txt" \
    "restore latest --target $T/no" "check" "snapshots" "key list" \
    "key add --new-password-file $T/laptop.pass" "mount $T/mnt"; do
	# shellcheck disable=SC2086
	fails 12 client $command
	says 'put-only'
	says_not 'letter|a letter'
done
[ ! -e "$T/no" ] || die "something was restored"
fails 2 client backup --host server "$S"
says 'laptop'

step "the owner reads all of it"
ok owner snapshots --host laptop
says '^3 snapshots'
ok owner restore --host laptop "latest:$S" --target "$T/back"
same "$S" "$T/back"
ok owner check --read-data

step "killed behind its commit, before it took note of that: it counts on"
echo killed >>"$S/more"
[ -x "$VITRINE_TEST" ] || die "make V=test first"
CLIENT=vitrine-test VITRINE_TEST_FAULTS=remove@1=kill fails 137 client backup "$S"
ok client backup "$S"
ok owner check
says '^No damage in 6 snapshots'
says_not 'warning'

step "without its state: it counts anew, which the owner is told"
pull
cp -a "$R" "$T/good"
rm -rf "$T/client/state"
ok client backup "$S"
ok owner check
says 'warning: laptop:.* sequence number.* lost its state directory'
says '^No damage '
rm -rf "$R"
cp -a "$T/good" "$R"
push

step "a store that turns a bit of the header, which it can't verify: it is told"
cp -a "$T/client" "$T/client.good"
chmod u+w "$R/vitrine"
for at in 40 48 56; do
	printf '\000' | dd of="$R/vitrine" bs=1 seek=$at conv=notrunc 2>/dev/null
done
push
seq 1 6000 >"$S/more"
ok client backup "$S"
says "warning: the repository's header is another than was seen before"
says '^Snapshot '
fails 4 owner check
says "header does not verify"
rm -rf "$R" "$T/client"
cp -a "$T/good" "$R"
mv "$T/client.good" "$T/client"
push

step "garbage under the name of a snapshot"
m=$(ls "$R/snapshots" | head -1)
chmod u+w "$R/snapshots/$m"
head -c 500 /dev/urandom >"$R/snapshots/$m"
push
fails 4 owner check
says "snapshots/$m: its bytes are not"
rm -rf "$T/cache"
fails 4 owner snapshots
says "snapshot $m is refused"
says 'one was refused'
fails 4 owner check
says "snapshot $m is refused"
says '^Damage: 1 finding '
rm -rf "$R"
cp -a "$T/good" "$R"
push

step "a snapshot in another host's name, and one under another writer's number"
forge=$(dirname "$VITRINE_TEST")/tests/scenario/forge
printf server >"$T/server.pass"
ok owner key add --put-only --host server --new-password-file "$T/server.pass"
rm -rf "$T/good"
pull
cp -a "$R" "$T/good"
for lie in "host server" "writer 2" "writer 99"; do
	# shellcheck disable=SC2086
	ok "$forge" "$REPO" "$T/laptop.pass" $lie
	m=$(out)
	fails 4 owner snapshots
	says "snapshot $m is refused"
	says "^6 snapshots; one was refused"
	fails 4 owner check
	says "snapshot $m is refused"
	says '^Damage: 1 finding '
	rm -rf "$R"
	cp -a "$T/good" "$R"
	push
done

step "garbage under the id of a chunk"
echo "what the chunk is" >"$T/known"
ok "$forge" "$REPO" "$T/laptop.pass" garbage "$T/known"
m=$(out)
fails 4 owner cat "$m:/forged"
says 'forged'
says_not '!!!|what the chunk is'
fails 3 owner restore "$m:/forged" --target "$T/forged"
says 'forged'
says_not '!!!'
! grep -q '!' "$T/forged/forged" 2>/dev/null || die "garbage was restored"
ok owner mount "$T/mnt"
fails 1 cat "$T/mnt/by-id/$(echo "$m" | cut -c1-8)"*/forged
says 'Input/output error'
ok owner umount "$T/mnt"
fails 4 owner check --read-data
says "/forged"
rm -rf "$R"
cp -a "$T/good" "$R"
push

step "a row of frames that can't be: only what lies there is lost"
# Of the small tree's one file, other names and others' parts; 2 is the frame.
lost="substr(chunks,1,5) || x'02000000' || substr(chunks,10)"
add() {
	cat <<END
INSERT INTO node SELECT $1,1,0,420,0,0,$2,0,0,0,0,$3,0,0,0,0,0,0,NULL,cast($4 AS BLOB) FROM node WHERE ino=3
END
}
{
	echo "INSERT INTO frame SELECT 2,pack,1,off,4294967295,raw,3 FROM frame"
	add 6 13 2 "$lost"
	add 7 26 1 "chunks || $lost"
	add 8 26 1 "chunks || chunks"
	for name in 2,x\'6131\',6 2,x\'7a31\',6 2,x\'6132\',7 2,x\'7a32\',8; do
		echo "INSERT INTO dirent VALUES($name)"
	done
	echo '!root /'
} >"$T/lines"
ok "$forge" "$REPO" "$T/laptop.pass" catalog "$T/lines"
m=$(out)
fails 3 owner restore "$m:/dir" --target "$T/rows"
says '^vitrine: (.*/)?a2: not restored: .*frame'
says '^vitrine: (.*/)?a1: not restored: .*frame'
says '[23] things could not be restored'
is "$(cd "$T/rows" && echo *)" "good link z2"
is "$(cat "$T/rows/good" "$T/rows/z2" | sort -u)" "good content"
echo "as it was" >"$T/rows/a2"
fails 3 owner restore "$m:/dir" --target "$T/rows" --overwrite always --in-place
is "$(cat "$T/rows/a2")" "as it was"
is "$(cd "$T/rows" && echo *)" "a2 good link z2"
ok owner mount "$T/mnt"
(
	cd "$T/mnt/by-id/$(echo "$m" | cut -c1-8)"*/dir || die "cd"
	ok cat good z2
	for name in a1 a2 z1; do
		fails 1 cat $name
		says 'Input/output error'
	done
) || exit 1
ok owner umount "$T/mnt"
fails 4 owner check --read-data
for name in a1 a2 z1; do
	says "dir/$name: damage: snapshot $(echo "$m" | cut -c1-8): "
done
says_not "can't be read|dir/(good|z2)|: : "

step "... and damage elsewhere is traced to the others"
owner sql "$m" "SELECT lower(hex(p.id)), f.off + 40 FROM frame f
    JOIN pack p ON p.no=f.pack WHERE f.no=1" >"$T/place"
pack=$(tail -1 "$T/place" | cut -f1)
pull
flip_bit "$R/packs/$(echo "$pack" | cut -c1-2)/$pack" \
    "$(tail -1 "$T/place" | cut -f2)"
push
fails 4 owner check --read-data
for name in good a2 z2; do
	says "dir/$name: damage: snapshot $(echo "$m" | cut -c1-8)[^ ]*: bytes 0-.* are lost"
done
says "not all that the damage hits can be told: .*a frame that can't be"
rm -rf "$R"
cp -a "$T/good" "$R"
push

step "a key that was removed: what it stores from then on is refused"
id=$(owner key list | awk '/put-only.*laptop/ { print $1 }')
cp -a "$R/keys" "$T/keys"
ok owner key remove "$id"
says 'refused'
fails 12 client backup "$S"
ok owner snapshots --host laptop
says '^5 snapshots'
pull
before=$(ls "$R/snapshots")
# It kept a copy of its slot, and does not see the revocation.
mkdir "$T/removed"
mv "$R/keys" "$T/removed/keys"
cp -a "$T/keys" "$R/keys"
push
ok client backup "$S"
pull
new=$(ls "$R/snapshots" | grep -v -F "$before")
rm -rf "$R/keys"
mv "$T/removed/keys" "$R/keys"
push
fails 4 owner snapshots
says "snapshot $new is refused: .*(revoked|removed|no key slot)"
fails 4 owner check
says "snapshot $new is refused"
fails 4 owner snapshots --host laptop
says '^5 snapshots; one was refused'
