#!/usr/bin/python3
"""A pack is lost: check names what it hits, and the next backup of the same source stores
the chunks again instead of carrying them over from the parent."""
import os
import time

from harness import Repo, compare, fail, passed, path, write

repo = Repo()
repo.use_key_file()
repo.init()
tree = path("tree")
for i in range(50):
    write(f"{tree}/d{i % 5}/f{i}", os.urandom(20000))
# Files that seem unchanged are read again if they changed just before they were
# backed up (RECENT_PAST_S in tools/job/meta.c); here none is to be.
time.sleep(3)
first = repo.backup(tree)
old = {n for n in repo.names() if n.startswith("packs/")}
write(f"{tree}/d0/new", os.urandom(3000000))
time.sleep(3)
second = repo.backup(tree)
for lost in sorted(old):
    whole = repo.read(lost)
    repo.remove(lost)
    r = repo.run("check", expect=4)
    if os.path.basename(lost)[:8] not in r.text:
        fail(f"{lost} is gone and check does not name it:\n{r.text}")
    now = repo.backup(tree)
    r = repo.restore(now + ":" + tree, "out")
    compare(tree, r.target)
    repo.write(lost, whole)
repo.run("check", "--read-data")
passed(f"{len(old)} packs lost in turn: named, and stored again by the next backup")
