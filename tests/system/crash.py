#!/usr/bin/python3
"""kill -9 at random moments of a backup: the repository opens, check is clean, earlier
snapshots restore, a re-run goes on (DESIGN section 10: 1, 2)."""
import os
import random
import signal
import time

from harness import Repo, compare, fail, make_tree, passed, path, write

rnd = random.Random(7)
repo = Repo()
repo.use_key_file()
repo.init()
tree = make_tree("tree", 11)
first = repo.backup(tree)
repo.restore(first + ":" + tree, "first")
compare(tree, path("first"))


def more(turn):
    for i in range(6):
        write(os.path.join(tree, f"new-{turn}-{i}"), rnd.randbytes(rnd.randrange(1, 4 << 20)))


# How long a run takes here and now: the moments are anywhere in that, and beyond.
more("first")
began = time.monotonic()
repo.run("backup", tree)
length = time.monotonic() - began
killed = finished = 0
for turn in range(int(os.environ.get("CRASH_TURNS", "25"))):
    more(turn)
    before = repo.ids()
    p = repo.start("backup", tree)
    time.sleep(rnd.random() * 2 * length)
    p.send_signal(signal.SIGKILL)
    p.communicate()
    if p.returncode == 0:
        finished += 1
    else:
        killed += 1
    if p.returncode == 0 and len(repo.ids() - before) != 1:
        fail("exit 0 without a snapshot")
    repo.run("check", "--read-data")
    if turn % 8 == 0:
        r = repo.restore(first + ":" + tree, "again")
        compare(path("first"), r.target)
last = repo.backup(tree)
r = repo.restore(last + ":" + tree, "last")
compare(tree, r.target)
repo.run("check", "--read-data")
if killed < 3:
    fail(f"only {killed} runs were killed: the test tests nothing")
passed(f"{killed} runs killed, {finished} had finished; all clean")
