#!/usr/bin/python3
"""Change a tree at random, as users and programs do between two backups.

    changetree.py DIRECTORY SEED [--share F]

About the share F (0.05) of the entries are touched: contents rewritten, appended to,
cut, shifted, holed; a rewrite that puts size and mtime back; names moved, exchanged,
removed, linked, given to another kind; whole directories moved; modes, owners, xattrs,
times.  The same tree and seed make the same changes.
"""
import argparse
import ctypes
import errno
import os
import random
import shutil
import stat

LIBC = ctypes.CDLL(None, use_errno=True)
PUNCH = 1 | 2                       # FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE


def walk(top):
    """Every entry below, in an order that depends on nothing but names."""
    for name in sorted(os.listdir(top)):
        path = os.path.join(top, name)
        yield path
        if stat.S_ISDIR(os.lstat(path).st_mode):
            yield from walk(path)


class Changes:
    def __init__(self, top, rnd, share):
        self.top, self.rnd, self.share, self.count = top, rnd, share, 0

    def run(self):
        self.all = list(walk(self.top))
        for path in self.all:
            if self.rnd.random() < self.share and os.path.lexists(path):
                self.change(path)

    def change(self, path):
        mode = os.lstat(path).st_mode
        if stat.S_ISREG(mode):
            how = [self.rewrite, self.slyly, self.append, self.cut, self.shift, self.hole,
                   self.link]
        else:
            how = []
        how += [self.move, self.remove, self.exchange, self.other_kind, self.owner, self.times]
        if not stat.S_ISLNK(mode):
            how += [self.mode, self.xattr]
        self.rnd.choice(how)(path)
        self.count += 1

    def new_name(self, near):
        return os.path.join(os.path.dirname(near), b"moved-%x" % self.rnd.getrandbits(40))

    def other(self, path):
        """An entry that is neither this one, nor above or below it."""
        for _ in range(10):
            other = self.rnd.choice(self.all)
            if (os.path.lexists(other) and not (other + b"/").startswith(path + b"/")
                    and not (path + b"/").startswith(other + b"/")):
                return other
        return None

    def edit(self, path, how):
        with open(path, "r+b") as f:
            size = os.fstat(f.fileno()).st_size
            how(f, size)

    def rewrite(self, path):
        with open(path, "wb") as f:
            f.write(self.rnd.randbytes(self.rnd.choice((0, 1, 5000, 300000))))

    def slyly(self, path):
        """Other bytes, the same size and mtime: only ctime tells."""
        st = os.lstat(path)

        def how(f, size):
            f.seek(self.rnd.randrange(size + 1))
            f.write(self.rnd.randbytes(min(9, size - f.tell())))
        self.edit(path, how)
        os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))

    def append(self, path):
        def how(f, size):
            f.seek(size + self.rnd.choice((0, 0, 1, 100000)))
            f.write(self.rnd.randbytes(self.rnd.choice((1, 100, 200000))))
        self.edit(path, how)

    def cut(self, path):
        os.truncate(path, self.rnd.randrange(os.lstat(path).st_size + 1))

    def shift(self, path):
        def how(f, size):
            at = self.rnd.randrange(min(size, 1 << 20) + 1)
            f.seek(at)
            rest = f.read(4 << 20)
            f.seek(at)
            f.write(self.rnd.randbytes(self.rnd.randrange(1, 99)) + rest)
        self.edit(path, how)

    def hole(self, path):
        def how(f, size):
            at = self.rnd.randrange(size + 1)
            LIBC.fallocate(f.fileno(), PUNCH, ctypes.c_long(at),
                           ctypes.c_long(self.rnd.randrange(1, 1 << 20)))
        self.edit(path, how)

    def link(self, path):
        where = self.other(path)
        if where is not None:
            os.link(path, self.new_name(where))

    def move(self, path):
        where = self.other(path)
        os.rename(path, self.new_name(path if where is None else where))

    def exchange(self, path):
        """Two entries change places, as a log's rotation does."""
        other = self.other(path)
        if other is not None:
            aside = self.new_name(path)
            os.rename(path, aside)
            os.rename(other, path)
            os.rename(aside, other)

    def remove(self, path):
        if stat.S_ISDIR(os.lstat(path).st_mode):
            shutil.rmtree(path)
        else:
            os.unlink(path)

    def other_kind(self, path):
        mode = os.lstat(path).st_mode
        self.remove(path)
        if stat.S_ISREG(mode):
            os.mkdir(path)
            with open(os.path.join(path, b"inside"), "wb") as f:
                f.write(b"was a file\n")
        elif stat.S_ISDIR(mode):
            os.symlink(b"..", path)
        else:
            with open(path, "wb") as f:
                f.write(b"was neither\n")

    def mode(self, path):
        os.chmod(path, self.rnd.choice((0o644, 0o600, 0o755, 0o4711, 0o000, 0o2770)))

    def owner(self, path):
        os.chown(path, self.rnd.choice((0, 1000, 65534)), self.rnd.choice((0, 5, 1000)),
                 follow_symlinks=False)

    def xattr(self, path):
        names = os.listxattr(path)
        if names and self.rnd.random() < 0.5:
            os.removexattr(path, self.rnd.choice(sorted(names)))
        elif stat.S_ISREG(os.lstat(path).st_mode) or os.path.isdir(path):
            value = self.rnd.randbytes(self.rnd.choice((0, 8, 900)))
            try:
                os.setxattr(path, "user.changed", value)
            except OSError as e:
                if e.errno != errno.ENOSPC:     # the others may fill the room for them
                    raise

    def times(self, path):
        t = self.rnd.randrange(-10**18, 3 * 10**18)
        os.utime(path, ns=(t, t), follow_symlinks=False)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("directory", type=os.fsencode)
    p.add_argument("seed", type=int)
    p.add_argument("--share", type=float, default=0.05)
    a = p.parse_args()
    c = Changes(a.directory, random.Random(a.seed), a.share)
    c.run()
    print(f"{c.count} changes")


main()
