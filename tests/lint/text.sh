#!/bin/sh
# What STYLE asks of the text: 80 columns, no trailing blanks, no leftovers.
set -u
bad=0
files=$(ls engine/*/*.[ch] index/*.[ch] fs/*.[ch] tools/*.[ch] \
    tools/*/*.[ch] tests/*/*.[ch])
for f in $files; do
	expand "$f" | awk -v f="$f" 'length > 80 {
		print f ":" NR ": " length " columns"; n++
	} END { exit n > 0 }' || bad=1
done
grep -nE '[ 	]+$' $files && bad=1
grep -nE 'TODO|FIXME|XXX|HACK' $files | grep -v XXXXXX && bad=1
grep -nE '\balloca\(|__attribute__\(\(cleanup' $files && bad=1
exit $bad
