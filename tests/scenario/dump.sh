#!/bin/sh
# Archives, read by the programs that people have: tar, bsdtar, unzip.
. "$(dirname "$0")/lib.sh"
for p in bsdtar unzip zipinfo; do
	command -v $p >/dev/null || skip "no $p"
done

S=$T/src
make_tree "$S"
mkdir "$S/d" "$S/$(printf 'dir \377')"
echo x >"$S/$(printf 'dir \377')/in it"
echo x >"$S/d/$(printf 'na\303\257ve')"
long=$(printf '%0200d' 7)
mkdir -p "$S/$long/$long"
echo deep >"$S/$long/$long/$long"
ln -s "$long/$long/$long" "$S/long link"
truncate -s 9G "$T/large"
printf middle | dd of="$T/large" bs=1 seek=5G conv=notrunc status=none
truncate -s 1M "$S/all hole"
head -c 700000 /dev/urandom >"$S/start"
truncate -s 3M "$S/start"
touch -d '2446-01-01' "$S/start"
if [ "$(id -u)" = 0 ]; then
	chown 3000000:4000000 "$S/d"
	setfattr -n trusted.t -v x "$S/d" 2>/dev/null || :
	setfacl -m u:1234:rx,d:g:5678:rwx "$S/d" 2>/dev/null || :
	setcap cap_net_raw=ep "$S/dir/numbers" 2>/dev/null || :
fi
touch -d '2010-01-01 00:00:00.5 UTC' "$S"
ok vitrine init
ok vitrine backup "$S" "$T/large"

step "tar, by tar and bsdtar"
for locale in C C.UTF-8; do
	LC_ALL=$locale vitrine dump "latest:$S" >"$T/$locale.tar" 2>"$T/out" ||
	    die "dump failed"
	[ ! -s "$T/out" ] || die "it said something"
done
cmp "$T/C.tar" "$T/C.UTF-8.tar" || die "the locale changes the archive"
[ "$(stat -c %s "$T/C.tar")" -lt 8000000 ] || die "holes were written"
mkdir "$T/gnu" "$T/bsd"
ok tar -C "$T/gnu" --acls --xattrs --xattrs-include='*' --same-owner \
    -xpf "$T/C.tar"
ok env LC_ALL=C.UTF-8 bsdtar -C "$T/bsd" --acls --xattrs --fflags --same-owner -xpf "$T/C.tar"
# bsdtar takes a fraction before 1970 for one of the second after.
touch -r "$S/empty" "$T/bsd/empty"
# ... and leaves the time of "." as it is.
touch -r "$S" "$T/bsd"
if [ "$(id -u)" = 0 ]; then
	same "$S" "$T/gnu"
	same "$S" "$T/bsd"
fi
is "$(stat -c %i "$T/gnu/letter.txt")" \
    "$(stat -c %i "$T/gnu/dir/deeper/same letter")"

step "a file above 8 GiB, mostly a hole"
for tar in tar bsdtar; do
	mkdir "$T/large-$tar"
	vitrine dump "latest:$T/large" | $tar -C "$T/large-$tar" -xf - ||
	    die "$tar"
	f=$T/large-$tar/large
	is "$(stat -c %s "$f")" 9663676416
	is "$(dd if="$f" bs=1 skip=5G count=6 status=none)" middle
	[ "$(du -k "$f" | cut -f1)" -lt 1024 ] || die "the hole was filled"
done

step "zip, by unzip"
vitrine dump "latest:$S" --format zip >"$T/a.zip" 2>"$T/err"
is $? 3
grep -q 'fifo: not restored' "$T/err" || die "the FIFO is not named"
ok unzip -tq "$T/a.zip"
mkdir "$T/zip"
ok env LC_ALL=C.UTF-8 unzip -q -d "$T/zip" "$T/a.zip"
is "$(readlink "$T/zip/dir/link")" ../letter.txt
for f in letter.txt dir/random dir/numbers hole start "d/$(printf 'na\303\257ve')" \
    "$long/$long/$long" "dir/deeper/same letter"; do
	cmp "$S/$f" "$T/zip/$f" || die "$f differs"
done
is "$(stat -c %Y "$T/zip/dir/random")" "$(stat -c %Y "$S/dir/random")"
mkdir "$T/bsdzip"
ok env LC_ALL=C.UTF-8 bsdtar -C "$T/bsdzip" -xf "$T/a.zip"
cmp "$S/dir/random" "$T/bsdzip/dir/random"

step "a single file, a part, the whole"
is "$(vitrine dump "latest:$S/dir/numbers" | tar -xOf - numbers | tail -1)" \
    100000
is "$(vitrine dump "latest:$S/d" | tar -tf - | head -1)" ./
is "$(vitrine dump latest | tar -tf - | grep -c "^${S#/}/letter.txt$")" 1

step "what is damaged is named, and the rest is right"
pull
pack=$(find "$R/packs" -type f -size +600k | head -1)
chmod u+w "$pack"
printf 'garbage' | dd of="$pack" bs=1 seek=300000 conv=notrunc status=none
push
vitrine dump "latest:$S" >"$T/damaged.tar" 2>"$T/err"
is $? 3
grep -q 'there are zeros in the archive' "$T/err" || die "not said"
grep -q 'not in the archive, or not wholly' "$T/err" || die "not summed up"
ok tar -tf "$T/damaged.tar"
for f in dir/random dir/numbers start hole "dir/deeper/same letter"; do
	grep -q "^vitrine: $f: not restored" "$T/err" && continue
	tar -xOf "$T/damaged.tar" "$f" | cmp - "$S/$f" || die "$f is wrong"
done

step "what can't be"
fails 2 vitrine dump "latest:$S" --format rar
says 'neither tar nor zip'
fails 1 vitrine dump "latest:$S/nothing"
says "there is no $S/nothing"
vitrine dump "latest:$S" 2>"$T/err" | head -c 100 >/dev/null
if [ -w /dev/full ]; then
	vitrine dump "latest:$S" >/dev/full 2>"$T/out"
	is $? 1
	says 'No space left'
fi
vitrine --json dump "latest:$S/dir" >"$T/j.tar" 2>"$T/out" || :
says '"type":"summary","command":"dump"'
