#!/bin/sh
# make install puts everything where pkg-config says it is: a program outside
# the tree compiles, links and runs against it; uninstall leaves nothing.
set -eu
t=$(mktemp -d "${TMPDIR:-/tmp}/vitrine-install.XXXXXX")
trap 'rm -rf "$t"' EXIT
make -s install DESTDIR="$t/root" PREFIX=/opt/v
r=$t/root/opt/v
for f in bin/vitrine lib/libvitrine.a lib/libvitrine.so lib/libvitrine.so.0 \
    lib/pkgconfig/vitrine.pc include/vitrine/engine/store/store.h \
    share/man/man5/vitrine-format.5 share/man/man8/mount.vitrine.8; do
	[ -e "$r/$f" ] || { echo "$f: not installed"; exit 1; }
done
[ "$(readlink "$r/sbin/mount.vitrine")" = /opt/v/bin/vitrine ] ||
    { echo "mount.vitrine: not installed"; exit 1; }
for m in $(find engine index fs tools -name '*.[158]'); do
	[ -e "$r/share/man/man${m##*.}/${m##*/}" ] ||
	    { echo "$m: not installed"; exit 1; }
done
if find "$r" -name '*_impl.h' -o -name '*_int.h' | grep .; then
	echo "a private header is installed"
	exit 1
fi

cat >"$t/user.c" <<'END'
#include <stdio.h>
#include <engine/base/err.h>
#include <engine/store/store.h>
#include <index/catalog.h>

int
main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	struct store *s;

	if (store_open(&s, argv[1], 1, &e) != 0 ||
	    store_put(s, "keys/a", "x", 1, &e) != 0) {
		fprintf(stderr, "%s\n", err_text(&e));
		return (1);
	}
	store_close(s);
	return (0);
}
END
# The root stands for a machine's: both sets of paths lead into it.
PKG_CONFIG_PATH=$r/lib/pkgconfig
export PKG_CONFIG_PATH
pc="pkg-config --define-variable=prefix=$r"
(cd "$r/include/vitrine" && find . -name '*.h') >"$t/headers"
while read -r h; do
	echo "#include \"$h\"" | cc -x c -std=c17 -Wall -Werror \
	    -fsyntax-only $($pc --cflags vitrine) \
	    $(pkg-config --cflags $($pc --print-requires-private vitrine)) - ||
	    { echo "$h: doesn't compile where it is installed"; exit 1; }
done <"$t/headers"
cc -std=c17 -o "$t/shared" "$t/user.c" $($pc --cflags --libs vitrine)
LD_LIBRARY_PATH=$r/lib "$t/shared" "$t/store1"
[ -f "$t/store1/keys/a" ]
LD_LIBRARY_PATH=$r/lib ldd "$t/shared" | grep -q "$r/lib/libvitrine.so.0" ||
    { echo "not linked to the shared library"; exit 1; }
cc -std=c17 -o "$t/static" "$t/user.c" $($pc --cflags vitrine) \
    "$r/lib/libvitrine.a" \
    $(pkg-config --libs $($pc --print-requires-private vitrine)) -lpthread
"$t/static" "$t/store2"
[ -f "$t/store2/keys/a" ]

make -s uninstall DESTDIR="$t/root" PREFIX=/opt/v
left=$(find "$t/root" ! -type d)
[ -z "$left" ] || { echo "left behind: $left"; exit 1; }
[ ! -e "$r/include/vitrine" ]
