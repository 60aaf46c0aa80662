#!/bin/sh
# .vitrineignore files leave out what git would ignore by the same rules, on
# generated trees.
. "$(dirname "$0")/lib.sh"

command -v git >/dev/null || skip "no git"
: "${IGNORE_SEED:=1}"
: "${IGNORE_TREES:=30}"

step "seed $IGNORE_SEED, $IGNORE_TREES trees"
mkdir "$T/src"
ok "$TOP/tests/scenario/ignore.py" make "$T/src" "$IGNORE_SEED" "$IGNORE_TREES"
ok vitrine init
vitrine backup "$T"/src/* >"$T/log" 2>&1 || die "backup: $(cat "$T/log")"
ok vitrine restore latest --target "$T/back"
ok "$TOP/tests/scenario/ignore.py" compare "$T/src" "$T/back$T/src"
out

step "options before files; a file that can't be followed; none at all"
S=$T/two
mkdir -p "$S/sub" "$S/large" "$S/odd/.vitrineignore"
echo 1 >"$S/a.o"; echo 2 >"$S/b.o"; echo 3 >"$S/sub/c.o"; echo 4 >"$S/large/d.o"
echo 5 >"$S/odd/e.o"
echo '*.o' >"$S/.vitrineignore"
ok vitrine backup --exclude '!b.o' "$S"
says ' 2 files'
ok vitrine backup --no-ignore-files "$S"
says ' 6 files'
echo '!d.o' >"$S/large/.vitrineignore"
ok vitrine backup "$S"
says ' 3 files'
head -c 300000 /dev/zero | tr '\0' '\n' >>"$S/large/.vitrineignore"
ok vitrine -q backup "$S"
says 'large/.vitrineignore: .*too large'
says 'odd/.vitrineignore: .*not a regular file'
ok vitrine ls "latest:$S/large"
says_not d.o

step "an ignored directory is not looked into; a path that is given stays"
mkdir "$S/out"; echo 6 >"$S/out/f"; echo '!*' >"$S/out/.vitrineignore"
echo out/ >"$S/.vitrineignore"
ok vitrine backup "$S"
ok vitrine -q ls "latest:$S"
says_not '^out$'
ok vitrine backup "$S/out"
ok vitrine -q ls "latest:$S/out"
says '^f$'
