#!/bin/sh
# run: timeout=300
# Streams: standard input and commands' output as files.
. "$(dirname "$0")/lib.sh"

ok vitrine init
count() {
	vitrine -q snapshots | grep -c .
}

step "standard input: whole, in bounded memory, the same chunks as a file"
seq 1 3000000 >"$T/lines"
ok sh -c "vitrine backup --stdin <'$T/lines'"
says ' 1 file, 22 MiB; 1 new'
ok sh -c "vitrine cat latest:/stdin | cmp - '$T/lines'"
ok sh -c "cat '$T/lines' | vitrine --memory 64M --threads 1 backup --stdin"
says ' 0 new, 0 changed'
ok vitrine backup --force "$T/lines"
ok vitrine --json backup --force "$T/lines"
says '"bytes_new":0'
ok vitrine check --read-data
for n in 0 1 1048575 1048576 1048577 2097152; do
	head -c $n "$T/lines" >"$T/part"
	ok sh -c "vitrine backup --allow-empty --stdin --stdin-name p <'$T/part'"
	ok sh -c "vitrine cat latest:/p | cmp - '$T/part'"
done

step "the name is a path"
ok sh -c "echo a | vitrine backup --stdin --stdin-name db/x/dump"
ok vitrine cat latest:/db/x/dump
is "$(out)" a
ok sh -c "echo b | vitrine backup --stdin --stdin-name /db/x/dump"
says ' 0 new, 1 changed'
for bad in '' / . .. a/../b a//b a/; do
	fails 2 sh -c "echo a | vitrine backup --stdin --stdin-name '$bad'"
done

step "nothing is an error"
before=$(count)
fails 1 vitrine backup --stdin
says 'nothing to back up: the stream is empty'
fails 1 vitrine backup --command -- true
says 'the stream is empty'
is "$(count)" "$before"

step "a command: its output, its status"
ok vitrine backup --command --stdin-name dump -- sh -c 'echo "$1"; cat' - arg
ok vitrine cat latest:/dump
is "$(out)" arg
ok vitrine backup --command --name env --stdin-name env -- env
ok vitrine cat --name env latest:/env
says '^VITRINE_REPOSITORY='
says_not 'VITRINE_PASSWORD='
before=$(count)
fails 1 vitrine backup --command -- sh -c 'seq 1 100000; exit 3'
says 'no snapshot: the command failed: sh: ended with status 3'
fails 1 vitrine backup --command -- sh -c 'echo a; kill -9 $$'
says 'ended by signal 9'
fails 1 vitrine backup --command -- "$T/none"
says "$T/none: No such file"
fails 1 vitrine backup --command -- sh -c 'exec >&-; exit 7'
says 'ended with status 7'
is "$(count)" "$before"
ok vitrine backup --dry-run --command -- seq 1 10
says 'Dry run: 1 file'
is "$(count)" "$before"
ok vitrine check

step "interrupted: it stops, the command too, and there is no snapshot"
vitrine backup --command -- sh -c 'echo $$ >"$0"; seq 1 100000; exec sleep 600' \
    "$T/pid" >"$T/log" 2>&1 &
job=$!
in_time [ -s "$T/pid" ]
sleep 0.5
kill -TERM $job
wait $job
[ $? != 0 ] || die "not interrupted"
in_time eval '! kill -0 "$(cat "$T/pid")" 2>/dev/null'
is "$(count)" "$before"

step "what doesn't go together"
fails 2 vitrine backup --stdin --command -- ls
fails 2 vitrine backup --stdin "$T/lines"
fails 2 vitrine backup --command
fails 2 vitrine backup --stdin-name x "$T/lines"
fails 2 vitrine backup --stdin --exclude x
says 'exclude means nothing with --stdin'
fails 2 vitrine backup --stdin --parent latest
