#!/bin/sh
# Other users at a mount: shut out, or let in and checked like on a disk.
. "$(dirname "$0")/lib.sh"
need_fuse
need_root
as() {
	setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"
}
as true || skip "no setpriv"

mkdir -p "$T/src/open" "$T/src/shut" "$T/mnt"
for d in open shut; do
	echo text >"$T/src/$d/all"
	echo text >"$T/src/$d/mine"
	chmod 600 "$T/src/$d/mine"
	echo text >"$T/src/$d/acl"
	chmod 600 "$T/src/$d/acl"
	setfacl -m u:65534:r "$T/src/$d/acl" || skip "no ACLs here"
done
setfattr -n trusted.t -v x "$T/src/open/all" || skip "no trusted attributes here"
setfattr -n user.u -v x "$T/src/open/all"
chmod 700 "$T/src/shut"
chmod 755 "$T"
ok vitrine init
ok vitrine backup "$T/src"
M=$T/mnt$T/src

step "by default only the mounter"
ok vitrine mount latest "$T/mnt"
ok cat "$M/shut/mine"
fails 2 as ls "$T/mnt"
says 'Permission denied'
ok vitrine umount "$T/mnt"

step "allow_other: modes, owners and ACLs count"
ok vitrine mount -o allow_other latest "$T/mnt"
ok as cat "$M/open/all"
ok as cat "$M/open/acl"
fails 1 as cat "$M/open/mine"
says 'Permission denied'
fails 1 as cat "$M/shut/all"
says 'Permission denied'
ok cat "$M/shut/mine"
ok as getfacl "$M/open/acl"
says 'user:.*:r--'

step "trusted attributes are root's, as on a disk"
ok as getfattr -m - "$M/open/all"
says '^user.u$'
says_not '^trusted'
ok getfattr -m - "$M/open/all"
says '^trusted.t$'
ok getfattr -n trusted.t "$M/open/all"
ok vitrine umount "$T/mnt"
