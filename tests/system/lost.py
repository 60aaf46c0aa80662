#!/usr/bin/python3
# run: store=dir
"""A store that is gone from the Nth call on, for every N of a restore: one error that says
so, not one a file; and what stands in the target is whole (DESIGN section 10: 5).  What fails
while the store is there takes its own file only."""
import os
import shutil

from harness import Repo, compare, fail, passed, path, write

repo = Repo()
repo.use_key_file()
repo.init()
tree = path("tree")
for i in range(300):
    write(f"{tree}/d{i % 7}/f{i}", os.urandom(5000 + 31 * i))
    if i % 10 == 0:
        repo.backup(tree)
        os.symlink("f" * (i + 1), f"{tree}/d{i % 7}/l{i}")
repo.backup(tree)


def restore(plan, *args, expect):
    shutil.rmtree(path("out"), ignore_errors=True)
    if os.path.exists(path("hit")):
        os.unlink(path("hit"))
    repo.forget("cache")
    r = repo.run("restore", "latest:" + tree, "--target", path("out"), *args, expect=expect,
                 env={"VITRINE_TEST_FAULTS": plan, "VITRINE_TEST_FAULTS_HIT": path("hit")})
    for at, _, files in os.walk(path("out")):
        for f in files:
            name = os.path.join(at, f)
            if not os.path.islink(name):
                with open(name, "rb") as a, open(name.replace(path("out"), tree), "rb") as b:
                    if a.read() != b.read():
                        fail(f"{plan}: {name} was half written")
    return r


n = amid = 0
while True:
    n += 1
    r = restore(f"any@{n}+=eio", expect=(0, 1))
    if not os.path.exists(path("hit")):
        break
    if r.status != 1 or not r.err.strip():
        fail(f"gone from call {n} on: status {r.status}\n{r.text}")
    # Snapshots that can't be read are another matter.
    said = [line for line in r.err.splitlines() if b": warning: " not in line]
    if "not restored" in r.text or len(said) > 2:
        fail(f"gone from call {n} on: told file by file\n{r.text}")
    amid += "the store can't be reached any more" in r.text
if amid < 10:
    fail(f"only {amid} of {n} ended amid the files")
compare(tree, path("out"))
passed(f"gone at each of {n - 1} calls: one error each, {amid} amid the files")

few = 0
for i in range(n // 2, n, max(n // 20, 1)):
    r = restore(f"read@{i}+=eio", expect=(0, 1, 3))
    few += r.status == 3
    if r.status == 3 and "not restored" not in r.text:
        fail(f"read {i} and later fail: no file is named\n{r.text}")
passed(f"reads that fail alone: {few} times the files are named")
