#!/usr/bin/python3
# run: store=dir timeout=600
"""What an unlucky admin's store may look like: things that are no files among the objects,
key slots that are damaged, an older state of it all; and caches in which FIFOs lie.

What is whole is served, the next backup is whole, and check names what isn't."""
import os
import shutil

from harness import Repo, compare, fail, passed, path, write

LIMIT_S = 300                   # what hangs, hangs for ever
repo = Repo()
repo.use_key_file()
repo.init()
other = path("other.key")
write(other, os.urandom(32))
repo.run("key", "add", "--new-key-file", other)
tree = path("tree")
for i in range(12):
    write(f"{tree}/d{i % 3}/f{i}", os.urandom(20000 + i))
first = repo.backup(tree)
write(f"{tree}/more", os.urandom(20000))
last = repo.backup(tree)
repo.save("whole")
count = 0


def run(*args, **kw):
    return repo.run(*args, timeout=LIMIT_S, **kw)


def is_restored(what="latest", env=None):
    global count
    count += 1
    run("restore", what + ":" + tree, "--target", path(f"out{count}"), env=env)
    compare(tree, path(f"out{count}"))


def anew():
    shutil.rmtree(repo.dir)
    shutil.copytree(path("whole"), repo.dir)
    repo.forget()


def put_odd(name, kind):
    at = os.path.join(repo.dir, name)
    if os.path.exists(at):
        os.rename(at, path("aside"))
    os.makedirs(os.path.dirname(at), exist_ok=True)
    if kind == "fifo":
        os.mkfifo(at)
    else:
        os.symlink(path("aside"), at)


def contents_pack():
    """The largest has files' contents, of the first snapshot."""
    return max(repo.names("packs/"), key=lambda n: len(repo.read(n)))


# One thing that is no file hides no object beside it.
for kind in "symlink", "fifo":
    for d in ("snapshots", "index", "keys", "packs", "tags", "forgotten", "pending", "condemned",
              "damaged", "forwards", "leases"):
        anew()
        some = sorted(repo.names(d + "/"))
        name = (f"snapshots/{first}" if d == "snapshots" else contents_pack() if d == "packs" else
                some[0] if some else d + "/" + "0" * 64)
        put_odd(name, kind)
        env = None
        if d == "keys":
            # The other slot still opens.
            keys = [{"VITRINE_KEY_FILE": k} for k in (repo.env["VITRINE_KEY_FILE"], other)]
            status = [run("snapshots", env=k, expect=(0, 12)).status for k in keys]
            if sorted(status) != [0, 12]:
                fail(f"{kind} in keys/: {status}")
            env = keys[status.index(0)]
        if d != "packs":
            is_restored(last, env)
        r = run("check", env=env, expect=0 if d == "leases" else 4)
        if d != "leases" and os.path.basename(name)[:8].encode() not in r.err:
            fail(f"{kind} {name}: check doesn't name it\n{r.text}")
        # What a collection deletes has to be known before anything relies on a pack.
        run("backup", tree, env=env, expect=4 if d == "condemned" else 0)
        is_restored(env=env)
    passed(f"a {kind} among the objects is told of, and hides none")

# Where no slot is whole it is not the secret that is wrong.
anew()
slots = list(repo.names("keys/"))
kept = {n: repo.read(n) for n in slots}
for n in slots:
    repo.write(n, kept[n][:100] + b"?" + kept[n][101:])
r = run("--quiet", "snapshots", expect=4)
if b"wrong" in r.err or b"damaged" not in r.err:
    fail(f"damaged key slots:\n{r.text}")
repo.write(slots[0], kept[slots[0]])
write(path("third.key"), os.urandom(32))
r = run("--quiet", "snapshots", env={"VITRINE_KEY_FILE": path("third.key")}, expect=12)
if b"1 of 2 can't be used" not in r.err:
    fail(f"one damaged key slot:\n{r.text}")
passed("damaged key slots are no wrong key")

# Who only ever backs up hears of an older state, once and not for ever.
anew()
run("snapshots")
repo.remove("snapshots/" + last)
r = run("backup", tree)
if last[:12].encode() not in r.err:
    fail(f"a backup says nothing of a rollback\n{r.text}")
if run("backup", tree).err:
    fail("a rollback is told by each backup from then on")
run("check", expect=4)
passed("a backup tells of a rollback")

# A FIFO where a cached file was keeps nobody waiting.
anew()
run("backup", tree)
run("ls", "latest:/")
for what in "cache", "state":
    for at, _, files in os.walk(repo.dir + "." + what):
        for f in files:
            if not f.endswith((".lock", ".commit")):
                os.unlink(os.path.join(at, f))
                os.mkfifo(os.path.join(at, f))
    for args in ("snapshots",), ("ls", "latest:/"), ("backup", tree), ("check", "--read-data"):
        run(*args)
    is_restored()
passed("a FIFO in the cache or the state directory keeps nobody")
