#!/usr/bin/python3
"""A store that fails, dies or tears at the Nth write, for every N of a small run
(DESIGN section 10: 1, 2, 5)."""
import os
import shutil
import subprocess
import sys

from harness import STORE, Repo, compare, fail, make_tree, passed, path, write

# Over S3 (where tests/s3/test_faults.py does the rest) dying alone.
kinds = sys.argv[1:] or (["kill"] if STORE == "s3" else
                         ["eio", "enospc", "estale", "kill", "lost", "tear"])
base = Repo("base")
base.use_key_file()
base.init()
tree = path("tree")
for i in range(30):
    write(f"{tree}/d{i % 3}/f{i}", os.urandom(3000 + 997 * i))
first = base.backup(tree)
base.restore(first + ":" + tree, "first")
base.save("as-it-was")
write(f"{tree}/d0/more", os.urandom(200000))
write(f"{tree}/d1/f1", os.urandom(5000))


def fresh(name):
    for suffix in (".cache", ".state"):
        shutil.rmtree(path(name + suffix), ignore_errors=True)
        if os.path.isdir(path("base" + suffix)):
            shutil.copytree(path("base" + suffix), path(name + suffix))
    r = Repo(name)
    r.load("as-it-was")
    r.env = dict(base.env, VITRINE_REPOSITORY=r.where, HOME=r.env["HOME"],
                 XDG_CACHE_HOME=r.env["XDG_CACHE_HOME"], XDG_STATE_HOME=r.env["XDG_STATE_HOME"])
    return r


for kind in kinds:
    for op in ("put", "append", "commit", "list", "read", "stat", "remove"):
        if kind in ("tear", "lost") and op not in ("put", "commit"):
            continue
        n = failed = 0
        while True:
            n += 1
            repo = fresh("victim")
            before = repo.ids()
            # From the Nth on every second time: a store that stays broken.
            plan = f"{op}@{n}{'+' if n % 2 == 0 and kind not in ('kill', 'tear') else ''}={kind}"
            hit = path("hit")
            if os.path.exists(hit):
                os.unlink(hit)
            r = repo.run("backup", tree, expect=(0, 1, 4, 11, -9),
                         env={"VITRINE_TEST_FAULTS": plan, "VITRINE_TEST_FAULTS_HIT": hit})
            made = repo.ids() - before
            if r.status == 0 and len(made) != 1:
                fail(f"{plan}: exit 0 and {len(made)} new snapshots\n{r.text}")
            if r.status != 0:
                failed += 1
                if r.status > 0 and not r.err.strip():
                    fail(f"{plan}: failed without a word")
            repo.run("check", "--read-data", expect=(0, 4) if kind == "tear" else 0)
            again = repo.restore(first + ":" + tree, "again")
            compare(path("first"), again.target)
            last = repo.backup(tree)
            again = repo.restore(last + ":" + tree, "last")
            compare(tree, again.target)
            if not os.path.exists(hit):
                break           # the run has fewer calls of that kind
            if n > 300:
                fail(f"{plan}: the run never ends")
        passed(f"{kind} at each {op}: {n - 1} faults met, {failed} runs failed, all honest")
