#!/bin/sh
# run: timeout=300
# --json: every command's real output is what the schema says, and the manual
# page says the same; names of any bytes survive.
. "$(dirname "$0")/lib.sh"
check=$TOP/tests/scenario/json_check.py
/usr/bin/python3 -c 'import jsonschema' 2>/dev/null || skip "no jsonschema"

# A command line with --json, its output checked and kept in $T/json/N.
n=0
mkdir "$T/json"
j() {
	want=$1
	shift
	n=$((n + 1))
	echo "\$ vitrine $*"
	vitrine "$@" >"$T/json/$n" 2>"$T/err" </dev/null
	s=$?
	cp "$T/json/$n" "$T/out"
	[ $s = "$want" ] || die "status $s, not $want: $*"
	[ ! -s "$T/err" ] || { cat "$T/err" >&2; die "more than objects: $*"; }
	"$check" lines "$T/json/$n" >"$T/types" || die "no such objects: $*"
	grep -q "\"exit_status\":$want}\$" "$T/out" || die "no status: $*"
}

# A key file costs no time.
head -c 40 /dev/urandom >"$T/key"
head -c 40 /dev/urandom >"$T/key2"
VITRINE_KEY_FILE=$T/key
export VITRINE_KEY_FILE
unset VITRINE_PASSWORD

step "the page and the schema"
ok "$check" page "$TOP/tools/cmd/vitrine-json.5"

step "every command"
make_tree "$T/src"
bad=$(printf 'b\377d')
j 0 init --json
j 0 --json backup "$T/src" --tag "$bad" --tag plain --host "$bad"
says '"files":7,'
echo more >>"$T/src/letter.txt"
j 0 -v backup --json "$T/src" --host "$bad"
says '"event":"detail"'
j 0 --json backup "$T/src" --host "$bad" --dry-run
j 0 -q backup --json "$T/src"
is "$(wc -l <"$T/out")" 1
j 0 --json snapshots
says '"tags":\["b\\ufffdd","plain"\],"tags_base64":\["Yv9k","cGxhaW4="\]'
says '"host":"b\\ufffdd","host_base64":"Yv9k"'
j 0 --json ls -R latest
says_not '"path":"/"'
name=$(sed -n 's/.*"path":"[^"]*name [^"]*","path_base64":"\([^"]*\)".*/\1/p' \
    "$T/out" | base64 -d)
is "$name" "$T/src/$(printf 'name \303\244 \377 \\ \n.')"
j 0 --json ls "latest:/$T//src/dir/link"
says '"kind":"symlink",.*"target":"../letter.txt"'
j 0 --json sql latest "select path, null as x from files where name = 'empty'"
says '"values":\[".*/empty",null\]'
j 2 --json sql latest "delete from files"
j 0 --json key list
head -c 40 /dev/urandom >"$T/k"
j 0 --json key add --new-key-file "$T/k" --label k
id=$(sed -n 's/.*"id":"\([0-9a-f]*\)".*/\1/p' "$T/out")
j 0 --json key remove "$id"
j 0 --json key change --new-key-file "$T/key2"
VITRINE_KEY_FILE=$T/key2
j 0 --json check --read-data
j 0 --json restore latest --target "$T/back" --dry-run
says '"action":"create","path":".*name .*","path_base64":'
j 0 --json restore latest --target "$T/back"
j 3 --json restore latest --target "$T/back"
says '"event":"not_restored","path":".*name .*","path_base64":'
j 0 --json version
j 0 --json --version
j 0 --json help
j 0 help --json key
j 0 ls --help --json
mkdir -p "$T/config/vitrine"
printf '[backup]\nexclude = %s\njson = yes\n' "$bad" >"$T/config/vitrine/config"
XDG_CONFIG_HOME=$T/config
export XDG_CONFIG_HOME
j 2 --json config
says 'config:3: unknown key'
printf 'json = yes\n[backup]\nexclude = %s\n' "$bad" >"$T/config/vitrine/config"
j 0 config backup
says '"name":"exclude","value":"b\\ufffdd","value_base64":"Yv9k","from":".*:3"'
unset XDG_CONFIG_HOME

step "cat: the bytes are the file's"
vitrine --json cat "latest:$T/src/letter.txt" >"$T/out" 2>"$T/err" ||
    die "cat"
cmp "$T/out" "$T/src/letter.txt" || die "cat"
ok "$check" lines "$T/err"
is "$(out)" "summary"

step "errors"
j 2 --json
j 2 --json lss
j 2 lss --json
j 2 ls --bad --json
j 2 ls --json
j 1 --json ls nothing
j 1 --json ls "latest:/x$bad"
says '"text_base64"'
j 10 --json -r "$T/none" snapshots
j 12 --json --password-command 'echo wrong' snapshots
j 1 --json umount "$T"
chmod 000 "$T/src/letter.txt"
if [ "$(id -u)" != 0 ]; then
	j 3 --json backup "$T/src"
	says '"event":"not_read"'
fi
pull
mv "$R/packs" "$R/aside"
mkdir "$R/packs"
push
j 4 --json check
says '"event":"damage"'
rm -rf "$R/packs"
mv "$R/aside" "$R/packs"
push

step "output that can't be written"
fails 1 sh -c 'vitrine --json snapshots >/dev/full'
says 'standard output: No space left'

# All types were seen but those that need luck or a slow machine.
"$check" lines "$T"/json/* >"$T/types" || die "all"
for t in summary error event snapshot entry row key version command option \
    setting; do
	grep -qw $t "$T/types" || die "no object of type $t was seen"
done
