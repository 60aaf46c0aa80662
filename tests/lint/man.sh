#!/bin/sh
# The manual pages are clean mdoc.
set -u
command -v mandoc >/dev/null || { echo "no mandoc" >&2; exit 77; }
pages=$(find engine index fs tools -name '*.[158]' | sort)
[ -n "$pages" ] || { echo "no pages"; exit 1; }
# A page may refer to one that is installed elsewhere; what may not be is an
# error or a warning.
bad=0
for p in $pages; do
	mandoc -T lint -W warning "$p" || bad=1
	LC_ALL=C grep -n '[^ -~	]' "$p" && { echo "$p: not ASCII"; bad=1; }
	# References to pages of ours must lead somewhere.
	for ref in $(sed -n 's/^\.Xr \(vitrine[a-z-]*\) \([158]\).*/\1.\2/p' "$p")
	do
		find engine index fs tools -name "$ref" | grep -q . ||
		    { echo "$p: no page $ref"; bad=1; }
	done
done
exit $bad
