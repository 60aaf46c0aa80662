#!/bin/sh
# make install puts everything where pkg-config says it is: each header, and a
# program outside the tree, compile, link and run; uninstall leaves nothing.
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
# What a stranger does: he has what pkg-config says, and asks for plain C17.  The
# root stands for a machine's: both sets of paths lead into it.
PKG_CONFIG_PATH=$r/lib/pkgconfig
export PKG_CONFIG_PATH
pc="pkg-config --define-variable=prefix=$r"
n=0
for h in $(cd "$r/include/vitrine" && find . -name '*.h'); do
	echo "#include <${h#./}>" >"$t/one.c"
	cc -std=c17 -Wall -Wextra -Werror -fsyntax-only \
	    $($pc --cflags vitrine) "$t/one.c" ||
	    { echo "$h: installed, and of no use by itself"; exit 1; }
	n=$((n + 1))
done
[ "$n" -gt 20 ] || { echo "only $n headers"; exit 1; }
if find "$r" -name '*_impl.h' -o -name '*_int.h' | grep .; then
	echo "a private header is installed"
	exit 1
fi

echo 'dear Ana' >"$t/letter"
export VITRINE_REPOSITORY="$t/repository" VITRINE_PASSWORD=abc PASSPHRASE=abc
export XDG_CACHE_HOME="$t/cache" XDG_STATE_HOME="$t/state"
"$r/bin/vitrine" -q init
"$r/bin/vitrine" -q backup "$t/letter"
look() {
	[ "$("$@" "$t/repository" "$t/letter" 2>"$t/list")" = 'dear Ana' ] &&
	    grep -q " $t/letter\$" "$t/list" || { cat "$t/list"; exit 1; }
}
cc -std=c17 -Wall -Wextra -Werror -o "$t/shared" contrib/look.c \
    $($pc --cflags --libs vitrine)
LD_LIBRARY_PATH=$r/lib look "$t/shared"
LD_LIBRARY_PATH=$r/lib ldd "$t/shared" | grep -q "$r/lib/libvitrine.so.0" ||
    { echo "not linked to the shared library"; exit 1; }
cc -std=c17 -o "$t/static" contrib/look.c $($pc --cflags vitrine) \
    "$r/lib/libvitrine.a" \
    $(pkg-config --libs $($pc --print-requires-private vitrine)) -lpthread
look "$t/static"

# What reads can be used from C++, too.
{
	echo 'extern "C" {'
	grep '^#include <[a-z]*/' contrib/look.c
	echo '}'
	echo 'int main(int, char **v) { struct err e; struct store *s;'
	echo 'err_init(&e); return (store_open(&s, v[1], false, &e) < 0); }'
} >"$t/look.cc"
if command -v c++ >/dev/null; then
	c++ -std=c++17 -Wall -Wextra -Werror -o "$t/plus" "$t/look.cc" \
	    $($pc --cflags --libs vitrine)
	LD_LIBRARY_PATH=$r/lib "$t/plus" "$t/repository"
fi

make -s uninstall DESTDIR="$t/root" PREFIX=/opt/v
left=$(find "$t/root" ! -type d)
[ -z "$left" ] || { echo "left behind: $left"; exit 1; }
[ ! -e "$r/include/vitrine" ]
