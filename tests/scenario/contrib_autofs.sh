#!/bin/sh
# run: store=dir
# contrib's autofs map: automount reads it, a look mounts, and nobody looking
# unmounts; in a mount namespace of its own, in which /sbin is ours.
if [ "$(id -u)" = 0 ] && [ -z "${PRIVATE:-}" ]; then
	PRIVATE=1 exec unshare -m "$0" "$@"
fi
. "$(dirname "$0")/lib.sh"
need_root
need_fuse
PATH=$PATH:/usr/sbin:/sbin
command -v automount >/dev/null || skip "no automount"
grep -q autofs /proc/filesystems || skip "no autofs in this kernel"

step "a machine on which it is installed"
mkdir "$T/src" "$T/auto" "$T/var"
install_helper
make_tree "$T/src"
printf '%s\n' "$VITRINE_PASSWORD" >"$T/password"
ok vitrine init
ok vitrine backup "$T/src"

step "the map, with these places for those of the example"
sed -e "s|/srv/backup|$R|; s|/etc/vitrine/password|$T/password|" \
    -e "s|/var/cache/vitrine|$T/var|; s|\\\\:/home|\\\\:$T/src|" \
    "$TOP/contrib/mount/auto.vitrine" >"$T/map"
grep -v '^#' "$T/map"
echo "$T/auto $T/map --timeout=2" >"$T/master"
# Not of our process group: its own looks are no reason to mount.
env -i PATH="$PATH" setsid automount -f -v -p "$T/pid" "$T/master" >"$T/log" 2>&1 &
daemon=$!
at_end 'kill $daemon; wait $daemon'
in_time eval 'mountpoint -q "$T/auto" || ! kill -0 $daemon'
mountpoint -q "$T/auto" || skip "automount can't: $(tail -1 "$T/log")"

step "a look mounts"
ok ls "$T/auto/all/latest/."
ok ls "$T/auto/home/"
same "$T/src" "$T/auto/home"
same "$T/src" "$T/auto/all/latest$T/src"
# It may have gone meanwhile, and this is no look that mounts.
shown() {
	ls "$T/auto/all/latest/." >/dev/null &&
	    findmnt -n -o FSTYPE,OPTIONS "$T/auto/all" >"$T/out"
}
in_time shown
says '^fuse.vitrine +ro,.*allow_other'

step "nobody looks any more"
gone() {
	! grep -q " $1 " /proc/self/mountinfo	# no look at the place itself
}
in_time gone "$T/auto/all"
in_time gone "$T/auto/home"

step "what is not in the map is not there"
fails 2 ls "$T/auto/elsewhere"
says 'No such file'
ok ls "$T/auto/home/dir"
kill $daemon
wait $daemon
at_end ''
in_time gone "$T/auto"
