#!/usr/bin/python3
# run: store=dir
"""A full disk: the backup fails and says so, nothing is half-written, and with room
again the next run goes on.  A restore onto a full disk likewise.  A read-only
repository can be mounted, restored and checked."""
import os
import subprocess

from harness import Repo, compare, fail, mounts, passed, path, write


def tmpfs(name, size):
    os.makedirs(path(name))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "vitrine-test", path(name)],
                   check=True)
    mounts.append(path(name))


tmpfs("small", "24m")
repo = Repo("small/repo")
for k in ("HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
    repo.env[k] = path("local-" + k)
    os.makedirs(repo.env[k], exist_ok=True)
repo.init()
tree = path("tree")
write(f"{tree}/a", os.urandom(4 << 20))
first = repo.backup(tree)
write(f"{tree}/b", os.urandom(40 << 20))
r = repo.run("backup", tree, expect=1)
if "No space left" not in r.text and "full" not in r.text:
    fail(f"a full disk is not told:\n{r.text}")
if repo.ids() != {first}:
    fail("a snapshot was made on a full disk")
repo.run("check", "--read-data")
repo.restore(first + ":" + tree, "out")
subprocess.run(["mount", "-o", "remount,size=120m", path("small")], check=True)
last = repo.backup(tree)
r = repo.restore(last + ":" + tree, "out")
compare(tree, r.target)
passed("full while backing up: honest, and the next run goes on")

tmpfs("middle", "100m")
full = Repo("middle/repo")
full.env.update({k: repo.env[k] for k in ("HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME")})
full.init()
for i in range(150):
    write(f"{path('much')}/{i}", os.urandom(1 << 20))
full.run("backup", path("much"), expect=1)
subprocess.run(["mount", "-o", "remount,size=300m", path("middle")], check=True)
full.run("backup", path("much"))
r = full.run("check", "--read-data")
if "packs of no snapshot" in r.text:
    fail(f"a run that found the disk full left what the next one did not use:\n{r.text}")
passed("full after some packs: the next run goes on from them")

tmpfs("tiny", "8m")
r = repo.run("restore", last + ":" + tree, "--target", path("tiny/out"), expect=(1, 3))
if "No space left" not in r.text and "full" not in r.text:
    fail(f"a full target is not told:\n{r.text}")
if "--overwrite changed" not in r.text or "what was stored" in r.text:
    fail(f"no advice how to go on:\n{r.text}")
subprocess.run(["mount", "-o", "remount,size=60m", path("tiny")], check=True)
repo.run("restore", last + ":" + tree, "--target", path("tiny/out"), "--overwrite", "changed")
subprocess.run(["touch", "-r", tree, path("tiny/out")], check=True)
compare(tree, path("tiny/out"))
passed("full while restoring: honest, and it goes on as it says")

subprocess.run(["mount", "-o", "remount,ro", path("small")], check=True)
repo.run("check", "--read-data")
repo.run("snapshots")
r = repo.restore("latest:" + tree, "out")
compare(tree, r.target)
if os.path.exists("/dev/fuse"):
    point = repo.mount("latest:" + tree)
    compare(tree, point)
    repo.umount(point)
r = repo.run("backup", tree, expect=1)
if "Read-only" not in r.text and "read-only" not in r.text:
    fail(f"a read-only repository is not told:\n{r.text}")
passed("a read-only repository serves")
