#!/bin/sh
# run: timeout=400
# How a backup is done: names and parents, reading all, limits, compression; what
# runs around it; overlapping ones; what an empty one is.
. "$(dirname "$0")/lib.sh"

S=$T/src
mkdir -p "$S/d"
echo a >"$S/a"; echo b >"$S/d/b"; ln -s a "$S/l"
seq 1 400000 >"$S/lines"
ok vitrine init
sleep 3.1
count() {
	vitrine -q snapshots | grep -c .
}

step "--name: a line of its own"
ok vitrine backup "$S"
ok vitrine backup --name other "$S"
says ' 3 new'
ok vitrine backup --name other "$S"
says ' 0 new, 0 changed'
ok vitrine check
fails 2 vitrine backup --name '' "$S"
fails 2 vitrine backup --name "$(printf %300s x)" "$S"
says 'a name has 1 to 255 bytes'

step "--parent: what it has of other paths does not come along"
ok vitrine backup "$S/d"
ok vitrine backup --name p --parent latest "$S"
says ' 2 new, 0 changed'
ok vitrine backup --name p2 --parent latest "$S/d"
says ' 0 new, 0 changed'
ok vitrine -q ls "latest:$S"
is "$(out)" d
step "--parent: what the lineage called one file no other one is called"
ino() {
	vitrine -q sql latest "select ino from files where name = '$1'" |
	    tail -1
}
mkdir "$T/inos"
echo 1 >"$T/inos/f1"
ok vitrine backup "$T/inos"
old=$(vitrine snapshots --json | grep '"type":"snapshot"' | tail -1 |
    sed 's/.*"id":"\([0-9a-f]*\)".*/\1/')
echo 2 >"$T/inos/f2"
ok vitrine backup "$T/inos"
two=$(ino f2)
rm "$T/inos/f2"
echo 3 >"$T/inos/f3"
ok vitrine backup --parent "$old" "$T/inos"
[ "$(ino f3)" -gt "$two" ] || die "inode number $two was used again"
rm "$T/inos/f3"
echo 4 >"$T/inos/f4"
ok vitrine backup "$T/inos"
[ "$(ino f4)" -gt $((two + 1)) ] || die "inode numbers were used again"
fails 1 vitrine backup --parent 0123456789 "$S"
says '^vitrine: --parent: '
ok vitrine check --read-data

step "--force reads, and finds the same; content behind the same stat is found"
ok vitrine --json backup --force "$S"
says '"files_changed":0.*"bytes_read":2[0-9]{6}'
ok vitrine --json backup "$S"
says '"bytes_read":0'

step "--skip-if-unchanged"
before=$(count)
ok vitrine backup --skip-if-unchanged "$S"
says '^Nothing changed since snapshot [0-9a-f]*, so no new one'
ok vitrine backup --skip-if-unchanged --force "$S"
says '^Nothing changed'
ok vitrine backup --skip-if-unchanged --dry-run "$S"
says '^Dry run, nothing changed'
touch "$T/beside"
ok vitrine backup --skip-if-unchanged "$S"
says '^Nothing changed'
is "$(count)" "$before"
for change in 'echo c >$S/d/b' 'chmod 600 $S/d/b' 'ln -sf b $S/l' 'rm $S/l' \
    'mkdir $S/e' 'setfattr -n user.a -v b $S/d' 'ln $S/a $S/f'; do
	eval "$change" || continue
	ok vitrine backup --skip-if-unchanged "$S"
	says '^Snapshot'
	ok vitrine backup --skip-if-unchanged "$S"
	says '^Nothing changed'
done

step "an empty backup is an error"
mkdir "$T/empty" "$T/empty/in"
before=$(count)
fails 1 vitrine backup "$T/empty"
says 'nothing to back up: only empty directories in .*/empty: is a file system'
fails 1 vitrine backup --exclude '*' "$S"
says 'after the excludes [(]--allow-empty'
mkdir "$T/large"
head -c 5000 /dev/zero >"$T/large/f"
fails 1 vitrine backup --exclude-larger-than 4K "$T/large"
says 'in .*/large, after --exclude-larger-than [(]--allow-empty'
fails 1 vitrine backup --exclude-larger-than 4K --exclude x "$T/large"
says 'after the excludes and --exclude-larger-than [(]--allow-empty'
is "$(count)" "$before"
ok vitrine backup --allow-empty "$T/empty"

step "--compression"
size() {
	pull
	find "$R" -type f -printf '%s\n' | awk '{ n += $1 } END { print n }'
}
a=$(size)
seq 500000 700000 >"$S/more"
ok vitrine backup --compression off "$S"
b=$(size)
[ $((b - a)) -gt 1300000 ] || die "off: $a $b"
for level in auto -7 -1 1 19; do
	rm -rf "$T/r2"
	ok vitrine -r "$T/r2" init
	ok vitrine -r "$T/r2" backup --compression=$level "$S/more"
	ok vitrine -r "$T/r2" check --read-data
done
for bad in 0 23 -8 fast '' 3x; do
	fails 2 vitrine backup --compression="$bad" "$S"
done
ok vitrine check --read-data
ok sh -c "vitrine cat 'latest:$S/more' | cmp - '$S/more'"

step "limits"
ok vitrine backup --read-concurrency 1 --force "$S"
ok vitrine backup --read-concurrency 8 --threads 2 --force "$S"
fails 2 vitrine backup --read-concurrency 0 "$S"
fails 2 vitrine backup --read-concurrency 65 "$S"
ok vitrine backup --limit-rate 2M --force "$S"
says 'in ([1-9]|[0-9][0-9])'
fails 2 vitrine backup --limit-rate 0 "$S"
fails 2 vitrine backup --limit-rate some "$S"
ok vitrine backup --nice 7 --idle-io --name nice --stdin-name f --command -- \
    sh -c 'nice; ionice -p $$'
ok vitrine cat latest:/f
is "$(out | tr '\n' ' ')" "7 idle "
fails 2 vitrine backup --nice 20 "$S"

step "hooks: order, environment, failures"
log() {
	tr '\n' ' ' <"$T/hooks"
	: >"$T/hooks"
}
: >"$T/hooks"
h='echo $VITRINE_HOOK${VITRINE_STATUS:+=$VITRINE_STATUS} >>'$T/hooks
ok vitrine backup --before "$h" --before "$h" --after "$h" --on-failure "$h" "$S"
is "$(log)" "before before after=0 "
ok vitrine backup --after 'echo $VITRINE_SNAPSHOT $VITRINE_FILES >'"$T/what" "$S"
grep -E -q '^[0-9a-f]{64} 5$' "$T/what" || die "$(cat "$T/what")"
ok vitrine backup --before 'env >"'"$T/env"'"; exit 0' "$S"
grep -q '^VITRINE_REPOSITORY=' "$T/env" || die "a hook lacks the repository"
grep -q VITRINE_PASSWORD= "$T/env" && die "a hook has the passphrase"
before=$(count)
fails 1 vitrine backup --before 'exit 9' --before "$h" --after "$h" \
    --on-failure "$h" "$S"
says '^vitrine: --before: exit 9: ended with status 9'
is "$(log)" "after=1 on-failure=1 "
is "$(count)" "$before"
fails 3 vitrine backup --after "$h" --on-failure "$h" "$S" "$T/none"
is "$(log)" "after=3 on-failure=3 "
fails 1 vitrine backup --after false --on-failure 'echo "$VITRINE_ERROR" >&2' "$S"
says '^--after: false: ended with status 1'
fails 12 env VITRINE_PASSWORD=wrong vitrine backup --on-failure "$h" "$S"
is "$(log)" "on-failure=12 "
fails 2 vitrine backup --nice 20 --before "$h" --on-failure "$h" "$S"
is "$(log)" ""

step "--metrics-file"
m() {
	sed -n "s/^vitrine_backup_$1{.*} //p" "$T/m/v.prom"
}
mkdir "$T/m"
ok vitrine backup --metrics-file "$T/m/v.prom" --name 'n"\' "$S"
is "$(m exit_status) $(m files) $(m unread) $(m snapshot)" "0 5 0 1"
grep -q 'name="n\\"\\\\"' "$T/m/v.prom" || die "label"
then=$(m last_success_timestamp_seconds)
[ "$then" -gt 1700000000 ] || die "no time of success"
fails 1 vitrine backup --metrics-file "$T/m/v.prom" "$T/none"
is "$(m exit_status) $(m snapshot) $(m last_success_timestamp_seconds)" \
    "1 0 $then"
is "$(ls "$T/m")" v.prom
for name in $(sed -n 's/^vitrine_backup_\([a-z_]*\){.*/\1/p' "$T/m/v.prom"); do
	grep -E -q "^\.It .*Li .*$name( |\$)" \
	    "$TOP/tools/cmd/vitrine-backup.1" || die "$name is not documented"
done
fails 1 vitrine backup --metrics-file "$T/none/v.prom" "$S"
says 'metrics-file: .*none: No such file'

step "-q: nothing when all is well, all that matters when not"
ok vitrine -q backup "$S"
is "$(out)" ""
fails 3 vitrine -q backup "$S" "$T/none"
says 'none: not read: No such file'
says '^vitrine: Snapshot [0-9a-f]* is incomplete, 1 entry could not be read'

step "overlapping runs"
seq 1 300000 >"$S/new"
before=$(count)
for i in 1 2 3 4; do
	vitrine -q backup "$S" >"$T/log.$i" 2>&1 &
done
wait
cat "$T"/log.* >"$T/out"
[ ! -s "$T/out" ] || die "they say something"
is "$(count)" $((before + 4))
ok vitrine check --read-data
ok vitrine restore latest --target "$T/back"
same "$S" "$T/back$S"
ok vitrine backup "$S"

step "few descriptors: less is read ahead"
F=$T/few
for a in 1 2 3 4 5 6 7 8; do for b in 1 2 3 4 5; do
	for c in 1 2 3 4 5; do mkdir -p "$F/$a/$b/$c/x/y"; done
	echo "$a $b" | tee "$F/$a/$b/f" "$F/$a/$b/3/f" >"$F/$a/$b/3/x/y/f"
done; done
ok sh -c 'ulimit -n 220; exec vitrine backup "$1"' - "$F"
ok vitrine restore latest --target "$T/few-back"
same "$F" "$T/few-back$F"
step "few descriptors: what was gone through keeps none"
F=$T/long
for i in $(seq 600); do
	mkdir -p "$F/$i/a/b/c/d/e/f/g/h/i/j"
	echo "$i" >"$F/$i/a/b/c/d/e/f/g/h/i/j/f"
done
ok sh -c 'ulimit -n 1024; exec vitrine backup "$1"' - "$F"
says ' 600 new, '
step "few descriptors: as many as the hard limit allows, and others' is as it was"
limited() {	# ULIMIT'S ARGUMENTS COMMAND ...
	run=$1
	shift
	sh -c 'ulimit $1; shift; exec "$@"' - "$run" "$@"
}
ok limited "-Sn 40" vitrine backup --name soft \
    --before "ulimit -Sn >'$T/soft'" --after "ulimit -Sn >>'$T/soft'" "$F"
says ' 600 new, '
is "$(tr '\n' ' ' <"$T/soft")" "40 40 "
ok limited "-Sn 40" vitrine backup --stdin-name f --command -- sh -c 'ulimit -Sn'
ok vitrine cat latest:/f
is "$(out)" 40

step "few descriptors: what waits to be read takes none from what comes"
ok limited "-n 128" vitrine backup --threads 2 --name hard --memory 2G "$F"
says ' 600 new, '
mkdir -p "$T/few/deep/$(seq -s / 60)"
fails 3 limited "-n 50" vitrine backup --threads 2 --name few "$T/few"
says '/few/deep/.*: not read: Too many open files [(]see ulimit -n[)]$'
says ' 120 new, '
fails 1 limited "-n 20" vitrine backup --threads 2 --name hard "$F"
says ': nothing of what was to be backed up could be read$'
# The wrapper in PATH would need more itself.
if [ "$STORE$VITRINE_WRAP" = dir ]; then
	fails 1 limited "-n 11" "$VITRINE" restore latest --target "$T/none"
	says '^vitrine: .*: Too many open files$'
	says '^vitrine: allow more open files: ulimit -n$'
fi
