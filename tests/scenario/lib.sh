# A small harness for scenario scripts.  A script begins with
#
#	#!/bin/sh
#	# run: timeout=600			(optional, see tests/run)
#	. "$(dirname "$0")/lib.sh"
#
# and runs commands through the functions below; the first that does not hold
# ends it.  It gets a private directory $T, removed at the end with all that was
# mounted below it, and in it:
#
#	$REPO	a repository's place (VITRINE_REPOSITORY), not made yet
#	$R	its objects as a directory.  With VITRINE_TEST_STORE=s3 $REPO is in a
#		bucket and $R a copy of it, so that a test that looks at the
#		objects or changes them does so for any store:
#	pull	makes $R as the repository is; push makes it as $R is (both do
#		nothing where $R is the repository)
#	objects [PREFIX]	lists objects, as SIZE NAME, without a pull
#	$STORE	dir or s3, for what has a meaning only over one of them; a script
#		all of which has none says so by "store=dir" (see tests/run)
#	vitrine, vitrine-test	in PATH: the command, and its test variant that
#		honours VITRINE_TEST_FAULTS, _SEED and _TIME.  Under a sanitizer
#		both are that build ($SAN is address or thread then)
#
#	ok CMD ...		ends with 0
#	fails STATUS CMD ...	ends with that status
#	in_time CMD ...		ends with 0 sooner or later: tried again and again,
#			for some minutes on a slow machine
#	says PATTERN		the last command's output has it (grep -E)
#	says_not PATTERN
#	out			the last command's output, on stdout
#	is WHAT WANTED		two strings are equal
#	same DIR DIR		two trees are equal in everything that a backup keeps
#	mounted MOUNTPOINT	something is mounted there
#	step TEXT		says in the log where we are
#	at_end COMMAND		what is to be done at the end, whatever that is;
#			instead of what was there before; '': nothing
#	die TEXT		ends the test as failed
#	skip TEXT		ends the test as skipped
#	need_root, need_fuse	skip where these are not to be had
#	for_others	makes the command one that other users can run, wherever
#			the checkout lies
#	install_helper	makes mount(8) find mount.vitrine, where the script has a
#			mount namespace of its own
#	make_tree DIR		a tree with some of everything
#	make_links DIR		a small one, with files and a link of two names

set -u
LC_ALL=C
TZ=UTC
export LC_ALL TZ
umask 022

: "${VITRINE:=$PWD/build/vitrine}"
: "${VITRINE_TEST:=$PWD/build-test/vitrine}"
: "${VITRINE_WRAP:=}"
: "${SAN:=}"
TOP=$(cd "$(dirname "$0")/../.." && pwd)

T=$(mktemp -d "${TMPDIR:-/tmp}/vitrine-$(basename "$0" .sh).XXXXXX") || exit 1
T=$(cd "$T" && pwd -P)

# Unmount what is mounted below $T, the deepest first.
unmount_all() {
	awk '{ print $5 }' /proc/self/mountinfo | grep "^$T/" | sort -r |
	while read -r m; do
		fusermount3 -u -z "$m" 2>/dev/null || umount -l "$m" 2>/dev/null
	done
}

finish() {
	status=$?
	trap - EXIT HUP INT TERM
	eval "$AT_END"
	unmount_all
	[ "$STORE" = dir ] || "$TOP/tests/s3/objects.py" rm "$REPO"
	chmod -R u+rwX "$T" 2>/dev/null
	rm -rf --one-file-system "$T"
	exit $status
}
AT_END=
trap finish EXIT
trap 'exit 1' HUP INT TERM

mkdir -p "$T/bin" "$T/home" "$T/cache" "$T/state"
printf '#!/bin/sh\nexec %s "%s" "$@"\n' "$VITRINE_WRAP" "$VITRINE" \
    >"$T/bin/vitrine"
printf '#!/bin/sh\nexec %s "%s" "$@"\n' "$VITRINE_WRAP" "$VITRINE_TEST" \
    >"$T/bin/vitrine-test"
chmod +x "$T/bin/vitrine" "$T/bin/vitrine-test"
PATH=$T/bin:$PATH
HOME=$T/home
XDG_CACHE_HOME=$T/cache
XDG_STATE_HOME=$T/state
R=$T/repo
REPO=$R
STORE=${VITRINE_TEST_STORE:-dir}
VITRINE_PASSWORD='a scenario pass phrase'
if [ "$STORE" = s3 ]; then
	if [ -z "${VITRINE_TEST_S3_URL:-}" ]; then
		"$TOP/tests/s3/radosgw" start "$T/s3" --owner $$ || exit 1
		eval "$("$TOP/tests/s3/radosgw" env "$T/s3")"
	fi
	REPO=$VITRINE_TEST_S3_URL/$(basename "$T")
fi
VITRINE_REPOSITORY=$REPO
export PATH HOME XDG_CACHE_HOME XDG_STATE_HOME VITRINE_REPOSITORY \
    VITRINE_PASSWORD SAN
unset VITRINE_PASSWORD_FILE VITRINE_PASSWORD_COMMAND VITRINE_TEST_FAULTS \
    VITRINE_TEST_SEED VITRINE_TEST_TIME 2>/dev/null

die() {
	echo "FAILED: $*" >&2
	[ ! -s "$T/out" ] || { echo "--- output:"; tail -40 "$T/out"; } >&2
	exit 1
}

skip() {
	echo "$*" >&2
	exit 77
}

at_end() {
	AT_END=$1
}

step() {
	echo "== $*"
}

run() {
	echo "\$ $*"
	"$@" >"$T/out" 2>&1 </dev/null
}

ok() {
	run "$@"
	s=$?
	[ $s = 0 ] || die "status $s: $*"
}

fails() {
	want=$1
	shift
	run "$@"
	s=$?
	[ $s = "$want" ] || die "status $s, not $want: $*"
}

in_time() {
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ $tries -lt 1200 ] || die "not in time: $*"
		sleep 0.1
	done
}

out() {
	cat "$T/out"
}

says() {
	grep -E -q -- "$1" "$T/out" || die "does not say: $1"
}

says_not() {
	! grep -E -q -- "$1" "$T/out" || die "says: $1"
}

is() {
	[ "$1" = "$2" ] || die "\"$1\" is not \"$2\""
}

same() {
	"$TOP/tests/scenario/same.py" "$1" "$2" >"$T/out" 2>&1 ||
	    die "$1 and $2 differ"
}

mounted() {
	mountpoint -q "$1" || die "nothing is mounted at $1"
}

pull() {
	[ "$STORE" = dir ] || "$TOP/tests/s3/objects.py" pull "$REPO" "$R" ||
	    die "pull"
}

push() {
	[ "$STORE" = dir ] || "$TOP/tests/s3/objects.py" push "$R" "$REPO" ||
	    die "push"
}

objects() {
	"$TOP/tests/s3/objects.py" ls "$REPO" "${1:-}" || die "objects"
}

need_root() {
	[ "$(id -u)" = 0 ] || skip "not root"
}

for_others() {
	cp "$VITRINE" "$T/bin/vitrine-copy" || die "for_others"
	printf '#!/bin/sh\nexec %s "%s" "$@"\n' "$VITRINE_WRAP" \
	    "$T/bin/vitrine-copy" >"$T/bin/vitrine"
	chmod 755 "$T" "$T/bin" "$T/bin/vitrine" "$T/bin/vitrine-copy"
}

need_fuse() {
	[ -w /dev/fuse ] || skip "no /dev/fuse"
	command -v fusermount3 >/dev/null 2>&1 || skip "no fusermount3"
}

# In a mount namespace of one's own: mount.vitrine is in /sbin.
install_helper() {
	mkdir "$T/real" "$T/sbin"
	mount --bind /sbin/. "$T/real" || skip "no mount namespace"
	ln -s "$T/real"/* "$T/sbin/"
	ln -sf "$VITRINE" "$T/sbin/mount.vitrine"
	mount --bind "$T/sbin" /sbin/. || die "bind"
}

make_tree() {
	mkdir -p "$1/dir/deeper" "$1/empty dir" || die "make_tree"
	echo "a letter" >"$1/letter.txt"
	: >"$1/empty"
	head -c 300000 /dev/urandom >"$1/dir/random"
	seq 1 100000 >"$1/dir/numbers"
	ln -s ../letter.txt "$1/dir/link"
	ln -s /nowhere "$1/dangling"
	ln "$1/letter.txt" "$1/dir/deeper/same letter"
	printf x >"$1/$(printf 'name \303\244 \377 \\ \n.')"
	mkfifo -m 640 "$1/fifo"
	truncate -s 5M "$1/hole"
	printf end >>"$1/hole"
	chmod 4711 "$1/dir/numbers"
	chmod 1777 "$1/empty dir"
	touch -d '1969-07-20 20:17:40.123456789 UTC' "$1/empty"
	touch -h -d '2001-02-03 04:05:06.789 UTC' "$1/dangling"
	if [ "$(id -u)" = 0 ]; then
		chown 1234:5678 "$1/dir/random"
		mknod "$1/null" c 1 3 2>/dev/null || :
	fi
	setfattr -n user.color -v blue "$1/letter.txt" 2>/dev/null || :
	setfacl -m u:1234:r "$1/letter.txt" 2>/dev/null || :
	touch -d '2010-01-01 00:00:00.5 UTC' "$1/dir" "$1"
}

make_links() {
	mkdir -p "$1/a/b" "$1/c" || die "make_links"
	echo one >"$1/a/one"
	echo two >"$1/a/b/two"
	echo three >"$1/c/three"
	ln "$1/a/one" "$1/c/one-again"
	ln -s ../a/one "$1/c/link"
}

# An object's name as messages have it; a bit of a file turned over.
short() {
	basename "$1" | cut -c1-8
}
flip_bit() {	# FILE OFFSET
	python3 - "$1" "$2" <<'PY'
import os, sys
os.chmod(sys.argv[1], 0o600)
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2]))
    b = f.read(1)
    f.seek(int(sys.argv[2]))
    f.write(bytes([b[0] ^ 16]))
PY
}
