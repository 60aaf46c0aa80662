#!/bin/sh
# run: store=s3
# A bucket whose policy forbids removal: backups, restores and checks work, what
# can't be removed stays, and that is said once.
. "$(dirname "$0")/lib.sh"

bucket=kept-$(basename "$T" | tr -dc a-z0-9 | tail -c 20)
VITRINE_REPOSITORY=s3:$VITRINE_TEST_S3_HTTP/$bucket/r
export VITRINE_REPOSITORY
/usr/bin/python3 - "$TOP/tests/s3" "$bucket" <<'END' || die "no bucket"
import json
import sys
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
from client import Client
c, bucket = Client.of_env(), sys.argv[2]
c.make_bucket(bucket)
c.call("PUT", bucket, query={"policy": ""}, body=json.dumps({
    "Version": "2012-10-17", "Statement": [{
        "Effect": "Deny", "Principal": "*", "Action": ["s3:DeleteObject"],
        "Resource": ["arn:aws:s3:::%s/*" % bucket]}]}).encode())
END
mkdir "$T/tree"
echo one >"$T/tree/one"
ok vitrine init
ok vitrine backup "$T/tree"
says "does not allow anything to be removed"
is "$(out | grep -c "does not allow anything")" 1
echo two >"$T/tree/two"
ok vitrine backup "$T/tree"
ok vitrine check --read-data
says "No damage in 2 snapshots"
step "a key that can't be removed still opens, and that is said"
head -c 40 /dev/urandom >"$T/key"
ok vitrine key add --new-key-file "$T/key"
ok vitrine key list
key=$(out | grep -v '\*' | grep -o '^[0-9a-f]\{8\}' | tail -1)
[ -n "$key" ] || die "no other key is listed"
fails 1 vitrine key remove "$key"
says "still opens the repository"
ok vitrine --key-file "$T/key" snapshots

step "and all of it is there"
ok vitrine restore latest:"$T/tree" --target "$T/back"
same "$T/tree" "$T/back"
