#!/bin/sh
# What is backed up: roots of every form, excludes, file systems, vitrine's own.
. "$(dirname "$0")/lib.sh"

S=$T/src
mkdir -p "$S/a/b" "$S/c/node_modules/x" "$S/c/cache" "$S/d"
echo 1 >"$S/a/f.o"; echo 2 >"$S/a/b/g.c"; echo 3 >"$S/c/cache/k"
echo 4 >"$S/c/node_modules/x/y"; echo 5 >"$S/d/cache"; echo 6 >"$S/d/end"
ln -s a "$S/link"
ok vitrine init

step "roots: relative, nested, doubled, a file, a link, a link with a slash"
cd "$S" || die cd
ok vitrine backup a/../c . ./a/b d/end
says ' 6 files'
ok vitrine -q ls "latest:$S/a/b"
says '^g.c$'
ok vitrine backup d/end
says ' 1 file,'
ok vitrine -q ls latest:"$S"
is "$(out)" d
ok vitrine backup link
ok vitrine -q ls latest:"$S"
is "$(out)" link
ok vitrine backup link/
ok vitrine -q ls latest:"$S"
is "$(out)" a
ok vitrine backup link/b "$S/d"
ok vitrine -q ls latest:"$S"
is "$(out | tr '\n' ' ')" "a d "
ok vitrine -q ls latest:"$S/a"
is "$(out)" b

step "the order of the roots is no other lineage: nothing is new"
sleep 3.1
ok vitrine backup "$S/d" "$S/a/b"
says ' 0 new, . changed'
ok vitrine backup "$S/a/b" "$S/d/"
says ' 0 new, 0 changed, 0 removed'

step "excludes"
ok vitrine backup --exclude '*.o' --exclude node_modules --exclude cache/ \
    --exclude "$S/d/e*" "$S"
says ' 2 files'
ok vitrine -q ls -R latest:"$S" || ok vitrine -q ls latest:"$S/d"
ok vitrine -q ls "latest:$S/d"
is "$(out)" cache
ok vitrine -q ls "latest:$S/c"
is "$(out)" ""
ok vitrine backup --exclude b/g.c --exclude 'd/**' "$S"
says ' 3 files'
fails 2 vitrine backup --exclude '[a' "$S"

step "a root that is missing: the rest, and status 3; nothing: status 1"
fails 3 vitrine backup "$S/a" "$S/none"
says "$S/none"
ok vitrine -q ls "latest:$S"
is "$(out)" a
ok vitrine snapshots
out >"$T/before"
fails 1 vitrine backup "$S/none"
ok vitrine snapshots
cmp "$T/out" "$T/before" || die "a snapshot of nothing"

step "not our own repository and cache"
mkdir -p "$S/own"
VITRINE_REPOSITORY=$S/own/repo
ok vitrine init
XDG_CACHE_HOME=$S/own/cache
ok vitrine backup "$S"
ok vitrine backup "$S"
says 'own/repo.*left out|left out.*own/repo'
ok vitrine -q ls "latest:$S/own"
says_not repo
ok vitrine -q ls "latest:$S/own/cache"
says_not vitrine
fails 1 vitrine backup "$S/own/repo"

step "a dry run stores nothing"
find "$S/own/repo" -type f | sort >"$T/before"
echo new >"$S/new"
ok vitrine backup -n "$S"
says ' 1 new'
find "$S/own/repo" -type f | sort | cmp - "$T/before" || die "it stored"
VITRINE_REPOSITORY=$REPO
XDG_CACHE_HOME=$T/cache
rm -rf "$S/own"

step "file systems"
[ "$(id -u)" = 0 ] || exit 0
mkdir "$S/fs"
mount -t tmpfs tmpfs "$S/fs" || exit 0
echo in >"$S/fs/in"
mkdir "$S/fs/proc"
mount -t proc proc "$S/fs/proc"
ok vitrine backup -x "$S"
ok vitrine -q ls "latest:$S"
says '^fs$'
ok vitrine -q ls "latest:$S/fs"
is "$(out)" ""
ok vitrine backup --one-file-system "$S" "$S/fs"
ok vitrine -q ls "latest:$S/fs"
says '^in$'
ok vitrine backup "$S"
says 'fs/proc.*proc|proc.*fs/proc'
ok vitrine cat "latest:$S/fs/in"
is "$(out)" in
ok vitrine -q ls "latest:$S/fs/proc"
is "$(out)" ""
umount "$S/fs/proc" "$S/fs"

step "not a mount of ours"
need_fuse
mkdir "$S/mnt"
ok vitrine mount "$S/mnt"
ok vitrine backup "$S"
says 'mnt.*left out|left out.*mnt'
ok vitrine -q ls "latest:$S/mnt"
is "$(out)" ""
ok vitrine umount "$S/mnt"
