#!/bin/sh
# Checks of a part of the packs: how much, which, until when, and what is
# remembered of it.
. "$(dirname "$0")/lib.sh"

S=$T/src
mkdir -p "$S"
ok vitrine init
for i in 1 2 3 4; do
	head -c 300000 /dev/urandom >"$S/file$i"
	ok vitrine backup "$S"
done
packs=$(objects packs | wc -l)
[ "$packs" -ge 8 ] || die "$packs packs are too few"

# A number of the result of the check that ran last.
number() {
	out | /usr/bin/python3 -c '
import json, sys
for line in sys.stdin:
    o = json.loads(line)
    if o.get("type") == "summary":
        print(o["'"$1"'"])'
}

step "what is no subset, and no time"
for bad in 0% 101% % 5%% x/3 0/3 4/3 3/0 3/ 2Q 0 -1 ""; do
	fails 2 vitrine check --read-data-subset "$bad"
	says 'option --read-data-subset: '
done
for bad in 0s 20 30m1h never; do
	fails 2 vitrine check --max-time $bad
	says 'option --max-time: '
done

step "parts: each pack is in one of them"
sum=0
for i in 1 2 3; do
	ok vitrine --json check --read-data-subset $i/3
	sum=$((sum + $(number packs_read)))
done
is "$sum" "$packs"
is "$(number packs_unverified)" 0

step "a little each time gets round the whole store, each pack once"
rm -rf "$T/state"
runs=0
left=$packs
while [ "$left" -gt 0 ]; do
	ok vitrine --json check --read-data-subset 1
	is "$(number packs_read)" 1
	is "$(number packs_unverified)" $((left - 1))
	left=$((left - 1))
	runs=$((runs + 1))
done
is "$runs" "$packs"
ok vitrine check --read-data-subset 0.5%
says '; [1-9] \(.*\) of them verified in .*; all packs were verified since 20'

step "longest unread first"
[ -x "$VITRINE_TEST" ] || die "make V=test first"
rm -rf "$T/state"
at() {
	VITRINE_TEST_TIME=$1
	shift
	export VITRINE_TEST_TIME
	ok vitrine-test "$@"
	unset VITRINE_TEST_TIME
}
at 1700000000 --json check --read-data-subset 1/2
first=$(number packs_read)
at 1800000000 check --read-data-subset 2/2
i=0
# Those of 1700000000 are the first to have their turn.
while [ $i -lt "$first" ]; do
	says_not 'since 2027'
	at 1900000000 check --read-data-subset 1
	i=$((i + 1))
done
says 'all packs were verified since 2027-01-15 '

step "a time limit"
ok vitrine --json check --max-time 1s
[ "$(number packs_read)" -ge 1 ] || die "nothing was read"

step "a bit flipped is found when its pack has its turn"
rm -rf "$T/state"
pull
p=$(ls -S "$R"/packs/*/* | head -1)
chmod u+w "$p"
printf '\377\376\375' | dd of="$p" bs=1 seek=5000 conv=notrunc 2>/dev/null
push
fails 4 vitrine check --read-data
says "damage: pack $(basename "$p" | cut -c1-8): frame 0"
# It is not remembered as whole: it comes first.
fails 4 vitrine check --read-data-subset 1
says "damage: pack $(basename "$p" | cut -c1-8): frame 0"
says '1 pack has never been verified from here'

step "a damaged memory is said, and forgotten"
f=$(ls "$T"/state/vitrine/*.verified)
printf x >>"$f"
vitrine check --max-time 1d >"$T/said" 2>&1
grep -q 'memory of checks is damaged' "$T/said" || die "not said"
