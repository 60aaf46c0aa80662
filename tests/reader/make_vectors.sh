#!/bin/sh
# run: slow timeout=600 not=address,thread
# tests/vectors/make.sh makes the same bytes each time.
set -eu
if [ "$(id -u)" != 0 ] || ! unshare -m true 2>/dev/null; then
	echo "no mount namespaces to be had" >&2
	exit 77
fi
t=$(mktemp -d)
trap 'rm -rf "$t"' EXIT
tests/vectors/make.sh "$t/1"
tests/vectors/make.sh "$t/2"
diff -r "$t/1" "$t/2"
# However a later version stores them, the files are the same.
diff "$t/1/expected/digests" tests/vectors/v1/expected/digests
