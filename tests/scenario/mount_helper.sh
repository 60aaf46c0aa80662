#!/bin/sh
# run: store=dir
# mount.vitrine: by mount(8), by fstab, by itself; in a mount namespace of its
# own, in which /sbin and /etc/fstab are ours.
if [ "$(id -u)" = 0 ] && [ -z "${PRIVATE:-}" ]; then
	PRIVATE=1 exec unshare -m "$0" "$@"
fi
. "$(dirname "$0")/lib.sh"
need_root
need_fuse

step "a machine on which it is installed"
mkdir "$T/mnt" "$T/src" "$T/var"
install_helper
make_tree "$T/src"
printf '%s\n' "$VITRINE_PASSWORD" >"$T/password"
ok vitrine init
ok vitrine backup "$T/src"
# As at boot: nothing of a user's is there.
helped() {
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin ${VITRINE_ENV:-} "$@"
}
w=password-file=$T/password

step "mount -t vitrine: all snapshots"
ok helped mount -t vitrine -o "$w" "$R" "$T/mnt"
mounted "$T/mnt"
same "$T/src" "$T/mnt/latest$T/src"
ok findmnt -n -o FSTYPE,SOURCE "$T/mnt"
says "fuse.vitrine +$R"
fails 1 touch "$T/mnt/latest$T/src/new"
says 'Read-only file system'
ok umount "$T/mnt"

step "a directory of a snapshot"
ok helped mount -t vitrine -o "$w,snapshot=latest:$T/src/dir" "$R" "$T/mnt"
same "$T/src/dir" "$T/mnt"
ok umount "$T/mnt"
ok helped mount -t vitrine -o "repo=$R,$w" "latest:$T/src" "$T/mnt"
same "$T/src" "$T/mnt"
ok umount "$T/mnt"
ok helped mount -t vitrine -o "repo=$R,$w" none "$T/mnt"
[ -d "$T/mnt/latest/." ] || die "not all snapshots"
ok umount "$T/mnt"

step "options of vitrine, of mount, and those that are for others"
printf %s "$VITRINE_PASSWORD" >"$T/key,file"
ok helped mount -t vitrine -o \
"password-command=\"sed -n 1,1p '$T/key,file'\",cache-dir=$T/var,threads=2"\
",memory=64M,host=$(uname -n),snapshot=latest,allow_other,noexec,rw,_netdev,nofail,x-a.b=c" \
    "$R" "$T/mnt"
ok findmnt -n -o OPTIONS "$T/mnt"
says '(^|,)ro,.*noexec.*allow_other'
[ -n "$(ls "$T/var")" ] || die "no cache"
ok umount "$T/mnt"

step "fstab"
printf '%s %s vitrine %s,allow_other,noauto,_netdev,nofail 0 0\n' "$R" \
    "$T/mnt" "$w" >"$T/fstab"
mount --bind "$T/fstab" /etc/fstab || die "bind"
ok helped mount "$T/mnt"
same "$T/src" "$T/mnt/latest$T/src"
ok umount "$T/mnt"

step "what we give as an example"
mkdir -p "$T/var2"
sed -e "s|/srv/backup|$R|; s|/mnt/backup|$T/mnt|" \
    -e "s|/etc/vitrine/password|$T/password|" \
    -e "s|/var/cache/vitrine|$T/var2|" "$TOP/contrib/mount/fstab" >"$T/fstab"
ok helped mount "$T/mnt"
[ -d "$T/mnt/latest/." ] || die "the example does not mount"
ok umount "$T/mnt"
sed -n 's/^Options=//p' "$TOP/contrib/mount/mnt-backup.mount" |
    sed -e "s|/etc/vitrine/password|$T/password|" \
    -e "s|/var/cache/vitrine|$T/var2|" >"$T/options"
ok helped mount -t vitrine -o "$(cat "$T/options")" "$R" "$T/mnt"
ok umount "$T/mnt"
if command -v systemd-analyze >/dev/null; then
	run systemd-analyze verify "$TOP/contrib/mount/mnt-backup.mount"
	says_not 'mnt-backup.mount.*(Unknown|Invalid|Failed to parse|ignoring)'
fi

step "what is wrong is said"
fails 2 helped mount -t vitrine -o "$w,colour=blue" "$R" "$T/mnt"
says 'unknown mount option: colour=blue'
fails 2 helped mount -t vitrine -o "$w,repo=$R,snapshot=latest" latest \
    "$T/mnt"
says 'the snapshot is given twice'
run helped mount -t vitrine -o "password-file=$T/none" "$R" "$T/mnt"
says 'No such file'
fails 2 helped "$T/sbin/mount.vitrine" "$R"
says 'usage: mount.vitrine SOURCE DIRECTORY'
fails 2 helped "$T/sbin/mount.vitrine" -x "$R" "$T/mnt"
says 'unknown option -x'
fails 2 helped "$T/sbin/mount.vitrine" "$R" "$T/mnt" -o
says '.-o needs an argument'
fails 2 helped "$T/sbin/mount.vitrine" "$R" "$T/mnt" more
says 'too many arguments: more'
ok helped mount -f -t vitrine -o "$w" "$R" "$T/mnt"
! mountpoint -q "$T/mnt" || die "-f mounted"
ok helped "$T/sbin/mount.vitrine" "$R" "$T/mnt" -snv -t vitrine -o "$w"
mounted "$T/mnt"
ok umount "$T/mnt"
