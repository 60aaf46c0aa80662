#!/usr/bin/python3
"""Make a random tree, change it at random, and say what changed.

    diff_random.py make DIR SEED
    diff_random.py change DIR SEED >EXPECTED
    diff_random.py compare EXPECTED JSON...

Each JSON is the output of vitrine diff --json.
"""
import json
import os
import random
import shutil
import sys

DEEP = 70


def fill(rnd, top, n, depth=0):
    for i in range(n):
        name = os.path.join(top, "%c%d" % (rnd.choice(b"ABCabc."), i))
        kind = rnd.random()
        if kind < 0.25 and depth < 4:
            os.mkdir(name)
            fill(rnd, name, rnd.choice((0, 1, 3, n // 3)), depth + 1)
        elif kind < 0.35:
            os.symlink("to%d" % i, name)
        else:
            with open(name, "wb") as f:
                f.write(rnd.randbytes(rnd.choice((0, 1, 100, 70000))))


def make(top, rnd):
    os.mkdir(top)
    fill(rnd, top, 200)
    deep = top
    for i in range(DEEP):
        deep += "/m"
        os.mkdir(deep)
        for name in "a", "n", "z":
            with open(deep + "/" + name, "w") as f:
                f.write("%s %d\n" % (name, i))


def entries(top):
    out = {}
    for d, dirs, files in os.walk(top):
        for name in dirs + files:
            path = os.path.join(d, name)
            st = os.lstat(path)
            if os.path.islink(path):
                kind, content = "symlink", os.readlink(path)
            elif os.path.isdir(path):
                kind, content = "directory", None
            else:
                with open(path, "rb") as f:
                    kind, content = "file", f.read()
            mtime = None if kind == "directory" else st.st_mtime_ns
            out[path] = kind, content, st.st_mode & 0o7777, mtime
    return out


def mutate(top, rnd):
    paths = sorted(entries(top), reverse=True)
    for path in paths:
        if not os.path.lexists(path) or rnd.random() > 0.25:
            continue
        how = rnd.randrange(6)
        is_dir = os.path.isdir(path) and not os.path.islink(path)
        if how == 0 or how == 1:
            shutil.rmtree(path) if is_dir else os.unlink(path)
        if how == 1:
            # Another kind in its place.
            if is_dir:
                open(path, "w").close()
            else:
                os.mkdir(path)
                open(path + "/inside", "w").close()
        elif how == 2 and not os.path.islink(path):
            os.chmod(path, 0o711)
        elif how == 3 and not is_dir:
            st = os.lstat(path)
            os.utime(path, ns=(0, st.st_mtime_ns - 10**9),
                     follow_symlinks=False)
        elif how == 4 and not is_dir and not os.path.islink(path):
            with open(path, "r+b") as f:
                f.seek(0, os.SEEK_END if rnd.random() < 0.5 else os.SEEK_SET)
                f.write(rnd.randbytes(3))
        elif how == 5 and is_dir:
            open(path + "/new%d" % rnd.randrange(99), "w").close()


def changes(old, new):
    out = []
    for path in sorted(set(old) | set(new)):
        a, b = old.get(path), new.get(path)
        if a is None or b is None:
            out.append(["added" if a is None else "removed", path, []])
        elif a[0] != b[0]:
            out.append(["type", path, []])
        else:
            meta = [w for w, i in (("mode", 2), ("mtime", 3)) if a[i] != b[i]]
            if a[1] != b[1]:
                out.append(["content", path, meta])
            elif meta:
                out.append(["metadata", path, meta])
    return out


def compare(expected, *outputs):
    with open(expected) as f:
        want = json.load(f)
    bad = False
    for name in outputs:
        with open(name) as f:
            objects = [json.loads(line) for line in f]
        got = sorted([o["change"], o["path"], o["metadata"]]
                     for o in objects if o["type"] == "difference")
        for one in want:
            if one not in got:
                print("%s: missing: %r" % (name, one))
                bad = True
        for one in got:
            if one not in want:
                print("%s: wrong: %r" % (name, one))
                bad = True
        order = [o["path"].split("/") for o in objects
                 if o["type"] == "difference"]
        if order != sorted(order):
            print(name + ": not in order")
            bad = True
    print("%d changes" % len(want))
    sys.exit(bad)


if sys.argv[1] == "make":
    make(sys.argv[2], random.Random(sys.argv[3]))
elif sys.argv[1] == "change":
    before = entries(sys.argv[2])
    mutate(sys.argv[2], random.Random(sys.argv[3]))
    json.dump(changes(before, entries(sys.argv[2])), sys.stdout)
else:
    compare(*sys.argv[2:])
