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
make_noise
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
faster=0
for sig in INT TERM; do
	step "$sig"
	stopped_by $sig
	# We may have slept, and it was done before it was told to stop.
	while [ $s = 0 ] && [ $faster -lt 5 ]; do
		faster=$((faster + 1))
		make_noise
		stopped_by $sig
	done
	[ $s = 130 ] || die "status $s: $(cat "$T/log")"
done
is "$(vitrine -q snapshots | grep -c .)" $faster
is "$(objects leases/)" ""
had=$(stored)
[ "$had" -gt 1000 ] || die "nothing was kept"
ok vitrine backup "$S"
now=$(stored)
# All of it is noise; what was stored before isn't stored again.
[ "$now" -lt $((noise * 1000 * 103 / 100)) ] || die "stored again: $had, then $now KiB"
ok vitrine check
ok vitrine restore "latest:$S" --target "$T/back"
same "$S" "$T/back"
