#!/bin/sh
# Every header compiles alone and twice, and has the guard of its path.
set -u
flags="-fsyntax-only -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DFUSE_USE_VERSION=312
    -Wall -Wextra -Werror -I. $(pkg-config --cflags fuse3 libsodium sqlite3)"
n=0
bad=0
for h in engine/*/*.h index/*.h fs/*.h tools/*.h tools/*/*.h; do
	[ -e "$h" ] || continue
	n=$((n + 1))
	printf '#include "%s"\n#include "%s"\nint x;\n' "$h" "$h" |
	    ${CC:-cc} -x c -std=c17 $flags - || { echo "$h: not alone"; bad=1; }
	guard=$(echo "VITRINE_$h" | tr 'a-z/.' 'A-Z__')
	grep -q "^#ifndef $guard\$" "$h" ||
	    { echo "$h: the guard is not $guard"; bad=1; }
done
echo "$n headers"
[ "$n" -gt 10 ] && [ $bad = 0 ]
