#!/usr/bin/python3
"""A store that fails, dies or tears at the Nth write, for every N of a small run
(DESIGN section 10: 1, 2, 5)."""
import os
import shutil
import subprocess
import sys

from harness import Repo, compare, fail, make_tree, passed, path, write

kinds = sys.argv[1:] or ["eio", "enospc", "estale", "kill", "lost", "tear"]
base = Repo("base")
base.use_key_file()
base.init()
tree = path("tree")
for i in range(30):
    write(f"{tree}/d{i % 3}/f{i}", os.urandom(3000 + 997 * i))
first = base.backup(tree)
base.restore(first + ":" + tree, "first")
write(f"{tree}/d0/more", os.urandom(200000))
write(f"{tree}/d1/f1", os.urandom(5000))


def fresh(name):
    for suffix in ("", ".cache", ".state"):
        shutil.rmtree(path(name + suffix), ignore_errors=True)
        if os.path.isdir(path("base" + suffix)):
            shutil.copytree(path("base" + suffix), path(name + suffix))
    r = Repo(name)
    r.env = dict(base.env, VITRINE_REPOSITORY=r.dir, HOME=r.env["HOME"],
                 XDG_CACHE_HOME=r.env["XDG_CACHE_HOME"], XDG_STATE_HOME=r.env["XDG_STATE_HOME"])
    return r


for kind in kinds:
    for op in ("put", "append", "commit", "list", "read", "stat", "remove"):
        if kind in ("tear", "lost") and op not in ("put", "commit"):
            continue
        n = ends = 0
        while True:
            n += 1
            repo = fresh("victim")
            before = repo.ids()
            plan = f"{op}@{n}={kind}"
            clean = repo.run("backup", tree, expect=None, env={"VITRINE_TEST_FAULTS": plan})
            made = repo.ids() - before
            if clean.status == 0 and len(made) != 1:
                fail(f"{plan}: exit 0 and {len(made)} new snapshots\n{clean.text}")
            if clean.status not in (0, 1, 4, 11, -9):
                fail(f"{plan}: exit {clean.status}\n{clean.text}")
            if clean.status in (1, 4, 11) and len(clean.err.strip()) == 0:
                fail(f"{plan}: failed without a word")
            check = repo.run("check", "--read-data", expect=(0, 4) if kind == "tear" else 0)
            r = repo.restore(first + ":" + tree, "again", expect=0)
            compare(path("first"), r.target)
            last = repo.backup(tree)
            r = repo.restore(last + ":" + tree, "last")
            compare(tree, r.target)
            if clean.status == 0 and "fault" not in clean.text:
                ends += 1
            # A fault that never came: the run has fewer calls of that kind.
            hit = os.path.exists(path("victim.hit"))
            if clean.status == 0:
                if ends >= 2 or n > 60:
                    break
            else:
                ends = 0
            if n > 200:
                fail(f"{plan}: the run never ends")
        passed(f"{kind} at each {op}: {n} runs, all honest")
