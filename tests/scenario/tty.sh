#!/bin/sh
# A person at a terminal: what is asked, shown, and never shown.
# run: timeout=600 store=dir
. "$(dirname "$0")/lib.sh"

mount=
if [ "$(id -u)" = 0 ] && [ -w /dev/fuse ] &&
    command -v fusermount3 >/dev/null 2>&1; then
	mount=mount
fi
unset VITRINE_PASSWORD
/usr/bin/python3 "$TOP/tests/scenario/terminal.py" "$T" $mount ||
    die "on a terminal"
