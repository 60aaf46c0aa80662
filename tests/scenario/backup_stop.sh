#!/bin/sh
# Stopped by a signal: soon, cleanly, and the next run goes on from there.
# run: timeout=300
. "$(dirname "$0")/lib.sh"

S=$T/src
mkdir -p "$S"
size=50
for i in 1 2 3 4; do head -c ${size}000000 /dev/urandom >"$S/$i"; done
ok vitrine init
packs() { objects packs/ | wc -l; }
stored() { objects packs/ | awk '{ n += $1 } END { print int(n / 1024) }'; }
for sig in INT TERM; do
	step "$sig"
	had=$(packs)
	# A shell's background job ignores SIGINT.  Slow enough that it can't be
	# over before it is told to stop.
	/usr/bin/python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])' vitrine \
	    backup --limit-rate 30M "$S" >"$T/log" 2>&1 &
	pid=$!
	# In the middle: as soon as it has stored something.
	tries=0
	while [ "$(packs)" -le "$had" ] && [ $tries -lt 3000 ]; do
		sleep 0.02
		tries=$((tries + 1))
	done
	start=$(date +%s%N)
	kill -$sig $pid || die "it was faster: $(cat "$T/log")"
	wait $pid
	s=$?
	ms=$((($(date +%s%N) - start) / 1000000))
	is "$s" 130
	echo "stopped within $ms ms"
	[ $ms -lt 20000 ] || die "it took $ms ms to stop"
done
ok vitrine snapshots
says_not "$S"
is "$(objects leases/)" ""
had=$(stored)
[ "$had" -gt 1000 ] || die "nothing was kept"
ok vitrine backup "$S"
now=$(stored)
# All of it is noise; what was stored before isn't stored again.
[ "$now" -lt $((size * 4 * 1000 * 103 / 100)) ] || die "stored again: $had, then $now KiB"
ok vitrine check
ok vitrine restore "latest:$S" --target "$T/back"
same "$S" "$T/back"
