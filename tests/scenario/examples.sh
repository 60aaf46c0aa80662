#!/bin/sh
# run: store=dir
# The examples of the manual pages and of README are real commands: each page's are
# run in order, with a small home directory and a repository of their own;
# s3.example.org is a server here.
. "$(dirname "$0")/lib.sh"
need_fuse

HOME=$T/home
"$TOP/tests/s3/radosgw" start "$T/s3" --owner $$ || die "no server"
eval "$("$TOP/tests/s3/radosgw" env "$T/s3")"
server=${VITRINE_TEST_S3_HTTP#http://}
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$TOP/tests/s3 python3 - <<-END || die "no buckets"
	import os
	from client import Client
	c = Client.of_env(os.environ)
	for bucket in "photos", "copy", "my-bucket", "bucket":
	    c.make_bucket(bucket)
	c.put("photos", "2026/beach.jpg", b"sand")
END
for page in "$TOP"/tools/vitrine.1 "$TOP"/tools/cmd/vitrine-*.1 \
    "$TOP"/index/vitrine-catalog.5; do
	name=$(basename "${page%.[15]}")
	step "$name"
	rm -rf "$T/home" "$R"
	mkdir -p "$T/home/Documents" "$T/home/src"
	echo "Dear Ana" >"$T/home/Documents/letter.txt"
	echo "int main(void) { return (0); }" >"$T/home/src/main.c"
	case $name in
	vitrine|vitrine-init) ;;
	*)
		ok vitrine init
		ok vitrine backup "s3:http://$server/photos/2026"
		ok vitrine backup ~/Documents ~/src
		ok vitrine backup --tag nightly ~/Documents ~/src
		ok vitrine backup ~/Documents
		;;
	esac
	sed -n 's/^\.Dl \$ //p' "$page" | sed -e 's/\\e/\\/g; s/\\&//g; s/\\(dq/"/g' \
	    -e "s,https://s3\.example\.org,http://$server,; s,s3\.example\.org,$server," \
	    >"$T/commands"
	[ -s "$T/commands" ] || die "$name has no examples"
	while read -r line; do
		ok sh -ec "$line"
	done <"$T/commands"
	unmount_all
done

step README
rm -rf "$T/home"
mkdir -p "$T/home/ana/src" "$T/etc" "$T/tmp"
echo "Dear Ana" >"$T/home/ana/letter.txt"
echo "int x;" >"$T/home/ana/src/x.c"
echo "root" >"$T/etc/passwd"
# Its places are ours.
sed -n '/^Thirty seconds/,/^find, diff/s/^    //p' "$TOP/README" | sed \
    -e 's,latest/,latest@,; s,\([ =:>]\)/\(srv\|home\|etc\|mnt\|tmp\),\1@\2,g' -e "s,@,$T/,g" \
    -e "s,https://s3\.example\.org,http://$server," >"$T/readme"
mkdir -p "$HOME/.config/vitrine"
sed -n '/^# ~\/\.config/,/^argument/p' "$T/readme" >"$HOME/.config/vitrine/config"
sed -i '/^# ~\/\.config/,/^argument/d' "$T/readme"
unset VITRINE_REPOSITORY VITRINE_PASSWORD
# The profile's repository, as well, has to be made.
sed -i '/^vitrine -p/i vitrine -p laptop init' "$T/readme"
ok sh -exc "$(cat "$T/readme")"
out
