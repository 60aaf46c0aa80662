#!/usr/bin/python3
"""Make a tree with every oddity that a file system can hold.

    maketree.py DIRECTORY SEED [--big] [--entries N] [--deep N]

The same seed makes the same tree.  As root also devices, owners, capabilities.
--big adds a hole of terabytes.  What this file system can't hold is left out and
said on standard error.
"""
import argparse
import os
import random
import socket
import stat
import struct
import sys


def odd_names(rnd):
    fixed = [b" ", b"-rf", b"--", b"a\nb", b"tab\there", b"\xff\xfe", b"\x01\x7f",
             b"quote'\"`$HOME", b"back\\slash", b"*?[x]", b"~", b"...", b"x" * 255,
             "ünï".encode(), "\u202egnp".encode(), b"%s%n", b"a:b", b"CON", b"#hash"]
    while True:
        if rnd.random() < 0.3:
            yield rnd.choice(fixed) + b"%d" % rnd.randrange(10**6)
        else:
            n = rnd.randrange(1, 30)
            yield bytes(rnd.choice([c for c in range(1, 256) if c != 47]) for _ in range(n))


class Tree:
    def __init__(self, top, seed):
        self.rnd = random.Random(seed)
        self.names = odd_names(self.rnd)
        self.top = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
        self.links = []
        self.root = os.geteuid() == 0

    def said(self, what, error):
        print(f"maketree: left out: {what}: {error}", file=sys.stderr)

    def time(self):
        r = self.rnd
        return r.choice([0, -1, 1, -2**31 * 10**9, 2**31 * 10**9, 2**32 * 10**9 + 7,
                         14 * 10**18, r.randrange(10**18, 18 * 10**17),
                         r.randrange(10**18, 18 * 10**17)])

    def metadata(self, name, at, kind, path):
        r = self.rnd
        proc = os.path.join(b"/proc/self/fd/%d" % at, name)
        if self.root and r.random() < 0.5:
            os.chown(name, r.choice([0, 1, 1000, 65534, 2**31, 2**32 - 2]),
                     r.choice([0, 5, 1000, 2**32 - 2]), dir_fd=at, follow_symlinks=False)
        if kind != "link":
            mode = r.choice([0o644, 0o600, 0o755, 0o4755, 0o2755, 0o1777, 0o000, 0o777, 0o100])
            if kind == "dir":
                mode |= 0o700 if not self.root else 0
            os.chmod(proc, mode)
        if kind in ("file", "dir") and r.random() < 0.4:
            for i in range(r.randrange(1, 4)):
                size = r.choice([0, 1, 20, 300, 3000])
                try:
                    os.setxattr(proc, b"user.k%d\xc3\xa9" % i, r.randbytes(size))
                except OSError as e:
                    self.said("user xattr", e)
        if self.root and kind in ("file", "dir", "link") and r.random() < 0.2:
            try:
                os.setxattr(proc, b"trusted.odd", b"\0x\xff", follow_symlinks=False)
            except OSError as e:
                self.said("trusted xattr", e)
        if self.root and kind == "file" and r.random() < 0.2:
            cap = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
            try:
                os.setxattr(proc, b"security.capability", cap)
            except OSError as e:
                self.said("capability", e)
        if kind in ("file", "dir") and r.random() < 0.2:
            acl = struct.pack("<I", 2)
            for tag, perm, who in ((1, 6, 2**32 - 1), (2, 4, 1000), (4, 4, 2**32 - 1),
                                   (16, 6, 2**32 - 1), (32, 4, 2**32 - 1)):
                acl += struct.pack("<HHI", tag, perm, who)
            try:
                os.setxattr(proc, b"system.posix_acl_access", acl)
                if kind == "dir":
                    os.setxattr(proc, b"system.posix_acl_default", acl)
            except OSError as e:
                self.said("ACL", e)
        if kind != "dir":
            self.stamp(name, at)

    def stamp(self, name, at):
        t = self.time()
        try:
            os.utime(name, ns=(t, t), dir_fd=at, follow_symlinks=False)
        except (OSError, OverflowError) as e:
            self.said(f"time {t}", e)

    def file(self, name, at):
        r = self.rnd
        fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=at)
        kind = r.random()
        if kind < 0.15:
            pass
        elif kind < 0.7:
            os.write(fd, r.randbytes(r.choice([1, 10, 4095, 4096, 4097, 70000])))
        elif kind < 0.8:
            os.write(fd, b"the same words again and again\n" * r.randrange(1, 5000))
        elif kind < 0.9:
            for _ in range(r.randrange(1, 5)):
                os.lseek(fd, r.randrange(0, 1 << 24), os.SEEK_SET)
                os.write(fd, r.randbytes(r.randrange(1, 10000)))
        elif kind < 0.95:
            os.ftruncate(fd, r.randrange(1, 1 << 30))
        else:
            os.write(fd, r.randbytes(r.randrange(1, 3 << 20)))
        os.close(fd)

    def one(self, at, depth, path):
        r, name = self.rnd, next(self.names)
        if name in (b".", b"..") or b"/" in name:
            return
        kind = r.random()
        try:
            if kind < 0.5:
                self.file(name, at)
                self.metadata(name, at, "file", path)
                self.links.append((path, name))
            elif kind < 0.65 and depth < 6:
                os.mkdir(name, 0o700, dir_fd=at)
                sub = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=at)
                for _ in range(r.randrange(0, 12)):
                    self.one(sub, depth + 1, path + [name])
                os.close(sub)
                self.metadata(name, at, "dir", path)
            elif kind < 0.75:
                os.symlink(r.choice([b"/nowhere", b"..", b"x" * 4095, name, b"\xff\n",
                                     b"/etc/passwd"]), name, dir_fd=at)
                self.metadata(name, at, "link", path)
                self.links.append((path, name))
            elif kind < 0.8:
                os.mkfifo(name, 0o600, dir_fd=at)
                self.metadata(name, at, "fifo", path)
                self.links.append((path, name))
            elif kind < 0.83 and self.root:
                os.mknod(name, r.choice([stat.S_IFCHR, stat.S_IFBLK]) | 0o600,
                         os.makedev(r.choice([1, 4095]), r.choice([3, 255, 256, 1048575])), dir_fd=at)
                self.metadata(name, at, "device", path)
            elif kind < 0.86:
                os.mknod(name, stat.S_IFSOCK | 0o600, dir_fd=at)
                self.metadata(name, at, "socket", path)
            elif self.links:
                where, old = r.choice(self.links)
                there = self.open(where)
                os.link(old, name, src_dir_fd=there, dst_dir_fd=at, follow_symlinks=False)
                os.close(there)
        except FileExistsError:
            pass
        except OSError as e:
            if e.errno != 36:       # a name that is too long here
                self.said(repr(name[:40]), e)

    def open(self, path):
        fd = os.dup(self.top)
        for name in path:
            sub = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
            os.close(fd)
            fd = sub
        return fd

    def deep(self, levels):
        """A path far longer than PATH_MAX."""
        fd = os.dup(self.top)
        for i in range(levels):
            name = b"deep-%d-" % i + b"d" * 200
            os.mkdir(name, dir_fd=fd)
            sub = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
            os.close(fd)
            fd = sub
        with os.fdopen(os.open(b"bottom", os.O_WRONLY | os.O_CREAT, dir_fd=fd), "wb") as f:
            f.write(b"here\n")
        os.symlink(b"bottom", b"to-bottom", dir_fd=fd)
        os.close(fd)

    def wide(self, entries):
        os.mkdir(b"wide", dir_fd=self.top)
        fd = os.open(b"wide", os.O_RDONLY | os.O_DIRECTORY, dir_fd=self.top)
        for i in range(entries):
            os.mknod(b"entry-%06d" % (i * 7919 % entries), stat.S_IFREG | 0o644, dir_fd=fd)
        os.close(fd)

    def hole(self):
        fd = os.open(b"terabytes", os.O_RDWR | os.O_CREAT, 0o644, dir_fd=self.top)
        os.write(fd, b"first")
        os.lseek(fd, 5 << 40, os.SEEK_SET)
        os.write(fd, b"middle")
        os.ftruncate(fd, 9 << 40)
        os.close(fd)

    def stamps(self, fd):
        """Directory times last, from the bottom up."""
        for name in sorted(os.listdir(fd), key=os.fsencode):
            raw = os.fsencode(name)
            if stat.S_ISDIR(os.stat(raw, dir_fd=fd, follow_symlinks=False).st_mode):
                sub = os.open(raw, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
                self.stamps(sub)
                os.close(sub)
                self.stamp(raw, fd)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("directory")
    p.add_argument("seed", type=int)
    p.add_argument("--big", action="store_true")
    p.add_argument("--entries", type=int, default=0)
    p.add_argument("--deep", type=int, default=0)
    p.add_argument("--count", type=int, default=120)
    a = p.parse_args()
    sys.setrecursionlimit(10000)
    os.makedirs(a.directory, exist_ok=True)
    t = Tree(a.directory, a.seed)
    for _ in range(a.count):
        t.one(t.top, 0, [])
    if a.deep:
        t.deep(a.deep)
    if a.entries:
        t.wide(a.entries)
    if a.big:
        t.hole()
    t.stamps(t.top)


main()
