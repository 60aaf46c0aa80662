#!/bin/sh
# What is left out, and lists in files: each option and its wrong uses.
. "$(dirname "$0")/lib.sh"

S=$T/src
mkdir -p "$S/cache/in" "$S/fake" "$S/mark/in" "$S/head" "$S/keep"
printf 'Signature: 8a477f597d28d172789f06886806bc55\n# a cache\n' \
    >"$S/cache/CACHEDIR.TAG"
echo 'Signature: none' >"$S/fake/CACHEDIR.TAG"
echo x >"$S/cache/in/x"; echo x >"$S/fake/x"; echo x >"$S/mark/in/x"
echo x >"$S/head/x"; echo x >"$S/keep/x"; echo x >"$S/keep/y.tmp"
: >"$S/mark/.nobackup"; echo "keep out, please" >"$S/head/NOTE"
ok vitrine init

# The names of the newest snapshot, from $S on.
names() {
	rm -rf "$T/back"
	vitrine -q restore latest --target "$T/back" >"$T/log" 2>&1 ||
	    die "restore: $(cat "$T/log")"
	(cd "$T/back$S" && find . | sed 's,^\./,,' | grep -v '^\.$' |
	    LC_ALL=C sort | tr '\n' ' ')
}

step "--exclude-caches: the signature counts, the tag stays"
ok vitrine backup --exclude-caches "$S"
is "$(names)" "cache cache/CACHEDIR.TAG fake fake/CACHEDIR.TAG fake/x head\
 head/NOTE head/x keep keep/x keep/y.tmp mark mark/.nobackup mark/in mark/in/x "
ok vitrine backup --exclude-caches "$S/cache"
says "cache: left out: .*CACHEDIR.TAG"
ok vitrine backup -v --exclude-caches "$S"
says "cache: left out, but for its CACHEDIR.TAG"

step "--exclude-if-present, by name and by what it begins with"
ok vitrine backup --exclude-if-present .nobackup \
    --exclude-if-present 'NOTE:keep out' --exclude-if-present 'x:y' "$S"
is "$(names)" "cache cache/CACHEDIR.TAG cache/in cache/in/x fake\
 fake/CACHEDIR.TAG fake/x head head/NOTE keep keep/x keep/y.tmp mark\
 mark/.nobackup "
for bad in a/b '' :x . ..; do
	fails 2 vitrine backup --exclude-if-present "$bad" "$S"
	says 'without a path'
done

step "--exclude-larger-than: files only, and not the size itself"
head -c 4096 /dev/zero >"$S/keep/even"
head -c 4097 /dev/zero >"$S/keep/odd"
ok vitrine backup --exclude-larger-than 4K "$S/keep"
is "$(names)" "keep keep/even keep/x keep/y.tmp "
ok vitrine backup --exclude-larger-than 4K "$S/keep/odd"
says ' 1 file,'
fails 2 vitrine backup --exclude-larger-than much "$S"
rm "$S/keep/even" "$S/keep/odd"

step "--exclude-file, and taking back"
printf '# comment\n\n  *.tmp  \r\n/**/in/\nhead\n!%s/mark/in\n' "$S" >"$T/ex"
ok vitrine backup --exclude-file "$T/ex" "$S"
is "$(names)" "cache cache/CACHEDIR.TAG fake fake/CACHEDIR.TAG fake/x keep\
 keep/x mark mark/.nobackup mark/in mark/in/x "
ok vitrine backup --exclude-file "$T/ex" --exclude '!*.tmp' "$S/keep"
is "$(names)" "keep keep/x keep/y.tmp "
ok sh -c "vitrine backup --exclude-file - '$S/keep' <'$T/ex'"
is "$(names)" "keep keep/x "
printf 'ok\n[a\n' >"$T/ex"
fails 2 vitrine backup --exclude-file "$T/ex" "$S"
says "$T/ex, line 2: .*\\[a"
fails 1 vitrine backup --exclude-file "$T/none" "$S"
says "$T/none: No such file"

step "--files-from: lines, patterns, comments"
cd "$S" || die cd
printf '# list\n\n  keep\t\n%s/f*\nmar[k]\n' "$S" >"$T/list"
ok vitrine backup --files-from "$T/list"
is "$(names)" "fake fake/CACHEDIR.TAG fake/x keep keep/x keep/y.tmp mark\
 mark/.nobackup mark/in mark/in/x "
printf 'keep\nnone*\n' >"$T/list"
ok vitrine -q backup --files-from "$T/list" "$S/head"
says "list, line 2: nothing matches none"
is "$(names)" "head head/NOTE head/x keep keep/x keep/y.tmp "
printf 'none\n' >"$T/list"
fails 1 vitrine backup --files-from "$T/list"
: >"$T/list"
fails 2 vitrine backup --files-from "$T/list"
says 'nothing to back up'
fails 2 vitrine backup

step "--files-from-verbatim and -raw"
touch "$S/#a" "$S/ b[1]" "$S/c
d"
printf '#a\n b[1]\n\n' >"$T/list"
ok vitrine backup --files-from-verbatim "$T/list"
is "$(names)" " b[1] #a "
find . -maxdepth 1 -type f -print0 >"$T/list"
ok vitrine backup --files-from-raw "$T/list"
says ' 3 files'
ok sh -c "vitrine backup --files-from-raw - <'$T/list'"
says ' 0 new, . changed'
printf 'keep\0\0' >"$T/list"
fails 2 vitrine backup --files-from-raw "$T/list"
says 'name 2 is empty'
printf 'ke\0ep\n' >"$T/list"
fails 2 vitrine backup --files-from "$T/list"
says 'line 1 has a NUL byte'

step "many paths"
mkdir "$S/many"
(cd "$S/many" && seq 1 3000 | xargs touch && echo some >some)
find "$S/many" -type f -print0 >"$T/list"
ok vitrine backup --files-from-raw "$T/list"
says ' 3,001 files'
seq 1 65536 | sed 's,^,/nowhere/,' >"$T/list"
fails 2 vitrine backup --files-from "$T/list"
says '65536 paths; a snapshot takes at most 65535'
