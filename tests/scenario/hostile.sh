#!/bin/sh
# A put-only client's key in the hands of somebody who writes what they like: the
# owner gets an error or right data, in bounded time, and keeps what is the owner's.
# run: timeout=1800 store=dir not=thread
. "$(dirname "$0")/lib.sh"

S=$T/src
make_links "$S"
mkdir "$T/mnt"
printf laptop >"$T/laptop.pass"
mount=
[ ! -w /dev/fuse ] || mount=mount

# A key file costs no Argon2, and there are some hundred commands to come.
head -c 40 /dev/urandom >"$T/key"
VITRINE_KEY_FILE=$T/key
export VITRINE_KEY_FILE
unset VITRINE_PASSWORD
ok vitrine init
ok vitrine key add --put-only --host laptop --new-password-file "$T/laptop.pass"
ok vitrine backup --host owner "$S"
ok vitrine check --read-data

"$TOP/tests/scenario/hostile.py" "$T" "$T/laptop.pass" \
    "$(dirname "$VITRINE_TEST")/tests/scenario/forge" $mount || die "hostile.py"

step "the owner's own is as it was, and goes on"
echo more >"$S/more"
ok vitrine backup --host owner "$S"
says '1 new'
ok vitrine restore --host owner "latest:$S" --target "$T/back"
same "$S" "$T/back"
