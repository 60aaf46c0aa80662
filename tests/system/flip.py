#!/usr/bin/python3
"""Flip a bit in each region of each object: noticed, named, and nothing wrong served
(DESIGN section 10: 3, 5)."""
import os
import random

from harness import Repo, compare, fail, make_tree, passed, path, write

rnd = random.Random(5)
repo = Repo()
repo.use_key_file()
repo.init()
tree = path("tree")
for i in range(40):
    write(f"{tree}/d{i % 4}/f{i}", rnd.randbytes(rnd.randrange(1, 60000)))
repo.backup(tree)
write(f"{tree}/d0/f0", b"changed\n")
last = repo.backup(tree)
contents = {}
for d, _, files in os.walk(tree):
    for f in files:
        p = os.path.join(d, f)
        contents[os.path.relpath(p, tree)] = open(p, "rb").read()

flips = noticed = served = 0
for name in repo.names():
    whole = repo.read(name)
    size = len(whole)
    offsets = {0, 4, 5, 8, 24, 28, 33, 50, 81, 100, 170, 180, 199, 201, 210, size // 2,
               size - 1, size - 10, size - 30} | {rnd.randrange(size) for _ in range(3)}
    for off in sorted(o for o in offsets if 0 <= o < size):
        bad = bytearray(whole)
        bad[off] ^= 1 << rnd.randrange(8)
        repo.write(name, bytes(bad))
        repo.forget()
        flips += 1
        # The header and the only key slot are needed to begin: any honest error.
        begin = name == "vitrine" or name.startswith("keys/")
        r = repo.run("check", "--read-data", expect=(1, 4, 10, 12) if begin else 4)
        if not begin and os.path.basename(name)[:8] not in r.text:
            fail(f"{name}: byte {off}: damage was found but not named:\n{r.text}")
        noticed += 1
        if off in (0, 50, 210, size // 2) or not begin and rnd.random() < 0.2:
            r = repo.restore(last + ":" + tree, "out", expect=(0, 1, 3, 4, 10, 12))
            if os.path.isdir(r.target):
                for d, _, files in os.walk(r.target):
                    for f in files:
                        q = os.path.join(d, f)
                        have = open(q, "rb").read()
                        want = contents[os.path.relpath(q, r.target)]
                        if have != want and (r.status == 0 or f not in r.text):
                            fail(f"{name}: byte {off}: wrong bytes in {q} (exit {r.status})")
            if r.status == 0:
                compare(tree, r.target)
                served += 1
    repo.write(name, whole)
repo.run("check", "--read-data")
passed(f"{flips} flips, {noticed} noticed and named; {served} restores were whole all the same")
