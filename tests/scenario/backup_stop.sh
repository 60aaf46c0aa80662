#!/bin/sh
# Stopped by a signal: soon, cleanly, and the next run goes on from there.
# run: timeout=600
. "$(dirname "$0")/lib.sh"

S=$T/src
mkdir -p "$S"
noise=0
make_noise() {
	for i in 1 2 3 4; do head -c 50000000 /dev/urandom >"$S/$i"; done
	noise=$((noise + 200))
}
ok vitrine init
packs() { objects packs/ | wc -l; }
stored() { objects packs/ | awk '{ n += $1 } END { print int(n / 1024) }'; }
grown() {
	[ "$(packs)" -gt "$had" ]
}
# In the middle: as soon as it has stored something, and slowly.
stopped_by() {
	had=$(packs)
	# A shell's background job ignores SIGINT.
	/usr/bin/python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])' vitrine \
	    backup --limit-rate 20M "$S" >"$T/log" 2>&1 &
	pid=$!
	in_time grown
	kill "-$1" $pid
	wait $pid
	s=$?
}
finished=0
stopped() {
	step "$1"
	tries=0
	stopped_by "$1"
	# We may have slept, and it was done before it was told to stop.
	while [ $s = 0 ] && [ $tries -lt 5 ]; do
		tries=$((tries + 1))
		finished=$((finished + 1))
		make_noise
		stopped_by "$1"
	done
	[ $s = 130 ] || die "status $s: $(cat "$T/log")"
}
# What was stored before it was stopped isn't stored again: all of it is noise.
goes_on() {
	old=$(objects leases/)
	before=$(stored)
	noise=0
	make_noise
	stopped INT
	stopped TERM
	is "$(vitrine -q snapshots | grep -c .)" $finished
	left=$(objects leases/)
	had=$(stored)
	[ $((had - before)) -gt 1000 ] || die "nothing was kept"
	ok vitrine backup "$S"
	finished=$((finished + 1))
	now=$(stored)
	[ "$left" = "$old" ] &&
	    [ $((now - before)) -lt $((noise * 1000 * 103 / 100)) ]
}
# To who is in a hurry, a server that does nothing for a second is one that isn't
# there, and on a busy machine some do: then a lease stays, or the last table is
# missing.  A directory is always there.
rounds=1
[ "$STORE" = dir ] || rounds=8
until goes_on; do
	echo "before: $before KiB, stopped: $had, in the end: $now; leases: $left"
	rounds=$((rounds - 1))
	[ $rounds -gt 0 ] || die "stored again, or leases are left"
done
ok vitrine check
ok vitrine restore "latest:$S" --target "$T/back"
same "$S" "$T/back"
