#!/bin/sh
# A second run: reads only what changed, moves what was renamed, keeps links.
. "$(dirname "$0")/lib.sh"

S=$T/src
make_tree "$S"
mkdir -p "$S/many"
for i in 1 2 3 4 5 6 7 8 9; do
	mkdir "$S/many/$i"
	for j in 1 2 3 4 5; do echo "$i $j" >"$S/many/$i/$j"; done
done
ln "$S/many/1/1" "$S/many/2/link"
ln -s x "$S/many/sym"; ln "$S/many/sym" "$S/many/3/sym too"
mkfifo "$S/many/p"; ln "$S/many/p" "$S/many/3/p too"
ok vitrine init
sleep 3.1

same_as_restored() {
	rm -rf "$T/back"
	ok vitrine restore "latest:$S" --target "$T/back"
	same "$S" "$T/back"
}

step "nothing changed: nothing read, nothing added but the snapshot"
ok vitrine backup "$S"
tables() { objects index/ | wc -l; }
n=$(tables)
ok vitrine backup "$S"
# (/tmp itself may have changed: some bytes of catalog.)
says ' 0 new, 0 changed, 0 removed; [0-9.]+ (B|KiB) added'
is "$(tables)" "$n"
same_as_restored

step "content, metadata, kind"
echo more >>"$S/many/5/5"
chmod 600 "$S/many/5/4"
setfattr -n user.x -v y "$S/many/5/3" 2>/dev/null
touch -d '2001-01-01' "$S/many/5/2"
rm "$S/many/6/1"; mkdir "$S/many/6/1"; echo x >"$S/many/6/1/x"
rm -r "$S/many/7"; echo file >"$S/many/7"
rm "$S/many/8/1"; ln -s 2 "$S/many/8/1"
chmod 700 "$S/many/9"
sleep 3.1
ok vitrine backup "$S"
same_as_restored
ok vitrine backup "$S"
says ' 0 new, 0 changed, 0 removed'

step "renamed directories: their files are neither new nor changed"
mv "$S/many" "$S/moved"
sleep 3.1
ok vitrine backup "$S"
says ' 0 new, 0 changed, 0 removed'
same_as_restored
mv "$S/moved" "$S/dir/deeper/again"
mv "$S/dir/deeper/again/4" "$S/a4"
ok vitrine backup "$S"
says ' 0 new, 0 changed, 0 removed'
same_as_restored
step "... also where another takes the place, and round about"
A=$S/dir/deeper/again
mv "$A/1" "$A/x"; mv "$A/2" "$A/1"; mv "$A/3" "$A/2"; mv "$A/x" "$A/3"
mkdir "$A/4"; echo fresh >"$A/4/f"
sleep 3.1
ok vitrine backup "$S"
says ' 1 new, 0 changed, 0 removed'
same_as_restored
mv "$A" "$S/top"; rm -r "$S/dir"; mkdir "$S/dir"; mv "$S/top" "$S/dir/in"
sleep 3.1
ok vitrine backup "$S"
says ' 0 new, 1 changed|0 new, 0 changed'
same_as_restored
A=$S/dir/in

step "hard links: broken, made, changed"
cp -a "$A/3/1" "$T/copy"; rm "$A/3/1"; echo apart >"$A/3/1"
ln "$A/5/1" "$A/5/link"; ln "$A/5/1" "$S/0link"
echo both >>"$S/letter.txt"
sleep 3.1
ok vitrine backup "$S"
same_as_restored
echo apart again >"$A/5/link.new"; mv "$A/5/link.new" "$A/5/link"
rm "$S/0link"
sleep 3.1
ok vitrine backup "$S"
same_as_restored
ok vitrine backup "$S"
says ' 0 new, 0 changed, 0 removed'
ok vitrine check --read-data

step "what is too fresh is read again, even if its times say nothing"
# However long it takes to come to it.
echo one >"$S/fresh"
VITRINE_TEST_TIME=$(stat -c %Z "$S/fresh") ok vitrine-test backup "$S"
ok vitrine --json backup "$S"
says '"bytes_read":[1-9]'

step "each name of a file is new, changed or unchanged"
L=$T/named
counts() {
	ok vitrine --json backup "$L"
	out | grep -o '"files[a-z_]*":[0-9]*' | cut -d: -f2 | tr '\n' ' ' \
	    >"$T/counts"
}
mkdir "$L"
echo one >"$L/1"
ln "$L/1" "$L/2"
echo three >"$L/3"
ok vitrine -v backup -n "$L"
says '/2: added'
counts
is "$(cat "$T/counts")" "3 3 0 0 "
sleep 3.1
counts
is "$(cat "$T/counts")" "3 0 0 3 "
sleep 3.1
counts
is "$(cat "$T/counts")" "3 0 0 3 "
echo more >>"$L/2"
ln "$L/2" "$L/4"
counts
is "$(cat "$T/counts")" "4 1 2 1 "
