#!/bin/sh
# A source that changes while it is read: grows, shrinks, vanishes, is replaced.
. "$(dirname "$0")/lib.sh"

S=$T/src
mkdir -p "$S/churn" "$S/still"
for i in 1 2 3 4 5 6 7 8; do head -c 400000 /dev/urandom >"$S/still/$i"; done
head -c 60000000 /dev/urandom >"$S/large"
ok vitrine init
cat >"$T/churn.py" <<'PY'
import os, random, sys
d = sys.argv[1]
r = random.Random(1)
while True:
    n = os.path.join(d, str(r.randrange(200)))
    try:
        k = r.randrange(7)
        if k < 2:
            open(n, "ab").write(b"x" * r.randrange(100000))
        elif k == 2:
            os.truncate(n, r.randrange(1000))
        elif k == 3:
            os.unlink(n)
        elif k == 4:
            os.symlink("x", n)
        elif k == 5:
            os.mkdir(n)
            open(n + "/f", "w").write("y")
        else:
            os.rename(n, os.path.join(d, str(r.randrange(200))))
        if r.randrange(50) == 0:
            os.truncate(os.path.join(d, "..", "large"), r.randrange(30000000, 60000000))
    except OSError:
        pass
PY
/usr/bin/python3 "$T/churn.py" "$S/churn" &
churn=$!
at_end 'kill $churn'
for i in 1 2 3 4 5; do
	run vitrine backup "$S"
	s=$?
	case $s in
	0 | 3) ;;
	*) die "status $s" ;;
	esac
done
kill $churn
wait $churn 2>/dev/null
at_end ''
ok vitrine check --read-data

step "once it stands still, all is as it is"
sleep 3.1
ok vitrine backup "$S"
ok vitrine restore "latest:$S" --target "$T/back"
same "$S" "$T/back"
