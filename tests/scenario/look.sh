#!/bin/sh
# run: timeout=300
# find, diff, history, stats: what they say of snapshots whose content is known.
. "$(dirname "$0")/lib.sh"

head -c 40 /dev/urandom >"$T/key"
VITRINE_KEY_FILE=$T/key
export VITRINE_KEY_FILE
unset VITRINE_PASSWORD
D=$T/src
make_tree "$D"
mkdir "$D/many"
(cd "$D/many" && seq -f 'f%04g' 1 300 | xargs touch -d '2020-01-01 UTC')
ok vitrine init
ok vitrine backup "$D" --exclude '*.tmp' --tag first
a=$(vitrine snapshots --json --tag first | sed -n 's/.*"id":"\([0-9a-f]*\)".*/\1/p')
ok vitrine diff "$a" --live
says ' 0 added, 0 removed, 0 changed, 0 in type, 0 in metadata only'
is "$(out | wc -l)" 1

echo more >>"$D/letter.txt"
rm "$D/dir/random" "$D/dangling" "$D/many/f0150"
mkdir "$D/dangling"
echo a >"$D/dangling/a"
chmod 600 "$D/empty"
touch -d '2021-01-01 UTC' "$D/many/f0003"
touch "$D/many/f0300.new" "$D/none.tmp"
xattr=1
setfattr -n user.note -v x "$D/hole" 2>/dev/null || xattr=0
ln -sfn elsewhere "$D/dir/link"
b=$(vitrine --json backup "$D" --exclude '*.tmp' --tag second |
    sed -n 's/.*"snapshot":"\([0-9a-f]*\)".*/\1/p')

step "cat: what is there, zeros where nothing is"
ok sh -c "vitrine cat '$a:$D/hole' | cmp - '$D/hole'"
ok sh -c "vitrine cat '$b:$D/dir/numbers' | cmp - '$D/dir/numbers'"

step "diff: each kind of change"
ok vitrine diff "$a" "$b"
cp "$T/out" "$T/diff"
says "^T +- +- +$D/dangling/\$"
says "^\+ +- +2 B +$D/dangling/a\$"
says "^C +9 B +14 B +$D/letter.txt  \(mtime\)\$"
says "^- +293 KiB +- +$D/dir/random\$"
says "^M +0 B +0 B +$D/empty  \(mode\)\$"
says "^M +0 B +0 B +$D/many/f0003  \(mtime\)\$"
says "^\+ +- +0 B +$D/many/f0300.new\$"
says "^- +0 B +- +$D/many/f0150\$"
says "^C +- +- +$D/dir/link  \(mtime\)\$"
[ $xattr = 0 ] || says "^M +5.0 MiB +5.0 MiB +$D/hole  \(xattrs\)\$"
says '2 added, 2 removed, 3 changed, 1 in type, '
says_not 'none.tmp'

step "diff --live says the same, without what was excluded"
ok vitrine diff --live "$a"
grep "^[-+A-Z] .*$D" "$T/out" >"$T/live"
grep "^[-+A-Z] .*$D" "$T/diff" >"$T/snaps"
cmp "$T/live" "$T/snaps" || { diff "$T/live" "$T/snaps"; die "they differ"; }
ok vitrine diff --live --json "$b" "$D/dir"
says '"added":0,"removed":0,.*"content_changed":0,"metadata_changed":0'

step "diff: a file that only seems the same is read"
seq 1 100000 >"$T/numbers"
touch -r "$D/dir/numbers" "$T/numbers"
printf 2 | dd of="$T/numbers" bs=1 seek=400000 conv=notrunc 2>/dev/null
touch -r "$D/dir/numbers" "$T/numbers"
cat "$T/numbers" >"$D/dir/numbers"
touch -r "$T/numbers" "$D/dir/numbers"
chmod 4711 "$D/dir/numbers"
ok vitrine diff --live "$b" "$D/dir/numbers"
says "^C +575 KiB +575 KiB +$D/dir/numbers\$"
seq 1 100000 >"$D/dir/numbers"
touch -r "$T/numbers" "$D/dir/numbers"
chmod 4711 "$D/dir/numbers"
ok vitrine diff --live "$b" "$D/dir/numbers"
says ' 0 changed,'

step "diff: other ways"
ok vitrine diff "$b" "$a" "$D/dir"
says "^\+ .*$D/dir/random\$"
says_not letter.txt
ok vitrine diff "$a" "$a"
is "$(out | wc -l)" 1
fails 1 vitrine diff "$a" "$b" /nothing
says 'no /nothing on either side'
fails 2 vitrine diff "$a"
says 'diff takes two snapshots, or one and --live'
fails 2 vitrine diff "$a:/x" "$b"
fails 1 vitrine diff "$a" 00000000
if [ "$(id -u)" != 0 ]; then
	chmod 0 "$D/dir"
	fails 3 vitrine diff --live "$b"
	chmod 755 "$D/dir"
fi

step "ls -l: sizes for people, --bytes for machines"
ok vitrine ls -l "$a:$D"
says '^-rw-.{7,8} +2 .* 9 B .* letter.txt$'
says '^-rw-.* 5\.0 MiB .* hole$'
says '^d.* - [-0-9]+ .* dir$'
ok vitrine ls -l --bytes "$a:$D"
says '^-rw-.* 5242883 .* hole$'

step "history"
ok vitrine backup -q "$D"
ok vitrine history "$D/letter.txt"
is "$(out | grep -c "$(hostname)\|added\|content")" 2
says '  1  added +-rw-'
says '  2  content +-rw-'
says '^2 versions\.$'
ok vitrine history "$D/dir//random"
says ' removed'
ok vitrine history --json --tag second "$D/dir/link"
says '"change":"added".*"snapshots":1,"kind":"symlink"'
if [ $xattr = 1 ]; then
	ok vitrine history --json "$D/hole"
	is "$(grep -c '"type":"file_version"' "$T/out")" 2
	says '"change":"metadata"'
	ok vitrine find "$D/hole"
	says '^2 found|: 2 found'
fi
ok vitrine history "$D/many/f0003"
says '  2  metadata +-rw-'
step "history: content that only its ctime gives away"
cp -p "$D/dir/numbers" "$T/numbers"
printf 2 | dd of="$D/dir/numbers" bs=1 seek=400000 conv=notrunc 2>/dev/null
touch -r "$T/numbers" "$D/dir/numbers"
ok vitrine backup -q "$D"
ok vitrine history "$D/dir/numbers"
says '  1  content +-rw'
says '^2 versions\.$'
fails 1 vitrine history "$D/letter"
says "no snapshot has $D/letter; \"vitrine find 'letter'\" looks"
fails 2 vitrine history letter.txt
says 'an absolute path'

step "find"
ok vitrine find 'f000[1-4]'
says '5 found'
ok vitrine find --snapshot "$a" 'f000[1-4]'
says '4 found'
ok vitrine find --modified-after 2021-01-01T00:00:00Z --modified-before \
    2021-01-01T00:00:01Z
says '1 found'
ok vitrine find --min-size 5M --max-size 6M
says "$D/hole\$"
ok vitrine find --type symlink --type d --snapshot latest
says "$D/dir/link\$"
says "$D/many/\$"
says_not letter.txt
ok vitrine find --regex '/many/f00(01|02)$' "$D/empty\$" --snapshot "$b"
says '3 found'
ok vitrine find "$D/d*/*/same*" --host "$(vitrine snapshots --json | sed -n \
    's/.*"host":"\([^"]*\)".*/\1/p' | head -1)"
says '2 found'
ok vitrine find --json 'name*'
says '"type":"entry","snapshot":.*"path_base64"'
ok vitrine find nothing
says 'nothing found'
fails 2 vitrine find
fails 2 vitrine find --type x
says '"x" is none of file, directory,'
fails 2 vitrine find --regex '('
fails 1 vitrine find --after 2999-01-01T00:00:00Z x
says 'no snapshot fits'

step "stats"
printf 12345678 >"$T/eight"
mkdir "$T/small"
cp "$T/eight" "$T/small/a"
cp "$T/eight" "$T/small/b"
ok vitrine backup -q --host small "$T/small"
ok vitrine stats --host small --bytes
says '^source +16  2 files in 1 snapshot$'
says '^unique +8  1 chunk, each once$'
says_not '^stored'
ok vitrine stats --json
stored=$(objects | awk '{ n += $1 } END { print n }')
says "\"stored_bytes\":$stored,"
is "$(grep -c '"type":"growth"' "$T/out")" 5
ok vitrine stats --fast
says_not '^unique'
ok vitrine stats "$a" "$b"
says ' in 2 snapshots$'
fails 1 vitrine stats 00000000

step "find: what is wrong with its patterns"
fails 2 vitrine find '[a'
says '^vitrine: pattern "\[a": a set'

step "diff: what is a hole on both sides is not read: that would take days"
mkdir "$T/vast"
if truncate -s 15T "$T/vast/disk" 2>/dev/null; then
	echo end >>"$T/vast/disk"
	ok vitrine backup --name vast "$T/vast"
	touch "$T/vast/disk"
	ok vitrine diff --name vast --live latest "$T/vast"
	says ' 0 changed,.* 1 in metadata only'
	printf x | dd of="$T/vast/disk" bs=1 seek=7T conv=notrunc 2>/dev/null
	ok vitrine diff --name vast --live latest "$T/vast"
	says "^C .*vast/disk"
fi
