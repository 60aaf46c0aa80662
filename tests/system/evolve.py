#!/usr/bin/python3
"""A long life of one tree: changed at random, backed up in every way, killed at times.

Each snapshot must show in a mount what the tree was, and do so for ever: some are
restored when they are new, and compared with what a mount shows of them at the end.
EVOLVE_SEED and EVOLVE_TURNS make other and longer lives."""
import json
import os
import random
import signal
import subprocess
import time

from harness import PYTHON, TOOLS, VITRINE, Repo, compare, fail, make_tree, passed, path

seed = int(os.environ.get("EVOLVE_SEED", "6"))
turns = int(os.environ.get("EVOLVE_TURNS", "16"))
rnd = random.Random(seed)
repo = Repo()
repo.use_key_file()
repo.init()
tree = make_tree("tree", seed, "--count", "400")
kept = {}
killed = 0


def change(turn):
    p = subprocess.run([PYTHON, f"{TOOLS}/changetree.py", tree, str(seed * 1000 + turn), "--share",
                        str(rnd.choice((0, 0.002, 0.02, 0.02, 0.2)))], stderr=subprocess.PIPE)
    if p.returncode != 0:
        fail(f"changetree: {p.stderr.decode(errors='replace')}")
    if rnd.random() < 0.3:
        more = os.path.join(tree, f"more-{turn}")
        subprocess.run([PYTHON, f"{TOOLS}/maketree.py", more, str(seed + turn), "--count", "60"],
                       check=True, stderr=subprocess.DEVNULL)


def options():
    """Ways that must make no difference."""
    out = ["--threads", rnd.choice("124")]
    if rnd.random() < 0.3:
        out += ["--memory", "64M"]
    if rnd.random() < 0.1:
        out += ["--force"]
    return out


def kill_one():
    """A backup that dies somewhere, first."""
    global killed
    p = repo.start("backup", "--host", "one", tree)
    try:
        p.wait(rnd.random() * length)
    except subprocess.TimeoutExpired:
        p.send_signal(signal.SIGKILL)
        killed += 1
    p.communicate()


def back_up():
    """By one host, or by two at the same time; the new snapshots."""
    global length
    hosts = ["one", "two"] if rnd.random() < 0.2 else ["one"]
    began = time.monotonic()
    runs = [subprocess.Popen([VITRINE, "backup", "--json", "--host", h, *options(), tree],
                             env=repo.env, stdout=subprocess.PIPE, text=True) for h in hosts]
    said = [json.loads(p.communicate()[0].splitlines()[-1]) for p in runs]
    length = time.monotonic() - began
    for s in said:
        if s["exit_status"] != 0:
            fail(s["text"])
    return [s["snapshot"] for s in said]


length = 1.0
for turn in range(turns):
    change(turn)
    if rnd.random() < 0.2:
        kill_one()
    if rnd.random() < 0.15:
        repo.forget(*rnd.choice((("cache",), ("cache", "state"))))
    new = back_up()
    point = repo.mount()
    for s in new:
        compare(tree, os.path.join(point, "by-id", s[:8]) + tree)
    repo.umount(point)
    if turn % 6 == 0:
        kept[new[0]] = repo.restore(new[0] + ":" + tree, f"kept-{turn}").target
        compare(tree, kept[new[0]])
repo.run("check", "--read-data")
repo.forget("cache", "state")
for snapshot, copy in kept.items():
    r = repo.restore(snapshot + ":" + tree, "again")
    compare(copy, r.target)
passed(f"{turns} snapshots, {killed} runs killed, {len(kept)} kept and compared at the end")
