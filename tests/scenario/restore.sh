#!/bin/sh
# Restore: never outside the target, never over what is there, what can't be done
# is said, and a normal user gets what he can have.
. "$(dirname "$0")/lib.sh"

S=$T/src
make_links "$S"
ln "$S/c/link" "$S/a/link-again"
mkfifo "$S/c/fifo"
truncate -s 1G "$S/c/hole"
printf end >>"$S/c/hole"
chmod 2750 "$S/a"
echo x >"$S/c/read-only"
setfattr -n user.color -v blue "$S/c/read-only" 2>/dev/null || :
chmod 444 "$S/c/read-only"
touch -d '1901-02-03 04:05:06.123456789' "$S/c/three"
touch -d '2001-02-03 04:05:06.5' "$S/a/b" "$S/a" "$S/c" "$S"
ok vitrine init
ok vitrine backup "$S"

step "a directory's contents land in the target"
ok vitrine restore "latest:$S" --target "$T/back"
says "^Snapshot [0-9a-f]{8}: 6 files, .* restored to $T/back in "
same "$S" "$T/back"
is "$(stat -c %i "$T/back/a/one")" "$(stat -c %i "$T/back/c/one-again")"
is "$(stat -c %i "$T/back/c/link")" "$(stat -c %i "$T/back/a/link-again")"
[ "$(du -k "$T/back/c/hole" | cut -f1)" -lt 1024 ] || die "the hole was written"

step "a target that was there keeps its own mode"
mkdir "$T/mine"
chmod 711 "$T/mine"
ok vitrine restore "latest:$S" --target "$T/mine"
is "$(stat -c %a "$T/mine")" 711
touch -r "$S" "$T/mine"
chmod 755 "$T/mine"
same "$S" "$T/mine"

step "a single file lands under its name"
ok vitrine restore "latest:$S/a/one" --target "$T/single"
is "$(cat "$T/single/one")" one

step "what is there is never replaced"
mkdir -p "$T/there/a"
echo mine >"$T/there/a/one"
echo mine >"$T/there/c"
fails 3 vitrine restore "latest:$S" --target "$T/there"
says 'a/one: not restored: something of this name is there already'
says 'c: not restored: something of this name is there already; nor what is'
is "$(cat "$T/there/a/one")" mine
is "$(cat "$T/there/c")" mine
is "$(cat "$T/there/a/b/two")" two
fails 3 vitrine restore "latest:$S" --target "$T/back"
echo "$(cat "$T/back/c/three")" | grep -q three || die "a file was changed"

step "a link in the target leads nowhere"
mkdir -p "$T/trap" "$T/outside"
ln -s "$T/outside" "$T/trap/a"
ln -s "$T/outside" "$T/trap/c"
fails 3 vitrine restore "latest:$S" --target "$T/trap"
is "$(ls -A "$T/outside")" ""

step "the first name of a hard link is taken: the next is made"
mkdir -p "$T/first/a"
echo mine >"$T/first/a/one"
fails 3 vitrine restore "latest:$S" --target "$T/first"
is "$(cat "$T/first/c/one-again")" one

step "a path that isn't there"
fails 1 vitrine restore "latest:$S/a/oen" --target "$T/no"
says "there is no $S/a/oen; $S/a has b, link-again, one"
[ ! -e "$T/no" ] || die "the target was made"
fails 2 vitrine restore "latest:$S"
says 'needs --target'

if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null && [ -z "$SAN" ]; then
	step "a normal user gets what he can have"
	mkdir "$T/user" "$T/uhome"
	chown 65534:65534 "$T/user" "$T/uhome"
	[ "$STORE" = s3 ] || chmod -R a+rX "$R"
	for_others
	run env HOME="$T/uhome" XDG_CACHE_HOME="$T/uhome/c" \
	    XDG_STATE_HOME="$T/uhome/s" setpriv --reuid 65534 --regid 65534 \
	    --clear-groups vitrine restore "latest:$S" --target "$T/user/out"
	s=$?
	is "$s" 0
	says 'only root can set other owners'
	is "$(cat "$T/user/out/a/b/two")" two
	is "$(stat -c %a "$T/user/out/a")" 750
	# Nor may he everywhere, which is told.
	mkdir "$T/user/shut"
	chmod 755 "$T/user/shut"
	run env HOME="$T/uhome" XDG_CACHE_HOME="$T/uhome/c" \
	    XDG_STATE_HOME="$T/uhome/s" setpriv --reuid 65534 --regid 65534 \
	    --clear-groups vitrine restore "latest:$S" --target "$T/user/shut"
	s=$?
	is "$s" 3
	says '^vitrine: a: not restored: Permission denied; nor what is below it$'
	# What is read-only can't be given attributes any more.
	is "$(getfattr -d "$T/user/out/c/read-only" 2>/dev/null | tail -n +2)" \
	    "$(getfattr -d "$S/c/read-only" 2>/dev/null | tail -n +2)"
fi

step "directories above the paths: as they were, where they are made"
mkdir -p "$T/above/kept/deep/in" "$T/above/other" "$T/above/kep"
echo secret >"$T/above/kept/deep/in/file"
chmod 710 "$T/above/kept"
chmod 2700 "$T/above/kept/deep"
touch -d '2003-01-01 UTC' "$T/above/kept/deep" "$T/above/kept"
ok vitrine backup "$T/above/kept/deep/in" "$T/above/other" "$T/above/kep"
like() {
	is "$(stat -c '%a %U %y' "$1")" "$(stat -c '%a %U %y' "$2")"
}
ok vitrine restore latest --target "$T/up"
like "$T/up$T/above/kept" "$T/above/kept"
like "$T/up$T/above/kept/deep" "$T/above/kept/deep"
ok vitrine restore latest --target "$T/up2" --include '*/file'
like "$T/up2$T/above/kept/deep" "$T/above/kept/deep"
ok vitrine restore "latest:$T/above" --target "$T/up3"
like "$T/up3/kept" "$T/above/kept"
chmod 755 "$T/up3/kept"
ok vitrine restore "latest:$T/above" --target "$T/up3" --overwrite always
is "$(stat -c %a "$T/up3/kept")" 755
# What has nothing that is wanted is left alone.
chmod 700 "$T/up3/other" "$T/up3/kep"
ok vitrine restore "latest:$T/above" --target "$T/up3" --overwrite always \
    --include file
is "$(stat -c %a "$T/up3/other" "$T/up3/kep" | tr '\n' ' ')" "700 700 "

step "modes, whatever the umask"
mkdir "$T/modes"
for m in 400 444 600 604 640 644 646 666 700 705 750 755 777 4755 6711; do
	echo "$m" >"$T/modes/$m"
	: >"$T/modes/$m-empty"
	chmod "$m" "$T/modes/$m" "$T/modes/$m-empty"
done
ok vitrine backup "$T/modes"
for m in 000 022 077; do
	mkdir "$T/umask$m"
	[ $m != 022 ] || ! command -v setfacl >/dev/null ||
	    setfacl -d -m u:65534:rwx,g::---,o::--- "$T/umask$m" || :
	ok sh -c 'umask "$1"; exec vitrine restore "latest:$2" --target "$3"' - \
	    "$m" "$T/modes" "$T/umask$m"
	is "$(cd "$T/umask$m" && stat -c '%n %a %s' *)" \
	    "$(cd "$T/modes" && stat -c '%n %a %s' *)"
done

if [ "$(id -u)" = 0 ] && command -v setcap >/dev/null && mkdir "$T/rights" &&
    echo x >"$T/rights/cap" && chown 1234:5678 "$T/rights/cap" &&
    setcap cap_net_raw+ep "$T/rights/cap"; then
	step "what a change of owner takes away: capabilities, set-id bits"
	echo x >"$T/rights/set-id"
	chown 1234:5678 "$T/rights/set-id"
	chmod 6755 "$T/rights/set-id"
	ok vitrine backup "$T/rights"
	ok vitrine restore "latest:$T/rights" --target "$T/rights-back"
	same "$T/rights" "$T/rights-back"
	ok vitrine restore "latest:$T/rights" --target "$T/rights-back" \
	    --overwrite always
	touch -r "$T/rights" "$T/rights-back"
	same "$T/rights" "$T/rights-back"
	chown 0:0 "$T/rights-back/set-id"
	chmod 6755 "$T/rights-back/set-id"
	ok vitrine restore "latest:$T/rights" --target "$T/rights-back" \
	    --overwrite changed
	says '; 2 kept'
	touch -r "$T/rights" "$T/rights-back"
	same "$T/rights" "$T/rights-back"
	# Root who may not is told so: it's not what users know.
	if command -v setpriv >/dev/null; then
		fails 3 setpriv --bounding-set -chown,-setfcap vitrine restore \
		    "latest:$T/rights" --target "$T/rights-unowned"
		says 'cap: not restored: attribute security.capability: Op'
		says 'set-id: not restored: owner 1234:5678: Operation not permitted'
		is "$(stat -c '%u %a' "$T/rights-unowned/set-id")" "0 755"
	fi
	# Others' rights are not the user's who can't give the file away.
	if command -v setpriv >/dev/null && [ -z "$SAN" ]; then
		[ "$STORE" = s3 ] || chmod -R a+rX "$R"
		run env HOME="$T/uhome" XDG_CACHE_HOME="$T/uhome/c" \
		    XDG_STATE_HOME="$T/uhome/s" setpriv --reuid 65534 \
		    --regid 65534 --clear-groups vitrine restore \
		    "latest:$T/rights" --target "$T/user/rights"
		is "$(stat -c '%U %a' "$T/user/rights/set-id")" "nobody 755"
		# One of the group gives it at least to that.
		run env HOME="$T/uhome" XDG_CACHE_HOME="$T/uhome/c" \
		    XDG_STATE_HOME="$T/uhome/s" setpriv --reuid 65534 \
		    --regid 65534 --groups 5678 vitrine restore \
		    "latest:$T/rights" --target "$T/user/rights2"
		is "$(stat -c '%U %g %a' "$T/user/rights2/set-id")" \
		    "nobody 5678 2755"
	fi
fi

if command -v setfacl >/dev/null && mkdir "$T/acls" &&
    setfacl -d -m u:65534:rwx "$T/acls"; then
	step "a target that hands an ACL down: not to what is restored"
	mkdir -p "$T/plain/d/e"
	echo x >"$T/plain/file"
	echo x >"$T/plain/d/file"
	mkfifo "$T/plain/fifo" "$T/plain/d/e/fifo"
	setfacl -m u:1234:r "$T/plain/d/file"
	setfacl -d -m u:1234:rx "$T/plain/d"
	chmod 640 "$T/plain/file" "$T/plain/fifo"
	ok vitrine backup "$T/plain"
	ok vitrine restore "latest:$T/plain" --target "$T/acls"
	ok vitrine restore "latest:$T/plain" --target "$T/acls/new"
	same "$T/plain" "$T/acls/new"
	rm -r "$T/acls/new"
	setfacl -k "$T/acls"
	touch -r "$T/plain" "$T/acls"
	same "$T/plain" "$T/acls"
	setfacl -d -m u:65534:rwx "$T/acls"
	echo other >"$T/acls/d/file"
	rm -r "$T/acls/d/e"
	ok vitrine restore "latest:$T/plain" --target "$T/acls" --overwrite \
	    always --include e --include file
	setfacl -k "$T/acls"
	touch -r "$T/plain" "$T/acls"
	same "$T/plain" "$T/acls"
fi

step "more directories than descriptors, and copies of what lies elsewhere"
M=$T/many
python3 - "$M" <<'END'
import os, random, sys
r = random.Random(5)
for d in range(400):
    os.makedirs("%s/%d" % (sys.argv[1], d))
    for n in range(3):
        size = 3000000 if d % 40 == n == 0 else r.randrange(1, 9000)
        with open("%s/%d/%d" % (sys.argv[1], d, n), "wb") as f:
            f.write(r.randbytes(size))
    if d % 5 == 4:
        os.system("cp %s/%d/1 %s/%d/copy" % (sys.argv[1], r.randrange(d), sys.argv[1], d))
END
ok vitrine backup "$M"
ok sh -c 'ulimit -n 140; exec vitrine restore --verify "latest:$1" --target "$2"' - \
    "$M" "$T/many-back"
says '; 1280 verified'
same "$M" "$T/many-back"

step "what is larger than ulimit -f allows is listed, and all else restored"
fails 3 sh -c 'ulimit -f 2000; exec vitrine restore "latest:$1" --target "$2"' - "$M" \
    "$T/limited"
says '^vitrine: 0/0: not restored: .*File too large$'
says '; 10 things could not be restored'
cmp "$M/1/1" "$T/limited/1/1" || die "1/1 differs"

if mkdir "$T/few" && mount -t tmpfs -o nr_inodes=50 none "$T/few" 2>/dev/null; then
	step "a target in which nothing more can be made: the restore fails"
	mkdir "$T/flat"
	(cd "$T/flat" && seq 1 100 | split -l 1 -a 3)
	ok vitrine backup "$T/flat"
	fails 1 vitrine restore "latest:$T/flat" --target "$T/few"
	says 'No space left on device'
	says_not 'restored to'
	rm -r "$T/flat"/* "$T/few"/*
	(cd "$T/flat" && seq 1 100 | xargs mkdir && echo x >x)
	ok vitrine backup "$T/flat"
	fails 1 vitrine restore "latest:$T/flat" --target "$T/few"
	says 'No space left on device'
	says_not 'not restored:'
	says_not 'restored to'
fi

mkdir "$T/years" "$T/short"
echo x >"$T/years/2100"
echo x >"$T/years/2030"
if touch -d '2030-01-01' "$T/years/2030" "$T/years" &&
    touch -d '2100-01-01' "$T/years/2100" && truncate -s 8M "$T/image" &&
    mkfs.ext4 -q -I 128 "$T/image" >/dev/null 2>&1 &&
    mount -o loop "$T/image" "$T/short" 2>/dev/null; then
	step "a time that the target can't hold is told"
	ok vitrine backup "$T/years"
	fails 3 vitrine restore "latest:$T/years" --target "$T/short"
	says '2100: not restored: its time, 4102444800 seconds from 1970, is beyond'
	says ': 2 files, 4 B restored .*; 1 thing could not be restored'
fi
