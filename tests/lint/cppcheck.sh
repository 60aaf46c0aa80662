#!/bin/sh
# run: timeout=900
# cppcheck over every source.  Its uninitvar takes an array handed over to be
# filled for a value that is read, and its memleak a job handed over by its first
# member for one that is lost; compilers, sanitizers and valgrind find the true ones.
set -u
command -v cppcheck >/dev/null || { echo "no cppcheck" >&2; exit 77; }
exec cppcheck -q -j "$(nproc)" --std=c11 --enable=warning,portability \
    --inline-suppr --error-exitcode=1 --suppress=missingInclude \
    --suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches \
    --suppress=unmatchedSuppression --suppress=uninitvar --suppress=memleak \
    --suppress=funcArgOrderDifferent \
    --library=tests/lint/cppcheck.cfg \
    -D_GNU_SOURCE -DVITRINE_TESTING -DVITRINE_VERSION='"0"' \
    -DHAVE_LIBCRYPTO -I. engine index fs tools
