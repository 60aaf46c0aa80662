#!/bin/sh
# contrib's cron line and systemd units: read by what will read them, and a backup
# with no more rights than the service has.
. "$(dirname "$0")/lib.sh"

C=$TOP/contrib
ok vitrine init

step "the cron lines: five fields, a user, and a command that the shell can read"
grep -v -e '^#' -e '^$' -e '^[A-Z_]*=' "$C/cron/vitrine" >"$T/lines"
is "$(grep -c . "$T/lines")" 2
while read -r a b c d e user command; do
	for field in "$a" "$b" "$c" "$d" "$e"; do
		echo "$field" | grep -E -q '^[0-9*,/-]+$' || die "field $field"
	done
	is "$user" root
	! echo "$command" | grep -E -q '(^|[^\\])%' || die "a bare % in $command"
	echo "$command" | sed 's/\\%/%/g' >"$T/command"
	ok sh -n "$T/command"
	# Its options are ours.
	sed 's/.*vitrine -q/vitrine -q --help/' "$T/command" >"$T/help"
	ok sh "$T/help"
done <"$T/lines"
sed -n 's/\\%/%/g; s/.*root  *\(sleep.*\); flock.*/\1/p' "$C/cron/vitrine" |
    sed 's/sleep/echo/; s/1800/5/' >"$T/sleep"
ok sh "$T/sleep"
says '^[0-4]$'

step "a backup with the service's rights: all is read, nothing else is written"
need_root
command -v setpriv >/dev/null || skip "no setpriv"
S=$T/src
mkdir -p "$S/theirs"
echo mine >"$S/theirs/letter"
chown -R nobody "$S/theirs"
chmod 700 "$S/theirs"
chmod 600 "$S/theirs/letter"
caps=$(sed -n 's/^CapabilityBoundingSet=//p' "$C/systemd/vitrine-backup.service" |
    sed 's/CAP_/+/g; y/ABCDEFGHIJKLMNOPQRSTUVWXYZ /abcdefghijklmnopqrstuvwxyz,/')
is "$caps" "+dac_read_search,+fowner"
ok setpriv --bounding-set "-all,$caps" --no-new-privs vitrine -q backup \
    --exclude-caches --nice 10 --idle-io "$S"
is "$(out)" ""
ok vitrine cat "latest:$S/theirs/letter"
is "$(out)" mine
ok vitrine check

step "what the service may write to is enough"
mkdir -p "$T/var/lib/vitrine" "$T/var/cache/vitrine" "$R"
env=$(sed -n 's/^Environment=//p' "$C/systemd/vitrine-backup.service" |
    sed "s,=/var,=$T/var,g")
# As ProtectSystem=strict has it.
cat >"$T/strict" <<-END
	for d in / /tmp /var/tmp "$(dirname "$T")"; do
	    ! mountpoint -q "\$d" || mount -o remount,bind,ro "\$d"
	done
	for d in "$T/var" "$R"; do
	    mount --bind "\$d" "\$d"
	    mount -o remount,bind,rw "\$d"
	done
	! [ -w /var/tmp ] || exit 9
	exec vitrine -q backup --force "$S"
END
# shellcheck disable=SC2086 # words
ok env $env unshare -m sh -e "$T/strict"
is "$(out)" ""
ok vitrine check

step "the units"
command -v systemd-analyze >/dev/null || skip "no systemd-analyze"
mkdir "$T/units" "$T/man"
for u in "$C"/systemd/vitrine-*; do
	sed "s,/usr/local/bin/vitrine,$T/bin/vitrine,; /^Documentation=/d" "$u" \
	    >"$T/units/$(basename "$u")"
done
SYSTEMD_UNIT_PATH=$T/units:
export SYSTEMD_UNIT_PATH
ok systemd-analyze verify "$T/units/vitrine-backup.service" \
    "$T/units/vitrine-backup.timer" "$T/units/vitrine-failure@x.service"
is "$(out)" ""
grep -q '^Persistent=yes' "$C/systemd/vitrine-backup.timer" || die "no catch-up"
systemd-analyze security --offline=yes "$T/units/vitrine-backup.service" \
    >"$T/out" 2>&1 || skip "systemd-analyze can't judge files"
says 'exposure level.* [0-3]\.[0-9] OK'
