#!/usr/bin/python3
"""A store that lies: rolled back, a snapshot removed, forked: reported."""
import shutil

from harness import Repo, fail, passed, path, write

repo = Repo()
repo.init()
tree = path("tree")


def generation(n, target=repo):
    write(f"{tree}/file", b"generation %d\n" % n)
    return target.backup(tree)


ids = [generation(n) for n in range(3)]
repo.save("older")
ids += [generation(n) for n in range(3, 5)]
repo.run("check")
repo.save("whole")

repo.load("older")
r = repo.run("check", expect=4)
if "older" not in r.text and "gone" not in r.text and "missing" not in r.text:
    fail(f"a rollback is not told in words:\n{r.text}")
r = repo.run("snapshots")
if not r.err:
    fail("snapshots says nothing of a rollback")
passed("a rolled back store is reported")

repo.load("whole")
repo.run("check")
repo.remove("snapshots/" + ids[1])
# Someone who has never seen this repository notices as well: by the sequence.
stranger = Repo("repo")
stranger.env["XDG_STATE_HOME"] = path("stranger.state")
r = stranger.run("check", expect=4)
passed("a removed snapshot is reported to a stranger")

# A fork: two machines' worth of history from one state.
repo.load("older")
other = Repo("repo")
other.env["XDG_STATE_HOME"], other.env["XDG_CACHE_HOME"] = path("o.state"), path("o.cache")
fork = generation(10, other)
repo.save("forked")
shutil.copytree(path("whole"), path("both"))
for name in ("packs", "snapshots"):
    shutil.copytree(path("forked", name), path("both", name), dirs_exist_ok=True)
repo.load("both")
r = stranger.run("check", expect=4)
passed("a fork is reported")
repo.load("whole")
repo.run("check")
