#!/bin/sh
# run: timeout=300 store=s3
# What is about S3 alone: options, credentials from everywhere, what each refusal
# says.
. "$(dirname "$0")/lib.sh"

HOME=$T/home
export HOME
mkdir -p "$HOME/.aws" "$T/tree"
echo one >"$T/tree/one"
head -c 300000 /dev/urandom >"$T/tree/two"
base=$VITRINE_TEST_S3_HTTP/$VITRINE_TEST_S3_BUCKET
here=s3:$base/$(basename "$T")
VITRINE_REPOSITORY=$here
access=$AWS_ACCESS_KEY_ID
secret=$AWS_SECRET_ACCESS_KEY
AWS_EC2_METADATA_DISABLED=true
export VITRINE_REPOSITORY AWS_EC2_METADATA_DISABLED

step "options"
ok vitrine --connections 1 --connect-timeout 60 --stall-timeout 300 \
    --request-timeout 600 init
ok vitrine --s3-class STANDARD --connections 64 backup "$T/tree"
ok vitrine --limit-upload 50M --limit-download 50M backup "$T/tree"
ok vitrine --s3-region elsewhere --s3-style path snapshots
says "2 snapshots"
fails 2 vitrine --s3-style round snapshots
fails 2 vitrine --connections 65 snapshots
fails 2 vitrine --s3-class "a b" snapshots
fails 2 vitrine --limit-upload 10 snapshots
VITRINE_CONNECTIONS=0 fails 2 vitrine snapshots
says "VITRINE_CONNECTIONS|--connections"
fails 1 vitrine init
says "there is a repository already"
fails 1 vitrine -r "s3:$base" init
says "is not empty"

step "a limit holds back"
head -c 3000000 /dev/urandom >"$T/tree/three"
began=$(date +%s)
ok vitrine --limit-upload 1M backup "$T/tree"
[ $(($(date +%s) - began)) -ge 1 ] || die "3 MB at 1 MiB a second in no time"

step "the cache"
ok vitrine --cache-dir "$T/c" ls latest:"$T/tree"
[ -n "$(find "$T/c/near" -type f)" ] || die "nothing is kept"
find "$T/c/near" -type f | while read -r f; do
	printf 'garbage' | dd of="$f" bs=1 seek=50 conv=notrunc 2>/dev/null
done
ok vitrine --cache-dir "$T/c" ls latest:"$T/tree"
ok vitrine --cache-dir "$T/d" --cache-size 0 ls latest:"$T/tree"
[ ! -e "$T/d/near" ] || die "--cache-size 0 keeps something"
ok vitrine --cache-dir "$T/e" --cache-size 100M restore latest:"$T/tree" \
    --target "$T/back"
same "$T/tree" "$T/back"

step "what a server can do is remembered, and not believed for ever"
known=$(find "$XDG_CACHE_HOME" -path '*/servers/*' -type f)
is "$(cat "$known")" "create-only"
printf 'nonsense' >"$known"
ok vitrine backup "$T/tree"
is "$(cat "$known")" "create-only"
# One that replaces is looked at before each name is given: right as well.
printf 'replaces\n' >"$known"
ok vitrine backup "$T/tree"
touch -d '40 days ago' "$known"
ok vitrine backup "$T/tree"
is "$(cat "$known")" "create-only"
ok vitrine check --read-data

step "TLS"
tls=s3:$VITRINE_TEST_S3_HTTPS/$VITRINE_TEST_S3_BUCKET/$(basename "$T")
fails 1 vitrine -r "$tls" snapshots
says "ertificate.*--s3-ca-file"
says_not "run it again"
fails 2 vitrine -r "$tls" --s3-ca-file /nowhere snapshots
says "/nowhere"
AWS_CA_BUNDLE=$VITRINE_TEST_S3_CA ok vitrine -r "$tls" snapshots
ok vitrine -r "$tls" --s3-ca-file "$VITRINE_TEST_S3_CA" snapshots
ok vitrine -r "$tls" --s3-insecure snapshots
says "may be anybody"

step "proxies"
http_proxy=http://127.0.0.1:9 fails 1 vitrine --connect-timeout 1 snapshots
says "127.0.0.1 port 9"
http_proxy=http://127.0.0.1:9 no_proxy=127.0.0.1 ok vitrine snapshots

step "credentials"
AWS_SECRET_ACCESS_KEY=wrong fails 1 vitrine snapshots
says "status 403"
says "request tx"
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
fails 2 vitrine snapshots
says "AWS_ACCESS_KEY_ID"
fails 1 vitrine --s3-anonymous snapshots
says "AccessDenied .*--s3-anonymous sends no credentials"
says_not "are wrong here"
AWS_ACCESS_KEY_ID=$access fails 2 vitrine snapshots
says "AWS_SECRET_ACCESS_KEY is not"
cat >"$HOME/.aws/credentials" <<END
[default]
aws_access_key_id = nobody
aws_secret_access_key = nothing

[good]
aws_access_key_id=$access
aws_secret_access_key=$secret
END
cat >"$HOME/.aws/config" <<END
[profile good]
region = us-east-1
endpoint_url = $VITRINE_TEST_S3_HTTP
[profile role]
role_arn = arn:aws:iam::1:role/x
END
fails 1 vitrine snapshots
unset AWS_ENDPOINT_URL
AWS_PROFILE=good ok vitrine -r "s3://$VITRINE_TEST_S3_BUCKET/$(basename "$T")" \
    snapshots
AWS_PROFILE=none fails 2 vitrine snapshots
says "none"
AWS_PROFILE=role fails 2 vitrine snapshots
says "eval .*export-credentials"
rm -r "$HOME/.aws"

step "roles"
unset AWS_EC2_METADATA_DISABLED
"$TOP/tests/scenario/metadata.py" "$T/port" "$access" "$secret" 3600 &
service=$!
at_end 'kill $service'
in_time [ -e "$T/port" ]
at=http://127.0.0.1:$(cat "$T/port")
# Where it took five seconds to answer it is asked again; so we may have to try again.
instance() {
	rm -f "$T/port.log"
	AWS_EC2_METADATA_SERVICE_ENDPOINT=$at vitrine snapshots >"$T/out" 2>&1 &&
	    [ "$(grep -c "PUT /latest/api/token" "$T/port.log")" = 1 ]
}
container() {
	AWS_CONTAINER_CREDENTIALS_FULL_URI=$at/container \
	    AWS_CONTAINER_AUTHORIZATION_TOKEN=pass-1 vitrine snapshots >"$T/out" 2>&1
}
in_time instance
in_time container
AWS_CONTAINER_CREDENTIALS_FULL_URI=$at/container \
    AWS_CONTAINER_AUTHORIZATION_TOKEN=pass-2 fails 1 vitrine snapshots
says "container"
is "$(grep -c "PUT /latest/api/token" "$T/port.log")" 1

step "what is not there"
AWS_ACCESS_KEY_ID=$access
AWS_SECRET_ACCESS_KEY=$secret
export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
fails 10 vitrine -r "s3:$VITRINE_TEST_S3_HTTP/no-such-bucket/x" snapshots
says "NoSuchBucket"
fails 10 vitrine -r "s3:$VITRINE_TEST_S3_HTTP/no-such-bucket/x" init
says "make the bucket first"
says_not "vitrine init"
fails 10 vitrine -r "${here%?}" snapshots
fails 1 vitrine -r "s3:http://127.0.0.1:9/bucket" --connect-timeout 1 snapshots
says "127.0.0.1:9"
fails 2 vitrine -r "s3:http://$access:$secret@127.0.0.1/bucket" snapshots
says "credentials"
says_not "$secret"
