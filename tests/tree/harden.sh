#!/bin/sh
# The command and the shared library are hardened.
set -u
bad=0
no() {
	echo "$1: $2"
	bad=1
}
for f in build/vitrine build/libvitrine.so; do
	[ -e "$f" ] || { echo "$f: not built"; exit 1; }
	head=$(readelf -hW "$f")
	segments=$(readelf -lW "$f")
	dynamic=$(readelf -dW "$f")
	symbols=$(readelf -sW --dyn-syms "$f")
	case $head in
	*"Type: "*DYN*) ;;
	*) no "$f" "not position-independent" ;;
	esac
	case $segments in
	*GNU_RELRO*) ;;
	*) no "$f" "no RELRO" ;;
	esac
	echo "$segments" | grep GNU_STACK | grep -q E && no "$f" "executable stack"
	echo "$segments" | grep -q 'LOAD.*RWE' && no "$f" "writable code"
	case $dynamic in
	*BIND_NOW* | *"Flags: NOW"*) ;;
	*) no "$f" "not bound at once: RELRO is partial" ;;
	esac
	case $dynamic in
	*RPATH* | *RUNPATH*) no "$f" "has a search path" ;;
	esac
	case $symbols in
	*__stack_chk_fail*) ;;
	*) no "$f" "no stack protector" ;;
	esac
	case $symbols in
	*_chk@* | *_chk\ *) ;;
	*) no "$f" "no FORTIFY" ;;
	esac
done
readelf -dW build/vitrine | grep -q 'FLAGS_1.*PIE' || no build/vitrine "no PIE"
readelf -dW build/libvitrine.so | grep -q 'soname: \[libvitrine.so.0\]' ||
    no build/libvitrine.so "no soname"
exit $bad
