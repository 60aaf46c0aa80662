#!/usr/bin/python3
"""kill -9 at random moments of a backup: the repository opens, check is clean, earlier
snapshots restore, a re-run goes on (DESIGN section 10: 1, 2)."""
import os
import random
import signal
import subprocess
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


# How long a run takes here and now: the moments are anywhere in that, and beyond.  A machine
# that has more to do at one time than at another is measured anew by each run that ends.
more("first")
began = time.monotonic()
repo.run("backup", tree)
length = time.monotonic() - began
turns = int(os.environ.get("CRASH_TURNS", "25"))
killed = finished = turn = 0
while turn < turns or killed < 3 and turn < 10 * turns:
    turn += 1
    more(turn)
    before = repo.ids()
    began = time.monotonic()
    p = repo.start("backup", tree)
    try:
        p.wait(rnd.random() * 2 * length)
        length = time.monotonic() - began
    except subprocess.TimeoutExpired:
        p.send_signal(signal.SIGKILL)
    p.communicate()
    if p.returncode == 0:
        finished += 1
    elif p.returncode == -signal.SIGKILL:
        killed += 1
    else:
        fail(f"a run ended with {p.returncode}")
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
