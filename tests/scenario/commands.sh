#!/bin/sh
# One grammar; secrets from everywhere but argv; output that says the truth.
. "$(dirname "$0")/lib.sh"

mkdir -p "$T/src/d"
echo hello >"$T/src/d/file"
printf 'x' >"$T/src/$(printf 'a\033[31mb')"
ln -s d/file "$T/src/link"
ok vitrine init --label 'the first'

step "grammar"
ok vitrine backup -q "$T/src" --tag t1
is "$(out)" ""
ok vitrine backup --repo="$REPO" -- "$T/src"
ok vitrine snapshots --tag t1
says '^1 snapshot\.$'
fails 2 vitrine backup --exlude x "$T/src"
says 'unknown option --exlude; did you mean --exclude\?'
fails 2 vitrine bakup "$T/src"
says 'did you mean "backup"\?'
fails 2 vitrine tga add latest x
says 'did you mean "tag add"\?'
fails 2 vitrine ls -Z latest
says 'unknown option -Z; --help shows'
fails 2 vitrine ls "$T/src/d"
says "\"latest:$T/src/d\" would be that path in the latest"
fails 1 vitrine ls 00000000
says '"vitrine snapshots" lists them'
fails 1 vitrine ls latst
says '"latst" is no snapshot: give "latest" or'
fails 10 vitrine -r "$T/none" snapshots
says '"vitrine init" makes a repository; --repo or'
fails 2 vitrine --memory 1M snapshots
says 'option --memory: 1M is less than 64M'
fails 2 vitrine backup --time yesterday "$T/src"
says 'option --time: "yesterday" is no time'
fails 2 vitrine backup
says 'nothing to back up'
ok vitrine help key
says 'key remove'
ok vitrine restore --help
says -- '--target DIRECTORY'
fails 2 env -u VITRINE_REPOSITORY vitrine snapshots
says 'Give --repo or set VITRINE_REPOSITORY'

step "ls, cat, sql"
ok vitrine ls -l "latest:$T/src"
says '^d.{9} .* - [-0-9]+ .* d$'
says '^lrwxrwxrwx +1 .* link -> d/file$'
ok vitrine ls -R "latest:$T/src"
says '^d/file$'
ok vitrine cat "latest:$T/src/d/file"
is "$(out)" hello
fails 2 vitrine cat "latest:$T/src/d"
says "$T/src/d is a directory"
fails 1 vitrine ls "latest:$T/src/e"
says "there is no $T/src/e; $T/src has "
ok vitrine sql latest "select size from files where name = 'file'"
is "$(out | tail -1)" 6
fails 2 vitrine sql latest 'delete from files'

step "what takes for ever can be ended: a statement, a password command"
# Once it has its handlers, and not those of the shell that it still was.
end_it() {
	"$@" >"$T/out" 2>&1 &
	it=$!
	in_time grep -qx vitrine "/proc/$it/comm"
	in_time grep -q '^SigCgt:.*[4-7c-f][0-9a-f]\{3\}$' "/proc/$it/status"
	kill -TERM $it
	wait $it
	is $? 130
	says 'interrupted'
}
end_it vitrine sql latest "with recursive c(x) as
    (select 1 union all select x + 1 from c) select count(*) from c"
end_it vitrine --password-command "sleep 1000" snapshots
# And with it what it started, which no terminal tells; so it is of others that
# are run.
with_all() {
	rm -f "$T/sleeper"
	setsid vitrine "$@" >"$T/out" 2>&1 &
	it=$!
	in_time test -s "$T/sleeper"
	sleeper=$(cat "$T/sleeper")
	at_end "kill $sleeper 2>/dev/null"
	kill -TERM $it
	wait $it
	is $? 130
	in_time sh -c "! grep -qs '^State:.[^ZX]' /proc/$sleeper/status"
	at_end ''
}
sleeps="sleep 1000 & echo \$! >'$T/sleeper'; wait"
with_all --password-command "$sleeps" snapshots
with_all --password-command "exec >&-; $sleeps" snapshots
with_all backup --before "$sleeps" "$T/src"
with_all backup --command -- sh -c "$sleeps"

step "nohup's wish stands for hooks, too"
ok sh -c "trap '' HUP; exec vitrine backup --before 'kill -HUP \$\$' '$T/src'"

step "the table of descriptors is large before there are threads; the limit stays"
(ulimit -Sn 512; exec vitrine --password-command "sleep 1000" snapshots) \
    >"$T/out" 2>&1 &
it=$!
in_time grep -qx vitrine "/proc/$it/comm"
in_time grep -q '^FDSize:.[0-9]\{4\}' "/proc/$it/status"
is "$(awk '/open files/ { print $4 }' "/proc/$it/limits")" 512
in_time grep -q '^SigCgt:.*[4-7c-f][0-9a-f]\{3\}$' "/proc/$it/status"
kill -TERM $it
wait $it
is $? 130

step "what is not there, and an output that takes nothing"
fails 1 vitrine ls --host nobody latest
says 'no snapshot of host nobody'
fails 1 sh -c 'vitrine ls -R latest >/dev/full'
says 'standard output: No space left'
vitrine ls -R latest | head -1 >/dev/null 2>"$T/err"
[ ! -s "$T/err" ] || die "a closed pipe is news"

step "secrets"
unset VITRINE_PASSWORD
printf 'a scenario pass phrase\n' >"$T/pw"
ok vitrine --password-file "$T/pw" snapshots
ok vitrine --password-command "cat '$T/pw'" snapshots
ok env VITRINE_PASSWORD=x vitrine --password-command \
    "env >'$T/env'; cat '$T/pw'" snapshots
! grep -q VITRINE_PASSWORD= "$T/env" || die "it has the passphrase"
ok sh -c "vitrine --password-fd 7 snapshots 7<'$T/pw'"
ok env VITRINE_PASSWORD_FILE="$T/pw" vitrine snapshots
fails 2 vitrine --password-file "$T/pw" --password-command x snapshots
fails 12 vitrine --password-command 'echo wrong' snapshots
fails 12 vitrine --password-command false snapshots
fails 2 setsid vitrine snapshots
says 'there is no terminal to ask on'
head -c 40 /dev/urandom >"$T/key"
ok vitrine --password-file "$T/pw" key add --new-key-file "$T/key" --label k
ok vitrine --key-file "$T/key" key list
says '\* +key file'
ok env VITRINE_KEY_FILE="$T/key" vitrine snapshots
printf 'another\n' >"$T/pw2"
ok vitrine --password-file "$T/pw" key change --new-password-file "$T/pw2"
fails 12 vitrine --password-file "$T/pw" snapshots
ok vitrine --password-file "$T/pw2" key list
says 'the first'

step "a put-only key backs up and reads nothing"
head -c 40 /dev/urandom >"$T/web"
ok vitrine --key-file "$T/key" key add --new-key-file "$T/web" --put-only \
    --host web
fails 2 vitrine --key-file "$T/web" backup --host mail "$T/src"
says 'for the host "web"'
ok vitrine --key-file "$T/web" backup "$T/src"
fails 12 vitrine --key-file "$T/web" snapshots
fails 12 vitrine --key-file "$T/web" cat "latest:$T/src/d/file"
ok vitrine --key-file "$T/key" cat --host web "latest:$T/src/d/file"
is "$(out)" hello
fails 2 vitrine --key-file "$T/key" key add --put-only --new-key-file "$T/web"
says 'needs --host'
ok vitrine --key-file "$T/key" check --read-data

step "a put-only key that shares the others' chunks adds none of its own"
head -c 40 /dev/urandom >"$T/sharing"
ok vitrine --key-file "$T/key" key add --new-key-file "$T/sharing" --put-only \
    --host ftp --share
ok vitrine --key-file "$T/sharing" --json backup "$T/src"
says '"bytes_new":0,'
fails 2 vitrine --key-file "$T/key" key add --share --new-key-file "$T/web"
says 'for a key that is --put-only'

step "chunks of another size"
fails 2 vitrine -r "$T/large" --key-file "$T/key" init --chunk-size 100000
says '100000 is no power of two'
ok vitrine -r "$T/large" --key-file "$T/key" init --chunk-size 512K
head -c 5000000 /dev/urandom >"$T/src/random"
ok vitrine -r "$T/large" --key-file "$T/key" backup "$T/src"
ok vitrine -r "$T/large" --key-file "$T/key" sql latest \
    'select max(length) between 400000 and 800000 from chunks'
is "$(out | tail -1)" 1
