#!/usr/bin/python3
"""durable.py TRACE REPO [DIR...]: was all that a command made durable in time?

TRACE is what strace -f -y wrote of it.  In the repository:

    a name is given only to bytes that were synced, in a directory whose own entry was;
    a table is named when its data packs are durable, a manifest under pending/ when all
    packs and tables are, one under snapshots/ when that is, and the header when the keys
    are; pending/ is taken away when the snapshot is durable;
    and before anything is told all that was made, named or taken away is durable.

In the state directory ($XDG_STATE_HOME): the first and the last of these.

DIRs are the file systems of what is restored: each was synced after its last change and
before anything is told, or read to be verified.
"""
import os
import re
import sys

CALL = re.compile(r"(\d+)\s+(\w+)\((.*)$")
RESUMED = re.compile(r"(\d+)\s+<\.\.\. \w+ resumed>(.*)$")
RESULT = re.compile(r"(.*)\)\s+= (-?\d+)(?:<[^>]*>)?[^=]*$")
PLACE = re.compile(r'(?:AT_FDCWD|\d+)<([^>]*)>|"((?:[^"\\]|\\.)*)"')

# What must be durable before these are named: kinds of objects, by the byte behind "VTRN".
DATA, META, TABLE, MANIFEST, KEYS = 3, 4, 5, 6, 2
NEEDS = {"index": {DATA}, "pending": {DATA, META, TABLE},
         "snapshots": {DATA, META, TABLE, MANIFEST}, "vitrine": {KEYS}}
WRITES = {"write", "pwrite64", "ftruncate", "fallocate"}
RENAMES = {"rename", "renameat", "renameat2", "link", "linkat"}
MAKES = {"mkdir", "mkdirat", "symlinkat", "mknodat", "unlink", "unlinkat"}
SETS = {"fchmod", "fchmodat", "fchown", "fchownat", "utimensat", "fsetxattr", "lsetxattr"}

counts = {"named": 0, "removed": 0, "noted": 0, "restored": 0, "told": 0, "read": 0}


def fail(text):
    sys.exit("%s: %s" % (sys.argv[1], text))


def calls(path):
    """Of each call that did not fail: (name, arguments, False) where it begins, and
    (name, arguments, True) where it ends."""
    begun = {}
    with open(path, errors="replace") as f:
        for line in f:
            if m := CALL.match(line):
                pid, name, rest = m.groups()
                if rest.rstrip().endswith("<unfinished ...>"):
                    begun[pid] = name, rest.rsplit("<unfinished", 1)[0]
                    yield name, begun[pid][1], False
                    continue
                if (r := RESULT.match(rest)) and int(r.group(2)) >= 0:
                    yield name, r.group(1), False
                    yield name, r.group(1), True
            elif m := RESUMED.match(line):
                name, args = begun.pop(m.group(1))
                if (r := RESULT.match(args + m.group(2))) and int(r.group(2)) >= 0:
                    yield name, r.group(1), True


def paths(name, args):
    """The paths that a call names: a descriptor's, and of a name beside one."""
    if name in WRITES:          # what is written is no name
        args = args.split(",")[0]
    out, base = [], None
    for m in PLACE.finditer(args):
        if m.group(1) is not None:
            if base is not None:
                out.append(base)
            base = m.group(1)
        else:
            out.append(os.path.normpath(os.path.join(base or "/", m.group(2))))
            base = None
    return out + ([base] if base is not None else [])


class Repo:
    """A repository, or the state directory."""

    def __init__(self, top, word="named"):
        self.top = top
        self.word = word        # that counts its names
        self.kind = {}          # of an object: the byte
        self.dirty = set()      # files with bytes that were not synced
        self.open = {}          # of a directory: the names in it that were not
        self.synced = set()     # directories
        self.syncing = {}       # of a call under way: what it will have synced

    def below(self, path):
        return path.startswith(self.top + "/")

    def above(self, path):
        """It, too: all of this hangs on the name."""
        return (self.top + "/").startswith(path + "/")

    def check_name(self, source, name):
        if source in self.dirty:
            fail("%s is named before its bytes are synced" % name)
        parts = os.path.relpath(name, self.top).split("/")
        for i in range(len(parts) - 1):
            if os.path.join(self.top, *parts[:i]) not in self.synced:
                fail("%s is named, and %s is not durable" % (name, "/".join(parts[:i + 1])))
        self.check_synced(NEEDS.get(parts[0], ()), name)

    def check_synced(self, kinds, what):
        for names in self.open.values():
            for name in names:
                if kinds is None or self.kind.get(name) in kinds:
                    fail("%s: not durable yet: %s" % (what, name))

    def change(self, name):
        self.open.setdefault(os.path.dirname(name), set()).add(name)

    def call(self, name, args, ends):
        where = paths(name, args)
        if not where:
            return
        at = where[0]
        if name == "fsync":
            if not ends:
                self.syncing[args] = set(self.dirty & {at}), set(self.open.get(at, ()))
            else:
                files, names = self.syncing.pop(args)
                self.dirty -= files
                self.synced.add(at)
                if at in self.open:
                    self.open[at] -= names
        elif name in WRITES and self.below(at):
            self.dirty.add(at)
            if m := re.search(r'"VTRN\\(\d+)', args):
                self.kind.setdefault(at, int(m.group(1)))
        elif name in RENAMES and self.below(where[-1]):
            to = [p for p in where if p != self.top][-1]
            if not ends:
                self.kind[to] = self.kind.get(where[0])
                self.check_name(where[0], to)
            else:
                counts[self.word] += 1
                self.change(to)
        elif name in MAKES and (self.below(at) or self.above(at)) and \
                not at.startswith(self.top + "/tmp"):
            if not ends and at.startswith(self.top + "/pending/"):
                self.check_synced({MANIFEST}, "pending/ is taken away")
            if ends:
                counts["removed"] += name.startswith("unlink")
                self.change(at)

    def told(self, what):
        if self.dirty - {p for p in self.dirty if not os.path.exists(p)}:
            fail("%s: bytes were not synced: %s" % (what, self.dirty))
        self.check_synced(None, what)


class Target:
    """A file system that is restored to."""

    def __init__(self, top):
        self.top = top
        self.changes = 0
        self.synced = 0
        self.syncing = {}

    def call(self, name, args, ends):
        if name == "syncfs":
            if not ends:
                self.syncing[args] = self.changes
            else:
                self.synced = max(self.synced, self.syncing.pop(args))
        elif (name in WRITES | RENAMES | MAKES | SETS or
              (name == "openat" and "O_CREAT" in args)):
            self.changes += 1
            counts["restored"] += ends

    def told(self, what):
        if self.synced < self.changes:
            fail("%s before %s was synced" % (what, self.top))


def main():
    kept = [Repo(sys.argv[2]), Repo(os.environ["XDG_STATE_HOME"] + "/vitrine", "noted")]
    # The innermost first.
    targets = sorted((Target(d) for d in sys.argv[3:]), key=lambda t: -len(t.top))
    for name, args, ends in calls(sys.argv[1]):
        at = (paths(name, args) or [""])[0]
        # What is to be read from the disk is dropped from memory first.
        reads = name == "fadvise64" and "DONTNEED" in args and \
            any(at.startswith(t.top + "/") for t in targets)
        if (name == "write" and args.startswith("1<")) or reads:
            counts["read" if reads else "told"] += ends
            for x in kept + targets:
                x.told("read" if reads else "told")
            continue
        for x in kept:
            x.call(name, args, ends)
        for t in targets:
            if at == t.top or at.startswith(t.top + "/"):
                t.call(name, args, ends)
                break
    if counts["told"] == 0:
        fail("nothing was told")
    print(" ".join("%s %d" % x for x in counts.items()))


if len(sys.argv) < 3:
    sys.exit(__doc__)
main()
