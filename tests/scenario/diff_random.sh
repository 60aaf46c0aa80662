#!/bin/sh
# run: timeout=300
# diff says exactly what was changed in random trees, deep and broad ones, between
# snapshots, backwards, and against the live tree.
. "$(dirname "$0")/lib.sh"
head -c 40 /dev/urandom >"$T/key"
VITRINE_KEY_FILE=$T/key
export VITRINE_KEY_FILE
unset VITRINE_PASSWORD
R1=$TOP/tests/scenario/diff_random.py
seed=${SEED:-1}	# SEED=$(date +%s) for others
step "seed $seed"
ok vitrine init
for i in 1 2 3; do
	rm -rf "$T/src"
	"$R1" make "$T/src" "$seed$i" || die "make"
	ok vitrine backup "$T/src" --tag "a$i"
	"$R1" change "$T/src" "$seed$i" >"$T/want" || die "change"
	ok vitrine backup "$T/src" --tag "b$i"
	a=$(vitrine snapshots --json --tag "a$i" |
	    sed -n 's/.*"id":"\([0-9a-f]*\)".*/\1/p')
	vitrine diff --json "$a" latest >"$T/two" || die "diff"
	vitrine diff --json --live "$a" "$T/src" >"$T/live" || die "diff --live"
	ok "$R1" compare "$T/want" "$T/two" "$T/live"
	out
	ok vitrine diff latest "$a"
	added=$(sed 's/^+/:/; s/^-/+/; s/^:/-/' "$T/out" | grep -c '^+')
	is "$added" "$(grep -c '"change":"added"' "$T/two")"
done
