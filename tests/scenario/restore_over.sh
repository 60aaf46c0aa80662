#!/bin/sh
# Restore onto what is there, each option of it.
. "$(dirname "$0")/lib.sh"

S=$T/src
make_links "$S"
seq 1 200000 >"$S/big"
truncate -s 3M "$S/hole"
printf end >>"$S/hole"
: >"$S/empty"
touch -d '2020-01-01' "$S/a/one" "$S/a/b/two" "$S/c/three" "$S/big" "$S/hole"
ok vitrine init
ok vitrine backup "$S"
D=$T/there

fresh() {
	rm -rf "$D"
	ok vitrine restore "latest:$S" --target "$D"
}

# A target that was there keeps its own metadata.
alike() {
	touch -r "$S" "$D"
	same "$S" "$D"
}

step "--dry-run lists, and does nothing"
ok vitrine restore "latest:$S" --target "$T/new" --dry-run
says '^create    a/b/two$'
says '^Snapshot .*7 files, .* would be restored to '
[ ! -e "$T/new" ] || die "the target was made"
fresh
echo changed >"$D/a/b/two"
echo extra >"$D/extra"
ok vitrine restore "latest:$S" --target "$D" -n --overwrite changed --delete
says '^replace   a/b/two$'
says '^metadata  c/three$'
says '^delete    extra$'
is "$(cat "$D/a/b/two") $(cat "$D/extra")" "changed extra"
fails 3 vitrine restore "latest:$S" --target "$D" --dry-run
says 'a/b/two: not restored: something of this name is there already'

step "--overwrite never leaves what is there"
ok vitrine restore "latest:$S" --target "$D" --overwrite never
says '; 8 kept'
is "$(cat "$D/a/b/two")" changed

step "nor takes a file's place for a directory"
fresh
rm -r "$D/a"
echo mine >"$D/a"
touch -d '2040-01-01' "$D/a"
for when in never newer; do
	ok vitrine restore "latest:$S" --target "$D" --overwrite $when
	is "$(cat "$D/a")" mine
	is "$(cat "$D/c/one-again")" one
done
fresh

step "a name that is left doesn't stand for the others of its file"
rm "$D/c/one-again" && echo mine >"$D/a/one"
ok vitrine restore "latest:$S" --target "$D" --overwrite never
is "$(cat "$D/a/one") $(cat "$D/c/one-again")" "mine one"

step "a directory that isn't empty is in the way, which --dry-run knows"
rm "$D/empty" "$D/hole"
mkdir -p "$D/empty/full" "$D/hole"
for n in "" -n; do
	# shellcheck disable=SC2086 # words
	fails 3 vitrine restore "latest:$S" --target "$D" $n --overwrite always
	says "^vitrine: empty: not restored: a directory that isn't empty is there$"
	says 'restored.* 1 thing could not be restored'
done

step "where a file's first name can't be made, the next is, in the place of what is there"
fresh
rm "$D/a/one" "$D/c/one-again"
mkdir -p "$D/a/one/full" "$D/c/one-again"
fails 3 vitrine restore "latest:$S" --target "$D" --overwrite always
says "^vitrine: a/one: not restored: a directory that isn't empty is there$"
says '1 thing could not be restored'
is "$(cat "$D/c/one-again")" one

step "a further name, where something else is: left, refused, replaced"
# over STATUS ARGUMENT ...: a/one is not there, and made.
over() {
	rm "$D/a/one"
	status=$1
	shift
	fails "$status" vitrine restore "latest:$S" --target "$D" "$@"
	is "$(cat "$D/a/one")" one
}
fresh
rm "$D/c/one-again" && echo mine >"$D/c/one-again"
over 0 --overwrite never
says '; 7 kept'
is "$(cat "$D/c/one-again")" mine
over 3 --include one --include one-again
says 'c/one-again: not restored: link to it: something of this name is there'
is "$(cat "$D/c/one-again")" mine
over 0 --overwrite changed
is "$(stat -c %i "$D/c/one-again")" "$(stat -c %i "$D/a/one")"
rm "$D/c/one-again" && mkdir -p "$D/c/one-again/full"
over 3 --overwrite changed
says "c/one-again: not restored: a directory that isn't empty is there"
rmdir "$D/c/one-again/full"
over 0 --overwrite changed
alike
rm -r "$D/a" "$D/c"
ok vitrine restore "latest:$S" --target "$D" --include one --include one-again
is "$(stat -c %i "$D/c/one-again")" "$(stat -c %i "$D/a/one")"

step "--overwrite newer takes what the snapshot has newer"
fresh
echo old >"$D/a/b/two"
touch -d '2019-01-01' "$D/a/b/two"
echo new >"$D/c/three"
ok vitrine restore "latest:$S" --target "$D" --overwrite newer
is "$(cat "$D/a/b/two")" two
is "$(cat "$D/c/three")" new

step "--overwrite changed goes by type, size and time"
fresh
echo 2wo >"$D/a/b/two"
touch -d '2020-01-01' "$D/a/b/two"
echo longer than that >"$D/c/three"
ln -sf elsewhere "$D/c/link"
printf longer >>"$D/hole"
touch -r "$S/hole" "$D/hole"
rm "$D/empty" && mkdir "$D/empty"
rm -r "$D/c/one-again" && echo x >"$D/c/one-again"
chmod 0 "$D/big"
kept=$(stat -c %i "$D/big")
ok vitrine restore "latest:$S" --target "$D" --overwrite changed
is "$(cat "$D/a/b/two")" 2wo
is "$(cat "$D/c/three")" three
is "$(stat -c %i "$D/big")" "$kept"
is "$(stat -c %a "$D/big")" "$(stat -c %a "$S/big")"
echo two >"$D/a/b/two"
touch -r "$S/a/b/two" "$D/a/b/two"
touch -r "$S/a/b" "$D/a/b"
alike
# As long, and another.
ln -sf ../b/one "$D/c/link"
ok vitrine restore "latest:$S" --target "$D" --overwrite changed
alike
if [ "$(id -u)" = 0 ] && mkdir "$T/devices" && mknod "$T/devices/d" c 1 3; then
	ok vitrine backup "$T/devices"
	mkdir "$T/devices-too"
	mknod "$T/devices-too/d" c 1 5
	ok vitrine restore "latest:$T/devices" --target "$T/devices-too" \
	    --overwrite changed
	is "$(stat -c %t:%T "$T/devices-too/d")" 1:3
	ok vitrine backup "$S"
fi

step "--overwrite always writes everything; a file is whole at any moment"
fresh
echo 2wo >"$D/a/b/two"
touch -d '2020-01-01' "$D/a/b/two"
rm "$D/c/three" && mkdir "$D/c/three"
rm -r "$D/a/b/two" && ln -s /nowhere "$D/a/b/two"
inode=$(stat -c %i "$D/big")
ok vitrine restore "latest:$S" --target "$D" --overwrite always
[ "$(stat -c %i "$D/big")" != "$inode" ] || die "the file was written to"
alike
[ -z "$(find "$D" -name '.vitrine-*')" ] || die "a temporary file was left"

step "a directory with something in it goes away with --delete only"
rm "$D/c/three" && mkdir "$D/c/three" && echo x >"$D/c/three/x"
fails 3 vitrine restore "latest:$S" --target "$D" --overwrite always
says "c/three: not restored: a directory that isn't empty is there"
is "$(cat "$D/c/three/x")" x
ok vitrine restore "latest:$S" --target "$D" --overwrite always --delete
alike
rm -r "$D/a" && echo file >"$D/a"
ok vitrine restore "latest:$S" --target "$D" --overwrite changed
alike

step "--delete takes away what the snapshot doesn't have, and no more"
mkdir -p "$D/more/below" "$T/outside"
echo x >"$D/more/below/x"
echo x >"$D/a/spared.keep"
echo safe >"$T/outside/file"
ln -s "$T/outside" "$D/a/door"
ok vitrine restore "latest:$S" --target "$D" --overwrite changed --delete \
    --exclude '*.keep' --exclude three
says '; 4 deleted'
is "$(cat "$T/outside/file")" safe
[ ! -e "$D/more" ] && [ ! -L "$D/a/door" ] || die "not deleted"
[ -e "$D/a/spared.keep" ] && [ -e "$D/c/three" ] || die "deleted too much"
rm "$D/a/spared.keep" && touch -r "$S/a" "$D/a"
alike

step "--delete spares what the backup excluded"
ok vitrine backup --exclude '*.cache' --exclude "$S/c/kept" "$S"
echo x >"$D/a/x.cache" && mkdir -p "$D/c/kept" && echo x >"$D/c/kept/x"
echo x >"$D/c/gone"
ok vitrine restore "latest:$S" --target "$D" --overwrite changed --delete
says '; 1 deleted'
[ -e "$D/a/x.cache" ] && [ -e "$D/c/kept/x" ] || die "deleted too much"
ok vitrine backup "$S"
ok vitrine restore "latest:$S" --target "$D" --overwrite changed --delete
says '; 3 deleted'
alike

step "a whole snapshot: above its roots nothing is deleted"
mkdir -p "$T/root$T/other"
ok vitrine restore latest --target "$T/root" --delete
[ -d "$T/root$T/other" ] || die "deleted beside a root"
same "$S" "$T/root$S"

step "--include and --exclude"
ok vitrine restore "latest:$S" --target "$T/some" --include two \
    --include /c/ --include "$S/c/" --exclude link
is "$(cd "$T/some" && find . | sort | tr '\n' ' ')" \
    ". ./a ./a/b ./a/b/two ./c ./c/one-again ./c/three "
is "$(stat -c %Y "$T/some/a")" "$(stat -c %Y "$S/a")"
ok vitrine restore "latest:$S" --target "$T/less" --exclude a --exclude '*e'
is "$(cd "$T/less" && find . | sort | tr '\n' ' ')" \
    ". ./big ./c ./c/link ./c/one-again ./empty "
fails 2 vitrine restore "latest:$S" --target "$T/less" --include '[a'

step "--in-place writes only what differs"
fresh
inode=$(stat -c %i "$D/big")
printf X | dd of="$D/big" bs=1 seek=700000 conv=notrunc status=none
printf tail >>"$D/big"
head -c 2500000 /dev/urandom | dd of="$D/hole" conv=notrunc status=none
echo x >"$D/empty"
ok vitrine restore "latest:$S" --target "$D" --in-place
is "$(stat -c %i "$D/big")" "$inode"
alike
[ "$(du -k "$D/hole" | cut -f1)" -lt 1024 ] || die "the hole was written"
printf X | dd of="$D/big" bs=1 seek=1200000 conv=notrunc status=none
touch -r "$S/big" "$D/big"
ok vitrine --json restore "latest:$S" --target "$D" --in-place \
    --overwrite always
says '"bytes_there":1[0-9]{6},'
is "$(stat -c %i "$D/big")" "$inode"
alike
ln "$D/big" "$T/second-name"
echo x >>"$D/big"
ok vitrine restore "latest:$S" --target "$D" --in-place
is "$(tail -1 "$T/second-name")" x
alike
fails 2 vitrine restore "latest:$S" --target "$D" --in-place --overwrite never

step "--delete leaves alone what is mounted there, also from the same file system"
mkdir "$T/dear" "$D/bound"
echo dear >"$T/dear/letter"
if [ "$(id -u)" = 0 ] && mount --bind "$T/dear" "$D/bound"; then
	fails 3 vitrine restore "latest:$S" --target "$D" --overwrite changed \
	    --delete
	says 'bound: not restored: something is mounted there, so it stays'
	is "$(cat "$T/dear/letter")" dear
	umount "$D/bound"
fi
ok vitrine restore "latest:$S" --target "$D" --overwrite changed --delete
alike

step "--verify reads back"
rm -rf "$D"
ok vitrine restore "latest:$S" --target "$D" --verify
says '; 6 verified'
alike
ok vitrine restore "latest:$S/big" --target "$T/one" --verify
says '; 1 verified'
ok vitrine restore "latest:$S/c/one-again" --target "$T/one" --verify
says '; 1 verified'

step "--verify reads back the name that was written, of several"
ok vitrine restore "latest:$S" --target "$T/second" --include one-again --verify
says ': 1 file, .*; 1 verified'
mkdir "$T/second/a"
echo mine >"$T/second/a/one"
rm "$T/second/c/one-again"
fails 3 vitrine restore "latest:$S" --target "$T/second" --include one \
    --include one-again --verify
says 'a/one: not restored: something of this name is there already'
says ': 1 file, .*; 1 verified; 1 thing could not'
is "$(cat "$T/second/a/one") $(cat "$T/second/c/one-again")" "mine one"

step "--read-concurrency"
ok vitrine restore "latest:$S" --target "$T/conc" --read-concurrency 7
same "$S" "$T/conc"

step "words that aren't known"
fails 2 vitrine restore "latest:$S" --target "$D" --overwrite sometimes
says 'none of always, changed, newer, never'
fails 2 vitrine restore "latest:$S" --target "$D" --owner-map ana
says 'is not FROM:TO'
fails 2 vitrine restore "latest:$S" --target "$D" --owner-map ana:no-such-user
says 'this system has no user "no-such-user"'
fails 2 vitrine restore "latest:$S" --target "$D" --group-map 0:no-such-group
says 'this system has no group'

if [ "$(id -u)" = 0 ]; then
	step "--owner-map, --group-map"
	chown 1234:5678 "$S/big"
	chown daemon:daemon "$S/empty"
	ok vitrine backup "$S"
	ok vitrine restore "latest:$S" --target "$T/owned" \
	    --owner-map 1234:4321 --owner-map daemon:nobody \
	    --group-map 5678:8765 --group-map '*:7'
	is "$(stat -c %u:%g "$T/owned/big")" 4321:8765
	is "$(stat -c %U:%g "$T/owned/empty")" nobody:7
	is "$(stat -c %u:%g "$T/owned/a")" 0:7
fi

step "what could not be restored counts for nothing, and is listed once"
W=$T/wide
mkdir "$W"
truncate -s 64M "$W/1"
echo end >>"$W/1"
ln "$W/1" "$W/2"
ln "$W/1" "$W/3"
seq 100000 >"$W/seq"
ok vitrine backup "$W"
ok vitrine restore "latest:$W" --target "$T/wide-too" -n
says ': 4 files, 65 MiB would be restored'
ok vitrine restore "latest:$W" --target "$T/wide-too"
says ': 4 files, 65 MiB restored'
fails 3 vitrine restore "latest:$W" --target "$T/wide-too"
says ': 0 files, 0 B restored .*; 4 things could not be restored'
is "$(out | grep -c 'there already')" 4
rm "$T/wide-too/2"
fails 3 vitrine restore "latest:$W" --target "$T/wide-too"
says ': 1 file, 64 MiB restored .*; 3 things could not be restored'
is "$(out | grep -c 'there already')" 3
rm -r "$T/wide-too"
ok vitrine restore "latest:$W" --target "$T/wide-too"
for when in changed never newer; do
	ok vitrine restore "latest:$W" --target "$T/wide-too" --overwrite $when
	says ': 0 files, 0 B restored .*; 4 kept'
	ok vitrine restore "latest:$W" --target "$T/wide-too" --overwrite $when -n
	says ': 0 files, 0 B would be restored .*; 4 kept'
done
ok vitrine restore "latest:$W" --target "$T/wide-too" --overwrite always
says ': 4 files, 65 MiB restored'
touch -r "$W" "$T/wide-too"
same "$W" "$T/wide-too"
