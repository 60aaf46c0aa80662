#!/bin/sh
# run: timeout=1500
# clang-tidy over every source (.clang-tidy says what counts).
set -u
command -v clang-tidy >/dev/null || { echo "no clang-tidy" >&2; exit 77; }
flags="-std=c17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DFUSE_USE_VERSION=312
    -DHAVE_LIBCRYPTO -DVITRINE_TESTING -DVITRINE_VERSION=\"0\" -I.
    $(pkg-config --cflags fuse3 libzstd libsodium sqlite3 libcurl libcrypto)"
ls engine/*/*.c index/*.c fs/*.c tools/*.c tools/*/*.c 2>/dev/null |
    xargs -P "$(nproc)" -n 4 sh -c '
	flags=$1
	shift
	clang-tidy --quiet "$@" -- $flags 2>/dev/null' tidy "$flags"
