#!/bin/sh
# Make the repository of test vectors, and what a reader must find in it:
#
#	tests/vectors/make.sh DIRECTORY
#
# DIRECTORY gets repository/, password, the key files, and expected/.  Run by root
# with `make V=test' done.  The same version of vitrine makes the same bytes: time
# and random numbers are injected, and the source is a tree in a root directory and
# a tmpfs of its own, whose change times and inode numbers still.c makes repeatable.
#
# tests/vectors/v1, v1-sha256 (packs named by that, feature bit 0) and v1-short-ids
# (of chunks in catalogs, bit 1 as well) were made by this once, and stay as they
# are: new readers open them for ever.  A new format version, or feature, gets
# vectors of its own beside them.
set -eu
if [ $# != 1 ]; then
	echo "usage: tests/vectors/make.sh DIRECTORY" >&2
	exit 2
fi
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
: "${CC:=cc}"
: "${VITRINE_TEST:=$PWD/build-test/vitrine}"
library=$(dirname "$VITRINE_TEST")/libvitrine.a
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT

$CC -std=c17 -D_GNU_SOURCE -O1 -fPIC -shared -o "$tools/still.so" \
    tests/vectors/still.c
$CC -std=c17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DVITRINE_TESTING -O1 \
    -Wall -Wextra -Werror -Wno-unused-parameter -I. \
    -include engine/base/banned.h -o "$tools/emit" tests/vectors/emit.c \
    "$library" $(pkg-config --libs libzstd libsodium sqlite3 libcurl \
    expat libcrypto) -lpthread
cp "$VITRINE_TEST" "$tools/vitrine"
cp tests/vectors/story.py "$tools/"

# The story runs in a root directory that has nothing but itself in it.
export tools out
unshare -m sh -eu <<'END'
root=$tools/root
mkdir "$root"
mount -t tmpfs -o mode=755 tmpfs "$root"
cd "$root"
mkdir usr proc etc tools tmp home srv repository home/ana
for d in bin lib lib64 sbin; do
	[ ! -L /$d ] || ln -s usr/$d $d
done
echo 'root:x:0:0::/:/bin/sh
ana:x:1000:1000::/home/ana:/bin/sh' >etc/passwd
echo 'root:x:0:
ana:x:1000:' >etc/group
mount --bind /usr usr
mount -t proc proc proc
mount --bind "$tools" tools
env -i PATH=/usr/sbin:/usr/bin LC_ALL=C TZ=UTC chroot . /usr/bin/python3 \
    /tools/story.py
rm -rf "$out/repository" "$out/expected"
rm -rf repository/repo/tmp
cp -r repository/repo "$out/repository"
cp repository/password repository/*.key "$out/"
END
chmod -R u=rwX,go=rX "$out"

# What the reader says of it.
mkdir -p "$out/expected"
reader=tests/reader/vitrine_reader.py
for what in list verify; do
	/usr/bin/python3 -B $reader "$out/repository" "$out/password" $what \
	    >"$out/expected/$what"
done
grep -v ' refused: ' "$out/expected/list" | cut -d' ' -f1 |
while read -r id; do
	/usr/bin/python3 -B $reader "$out/repository" "$out/password" \
	    digest "$id"
done >"$out/digests"
# Most snapshots of a lineage have most lines in common.
sort "$out/digests" | uniq -c | sed 's/^ *//' >"$out/expected/digests"
rm "$out/digests"
