#!/usr/bin/python3
"""same.py A B: are two trees equal in everything that a backup keeps?

Names (any bytes), kinds, modes, owners, nanosecond times, contents, targets,
device numbers, extended attributes (ACLs and capabilities among them), and
which names are one file.  Says what differs; status 1 then.
"""
import os
import stat
import sys

STEP = 1 << 20
MAX_SAID = 50
differences = 0


def differ(path, what, a=None, b=None):
    global differences
    differences += 1
    if differences <= MAX_SAID:
        line = os.fsencode(what) + b": " + (path or b".")
        if a is not None:
            line += (" (%r, %r)" % (a, b)).encode()
        sys.stdout.buffer.write(line + b"\n")


def xattrs(path):
    try:
        return {n: os.getxattr(path, n, follow_symlinks=False)
                for n in sorted(os.listxattr(path, follow_symlinks=False))
                if n != "security.selinux"}
    except OSError as e:
        return {"error": e.errno}


def contents(a, b, path):
    with open(a, "rb", buffering=0) as x, open(b, "rb", buffering=0) as y:
        off = 0
        while True:
            p, q = x.read(STEP), y.read(STEP)
            if p != q:
                differ(path, "contents", off, off + STEP)
                return
            if not p:
                return
            off += len(p)


def pairs(top, path, links):
    """The status of one name, and what it is linked with."""
    st = os.lstat(os.path.join(top, path) if path else top)
    if not stat.S_ISDIR(st.st_mode) and st.st_nlink > 1:
        first = links.setdefault((st.st_dev, st.st_ino), path)
    else:
        first = path
    return st, first


def compare(a, b):
    links_a, links_b = {}, {}
    todo = [b""]
    while todo:
        path = todo.pop()
        x, y = (os.path.join(t, path) if path else t for t in (a, b))
        s, first_a = pairs(a, path, links_a)
        t, first_b = pairs(b, path, links_b)
        if stat.S_IFMT(s.st_mode) != stat.S_IFMT(t.st_mode):
            differ(path, "kind", oct(s.st_mode), oct(t.st_mode))
            continue
        for what, p, q in (
                ("mode", oct(s.st_mode), oct(t.st_mode)),
                ("owner", (s.st_uid, s.st_gid), (t.st_uid, t.st_gid)),
                ("mtime", s.st_mtime_ns, t.st_mtime_ns),
                ("linked with", first_a, first_b)):
            if p != q:
                differ(path, what, p, q)
        if xattrs(x) != xattrs(y):
            differ(path, "attributes", xattrs(x), xattrs(y))
        if stat.S_ISDIR(s.st_mode):
            m, n = set(os.listdir(x)), set(os.listdir(y))
            for name in m - n:
                differ(os.path.join(path, name), "only in the first")
            for name in n - m:
                differ(os.path.join(path, name), "only in the second")
            # Sorted, so that of linked names the first is the same in both.
            todo += [os.path.join(path, name)
                     for name in sorted(m & n, reverse=True)]
            continue
        if stat.S_ISREG(s.st_mode) or stat.S_ISLNK(s.st_mode):
            if s.st_size != t.st_size:
                differ(path, "size", s.st_size, t.st_size)
                continue
        if stat.S_ISREG(s.st_mode):
            if first_a == path:
                contents(x, y, path)
        elif stat.S_ISLNK(s.st_mode):
            if os.readlink(x) != os.readlink(y):
                differ(path, "target", os.readlink(x), os.readlink(y))
        elif s.st_rdev != t.st_rdev:
            differ(path, "device", s.st_rdev, t.st_rdev)


if len(sys.argv) != 3:
    sys.exit(__doc__)
compare(os.fsencode(sys.argv[1]), os.fsencode(sys.argv[2]))
if differences > MAX_SAID:
    print("... %d differences" % differences)
sys.exit(1 if differences else 0)
