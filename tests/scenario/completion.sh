#!/bin/sh
# Completions: what may follow on a command line, asked and in the shells.
# run: timeout=600
. "$(dirname "$0")/lib.sh"

complete() {
	ok vitrine complete -- "$@"
}
mkdir -p "$T/src/letters" "$T/src/lists"
echo one >"$T/src/letters/first letter"
echo two >"$T/src/letters/second"
ok vitrine init
ok vitrine backup "$T/src"
ok vitrine snapshots
id=$(out | grep -o '^[0-9a-f]\{8\}')
cd "$T" || die cd

step "commands and options, from the tables"
complete ba
is "$(out)" "$(printf 'backup\tBack up files and directories into a new snapshot')"
complete ''
says '^snapshots	'
says '^key	\.\.\.'
is "$(out | grep -c '^key	')" 1
complete key ''
is "$(out | cut -f1 | tr '\n' ' ')" "list add change remove "
complete backup --exc
says '^--exclude	'
complete --mem
says '^--memory	'
complete -v backup --memory
says '^--memory	'
complete help ch
is "$(out | cut -f1)" check
for command in $(vitrine complete -- '' | cut -f1); do
	complete "$command" ''
	says_not 'vitrine:'
done

step "files where the tables say so"
complete backup ''
is "$(out)" ":files"
complete -r ''
is "$(out)" ":directories"
complete restore latest --target ''
is "$(out)" ":directories"
complete --password-file x ls --key-file ''
is "$(out)" ":files"
complete backup -- --x
is "$(out)" ":files"
complete snapshots ''
is "$(out)" ""

step "snapshots, and paths in them"
complete ls ''
says '^:nospace'
says '^latest	'
says "^$id	.*$T/src"
complete ls "$(echo "$id" | cut -c1-4)"
says "^$id	"
says_not latest
complete ls latest:
says "^latest:/	"
complete ls "latest:$T/src/l"
says "^latest:$T/src/letters/	directory"
says "^latest:$T/src/lists/	"
complete cat "$id:$T/src/letters/f"
says "^$id:$T/src/letters/first letter	file"
complete mount "latest:$T/src/letters/s"
says "^latest:$T/src/letters/second"
complete ls "nothing:/"
is "$(out)" ""

step "a root that would be a line of its own"
mkdir "$T/$(printf 'x\nforged\tcommand')"
ok vitrine backup --allow-empty --time 2001-02-03 "$T/x"*
complete ls ''
says '	2001-02-03 .*/x.nforged'
says_not '^forged'

step "nothing is asked for, and nothing is said"
VITRINE_PASSWORD='' complete ls ''
is "$(out)" ""
VITRINE_PASSWORD='wrong' complete ls ''
is "$(out)" ""
complete -r "$T/none" ls ''
is "$(out)" ""
complete nonsense --bad ''
is "$(out)" ""

step "in the shells"
for shell in bash zsh fish; do
	command -v $shell >/dev/null 2>&1 || die "no $shell: run make deps"
	cat >"$T/cases" <<END
vitrine sna	vitrine snapshots
vitrine key cha	vitrine key change
vitrine backup --exclude-l	vitrine backup --exclude-larger-than
vitrine ls --verb	vitrine ls --verbose
vitrine ls late	vitrine ls latest
vitrine ls latest:$T/src/le	vitrine ls latest:$T/src/letters/
vitrine cat latest:$T/src/letters/s	vitrine cat latest:$T/src/letters/second
vitrine ls latest:$T/src/letters/fi	vitrine ls latest:$T/src/letters/first letter
vitrine backup $T/src/lis	vitrine backup $T/src/lists/
vitrine backup --cache-dir=$T/src/lis	vitrine backup --cache-dir=$T/src/lists/
END
	vitrine complete -- backup --exclude-l | grep -q . ||
	    sed -i /exclude-l/d "$T/cases"
	ok "$TOP/tests/scenario/completion.py" $shell "$TOP/contrib/completion" \
	    "$T/cases"
	out
done
