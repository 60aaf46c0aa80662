#!/bin/sh
# run: store=dir not=address,thread
# What a command says is done is on the disk, and on its way there nothing has a name
# before what it needs is: the order of syncs, names and words, as strace sees it.
. "$(dirname "$0")/lib.sh"

command -v strace >/dev/null || skip "no strace"
strace -o /dev/null true 2>/dev/null || skip "no tracing here"

# traced NAME CMD ...: ends with 0.
traced() {
	trace=$T/trace-$1
	shift
	ok strace -f -y -s 8 -o "$trace" -e "trace=file,desc" vitrine "$@"
}
# durable WHAT DIR ...: and that of at least one thing each.
durable() {
	what=$1
	shift
	ok "$TOP/tests/scenario/durable.py" "$trace" "$R" "$@"
	for w in $what; do
		says "(^| )$w [1-9]"
	done
}

S=$T/src
make_tree "$S"
head -c 9000000 /dev/urandom >"$S/large"	# for two data packs
mkdir "$S/apart"
echo apart >"$S/apart/file"

step "init"
traced init init
durable "named told"

step "backup: the first, one that finds a change, one that finds none"
traced first backup "$S"
durable "named noted removed told"
echo more >"$S/dir/more"
traced second backup "$S"
durable "named noted removed told"
traced third backup "$S"
durable "named noted removed told"

step "tag"
traced tag tag add latest kept
durable "named told"

step "restore: into nothing, over what is there, and verified"
traced restore restore "latest:$S" --target "$T/back"
durable "restored told" "$T/back"
echo other >"$T/back/letter.txt"
rm "$T/back/empty"
traced over restore "latest:$S" --target "$T/back" --overwrite always --verify
durable "restored read told" "$T/back"
echo other >"$T/back/letter.txt"
traced place restore "latest:$S" --target "$T/back" --overwrite changed --in-place
durable "restored told" "$T/back"

step "restore: where something is mounted below the target"
if mkdir -p "$T/two/apart" && mount -t tmpfs -o size=64m none "$T/two/apart" 2>/dev/null; then
	traced two restore "latest:$S" --target "$T/two"
	durable "restored told" "$T/two" "$T/two/apart"
fi
