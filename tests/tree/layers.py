#!/usr/bin/python3
"""Includes never climb: tools -> fs -> index -> engine, and engine sees nobody."""
import os
import re
import sys

MAY_SEE = {
    "engine": {"engine"},
    "index": {"index", "engine"},
    "fs": {"fs", "index", "engine"},
    "tools": {"tools", "fs", "index", "engine"},
}
# What a room may see of the libraries: nobody else knows the kernel's
# interface, the catalog's database, the bytes' ciphers.
LIBRARY = {
    "fuse": {"fs", "tools"},
    "sqlite3.h": {"index", "tools"},
    "sodium": {"engine", "index", "tools"},  # its sodium_memzero
    "zstd": {"engine", "index"},
    "openssl": {"engine"},
    "curl": {"engine"},
}
bad = 0


def complain(path, n, what):
    global bad
    bad += 1
    print("%s:%d: %s" % (path, n, what))


def check(path, room):
    with open(path, encoding="utf-8") as f:
        for n, line in enumerate(f, 1):
            m = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
            if not m:
                continue
            quote, name = m.groups()
            first = name.split("/")[0]
            if quote == '"':
                if not os.path.exists(name):
                    complain(path, n, "not from the root: " + name)
                elif first not in MAY_SEE[room]:
                    complain(path, n, "%s must not see %s" % (room, name))
                elif name.endswith(("_impl.h", "_int.h")) and \
                        os.path.dirname(name) != os.path.dirname(path):
                    complain(path, n, name + " is that module's own")
            elif first in MAY_SEE:
                complain(path, n, "our own header in <>: " + name)
            else:
                for lib, rooms in LIBRARY.items():
                    if path == "tools/cmd/version.c":
                        continue  # which names them all
                    if path == "engine/store/s3_role.c" and lib == "sqlite3.h":
                        continue  # JSON of a role, by sqlite's functions
                    if first.startswith(lib) and room not in rooms:
                        complain(path, n, "%s must not see <%s>" % (room, name))
            # Jobs are the library; commands are its user.
            if name.startswith("tools/cmd/") and \
                    path.startswith("tools/job/"):
                complain(path, n, "a job must not see " + name)


seen = 0
for room in MAY_SEE:
    for top, _, files in os.walk(room):
        for f in files:
            if f.endswith((".c", ".h")):
                seen += 1
                check(os.path.join(top, f), room)
if seen < 10:
    sys.exit("the test sees only %d files" % seen)
print("%d files" % seen)
sys.exit(1 if bad else 0)
