#!/usr/bin/python3
"""Compare two trees, all metadata included; print each difference, exit 1 for any.

    comparetree.py [--no-owner] [--no-dir-nlink] A B

Names, kinds, modes, owners, sizes, ns times, devices, link targets, xattrs (ACLs and
capabilities among them), hard-link groups and counts, content, holes.  Works by
directory descriptors, so paths may be of any length.
"""
import argparse
import os
import stat
import sys


class Compare:
    def __init__(self, options):
        self.o, self.differences, self.entries = options, 0, 0
        self.groups = ({}, {})

    def differ(self, path, what):
        self.differences += 1
        print(f"{path[:120]!r}{'...' if len(path) > 120 else ''}: {what}")

    def xattrs(self, at, name):
        p = b"/proc/self/fd/%d/" % at + name
        return {k: os.getxattr(p, k, follow_symlinks=False)
                for k in os.listxattr(p, follow_symlinks=False)}

    def content(self, path, a, b, size):
        def ranges(fd):
            at = 0
            while at < size:
                try:
                    begin = os.lseek(fd, at, os.SEEK_DATA)
                except OSError:
                    return
                end = os.lseek(fd, begin, os.SEEK_HOLE)
                yield begin, end
                at = end
        for begin, end in sorted(list(ranges(a)) + list(ranges(b))):
            while begin < end:
                n = min(end - begin, 1 << 20)
                x, y = os.pread(a, n, begin), os.pread(b, n, begin)
                if x != y:
                    self.differ(path, f"content differs within {begin}..{begin + n}")
                    return
                begin += n
        if os.pread(b, 1, size):
            self.differ(path, "bytes beyond the end")

    def both(self, path, at, name):
        a, b = (os.stat(name, dir_fd=fd, follow_symlinks=False) for fd in at)
        self.entries += 1
        if stat.S_IFMT(a.st_mode) != stat.S_IFMT(b.st_mode):
            self.differ(path, "another kind")
            return
        isdir = stat.S_ISDIR(a.st_mode)
        what = [("mode", oct(a.st_mode), oct(b.st_mode)),
                ("mtime", a.st_mtime_ns, b.st_mtime_ns)]
        if not self.o.no_owner:
            what += [("owner", (a.st_uid, a.st_gid), (b.st_uid, b.st_gid))]
        if not isdir:
            what += [("size", a.st_size, b.st_size), ("links", a.st_nlink, b.st_nlink)]
        if stat.S_ISCHR(a.st_mode) or stat.S_ISBLK(a.st_mode):
            what += [("device", a.st_rdev, b.st_rdev)]
        for label, x, y in what:
            if x != y:
                self.differ(path, f"{label} {x} / {y}")
        xa, xb = self.xattrs(at[0], name), self.xattrs(at[1], name)
        if xa != xb:
            self.differ(path, f"xattrs {xa} / {xb}")
        if not isdir and a.st_nlink > 1:
            for side, st in enumerate((a, b)):
                first = self.groups[side].setdefault((st.st_dev, st.st_ino), path)
                if side == 0:
                    expected = first
                elif first != expected:
                    self.differ(path, f"linked to {expected!r} / {first!r}")
        if stat.S_ISLNK(a.st_mode):
            x, y = (os.readlink(name, dir_fd=fd) for fd in at)
            if x != y:
                self.differ(path, f"target {x} / {y}")
        elif isdir:
            subs = [os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
                    for fd in at]
            self.directory(path, subs)
            for fd in subs:
                os.close(fd)
        elif stat.S_ISREG(a.st_mode) and a.st_size == b.st_size:
            fds = [os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=fd) for fd in at]
            self.content(path, *fds, a.st_size)
            for fd in fds:
                os.close(fd)
            if b.st_blocks > a.st_blocks + 4096 and b.st_blocks > 4 * a.st_blocks:
                self.differ(path, f"holes were filled: {a.st_blocks} / {b.st_blocks} blocks")

    def directory(self, path, at):
        a, b = ({os.fsencode(n) for n in os.listdir(fd)} for fd in at)
        for name in sorted(a - b):
            self.differ(os.path.join(path, name), "only in the first")
        for name in sorted(b - a):
            self.differ(os.path.join(path, name), "only in the second")
        for name in sorted(a & b):
            self.both(os.path.join(path, name), at, name)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--no-owner", action="store_true")
    p.add_argument("a")
    p.add_argument("b")
    o = p.parse_args()
    sys.setrecursionlimit(100000)
    c = Compare(o)
    c.directory(b"", [os.open(x, os.O_RDONLY | os.O_DIRECTORY) for x in (o.a, o.b)])
    print(f"{c.entries} entries compared, {c.differences} differences")
    sys.exit(1 if c.differences else 0)


main()
