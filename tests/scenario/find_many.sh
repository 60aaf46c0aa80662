#!/bin/sh
# run: timeout=600
# find over many snapshots looks at what is new in each: it says what walks say.
. "$(dirname "$0")/lib.sh"
head -c 40 /dev/urandom >"$T/key"
VITRINE_KEY_FILE=$T/key
export VITRINE_KEY_FILE T
unset VITRINE_PASSWORD
H=$TOP/tests/scenario/find_many.py
seed=${SEED:-1}	# SEED=$(date +%s) for others
printf laptop >"$T/laptop.pass"
client() {
	(
		unset VITRINE_KEY_FILE
		HOME=$T/client XDG_CACHE_HOME=$T/client/cache \
		    XDG_STATE_HOME=$T/client/state VITRINE_PASSWORD=laptop \
		    vitrine "$@"
	)
}

step "seed $seed: lineages of one host, of two roots, and a put-only client's"
ok vitrine init
mkdir "$T/client"
ok vitrine key add --put-only --host laptop \
    --new-password-file "$T/laptop.pass"
i=0
while [ $i -lt 8 ]; do
	n=$((i + 1))
	ok "$H" edit "$T/src" $i "$seed"
	ok vitrine backup "$T/src" --tag "a-$i" --tag "a-$n"
	[ $i -lt 2 ] || ok vitrine backup "$T/src/mv" "$T/src/odd" \
	    --name other --tag "b-$i" --tag "b-$n"
	[ $i -lt 3 ] || ok client backup "$T/src/mv" "$T/src/links" \
	    --tag "c-$i" --tag "c-$n"
	i=$n
done
# Nothing has changed; then something has again.
ok vitrine backup "$T/src" --tag a-8 --tag a-9
echo more >"$T/src/many/f0001"
ok vitrine backup "$T/src" --tag a-9 --tag a-10

step "all kinds of questions"
lines=0
asked() {
	ok "$H" compare "$@"
	lines=$((lines + $(out)))
}
asked f0001
asked 'f01*' '!f019*'
asked moved
asked 'l*' --type file
asked kind
asked 'kind/' in
asked long
asked nothing
asked --type file
asked --type directory
asked --type symlink --type file --json
asked --min-size 60k
asked --max-size 3 'a*' --json
asked --modified-after 2001-01-01 --regex 'mv/.*/moved$'
asked --regex 'odd/a[^/]?/'
asked "$T/src/mv/**"
asked 'a/**' --type file
asked '*' --json
[ "$lines" -gt 10000 ] || die "only $lines lines"

step "what damage does is said in the same way"
pull
rm -rf "$T/cache"
bad=0
for p in "$R"/packs/*/*; do
	# Metadata; kind 3 is data.
	[ "$(od -An -tu1 -j4 -N1 "$p" | tr -d ' ')" = 3 ] && continue
	[ $bad -lt 3 ] || break
	cp -p "$p" "$T/kept"
	chmod u+w "$p"
	size=$(stat -c %s "$p")
	at=300
	while [ $at -lt "$size" ]; do
		printf '\252\125' | dd of="$p" bs=1 seek=$at conv=notrunc \
		    2>/dev/null
		at=$((at + 3000))
	done
	push
	rm -rf "$T/cache"
	# As text: objects name owners, which a pair looks up more often.
	ok "$H" compare 'f0[12]00' moved
	vitrine find f0100 >/dev/null 2>&1 || bad=$((bad + 1))
	cat "$T/kept" >"$p"
	chmod u-w "$p"
done
push
[ $bad = 3 ] || die "damage in $bad packs was met"
ok "$H" compare 'f0[12]00' moved
