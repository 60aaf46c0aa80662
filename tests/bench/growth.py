"""How vitrine grows: with threads, with files, with snapshots."""
import os
import statistics
import subprocess

import corpus
import edit
import report as layout
from aside import aside
from measure import apart
from tools import Vitrine

SNAPSHOTS = 1000
FEW = 10


def median(runs, key="wall"):
    return statistics.median(r[key] for r in runs)


def fresh(base, work, source):
    aside(base, work)
    os.makedirs(work)
    v = Vitrine(work, source)
    # A key file: the passphrase's fifth of a second would hide much.
    with open(os.path.join(v.dir, "key"), "wb") as f:
        f.write(b"a key for the benchmark alone")
    del v.env["VITRINE_PASSWORD"]
    v.env["VITRINE_KEY_FILE"] = os.path.join(v.dir, "key")
    v.init()
    return v


def threads(base, work, scale, say):
    """A first backup with one thread and with two, in turns."""
    got = {}
    for which in "SL":
        top = apart(corpus.corpus, base, which, scale, say)
        edit.undo(top)
        runs = {1: [], 2: []}
        for _ in range(3):
            for n in runs:
                v = fresh(base, work, top)
                runs[n].append(v.backup(0, "--threads", str(n)))
        got[which] = {str(n): runs[n] for n in runs}
    return got


def files(base, work, scale, say):
    """A tenth of S against S: seconds and memory of each step."""
    got = {}
    for s in (scale / 10, scale):
        top = apart(corpus.corpus, base, "S", s, say)
        edit.undo(top)
        v = fresh(base, work, top)
        try:
            got[f"{s:g}"] = {"first": v.backup(0), "unchanged": v.backup(1)}
            apart(edit.edit, top, "S", s)
            got[f"{s:g}"]["edited"] = v.backup(2)
            got[f"{s:g}"]["restore"] = v.restore(v.dir + "/restored")
        finally:
            edit.undo(top)
    return got


def pieces(v, tree, rounds):
    """Each step some times in a repository; the last file changes each time."""
    got = {s: [] for s in ("unchanged", "edited", "snapshots", "ls", "restore", "mount")}
    for i in range(rounds):
        got["unchanged"].append(v.backup(1))
        with open(os.path.join(tree, "changing"), "w") as f:
            f.write(f"{i}\n")
        got["edited"].append(v.backup(2))
        got["snapshots"].append(v.run("snapshots"))
        got["ls"].append(v.run("ls", "latest:" + tree))
        got["restore"].append(v.restore(f"{v.dir}/restored{len(os.listdir(v.dir))}"))
        m = v.mount()
        m.close()
        got["mount"].append(m.ready)
    return got


def snapshots(base, work, scale, say):
    """The same steps with few snapshots in the repository, then with many."""
    top = apart(corpus.corpus, base, "S", scale / 10, say)
    edit.undo(top)
    tree = os.path.join(base, "changing")
    aside(base, tree)
    subprocess.run(["cp", "-a", top, tree], check=True)
    v = fresh(base, work, tree)
    got, have = {}, 0
    for target in (FEW, SNAPSHOTS):
        say(f"growth: {target} snapshots")
        while have < target:
            with open(os.path.join(tree, "changing"), "w") as f:
                f.write(f"s{have}\n")
            v.backup(0)
            have += 1
        got[str(target)] = pieces(v, tree, 7)
    aside(base, tree)
    aside(base, work)
    return got


def run(base, work, scale, say):
    say("growth: threads")
    got = {"threads": threads(base, work, scale, say)}
    say("growth: files")
    got["files"] = files(base, work, scale, say)
    got["snapshots"] = snapshots(base, work, scale, say)
    return got


def report(got):
    rows = []
    for which, runs in got["threads"].items():
        one, two = median(runs["1"]), median(runs["2"])
        busy = median(runs["2"], "others_cpu") + median(runs["2"], "stolen")
        rows.append([f"first backup of {which}", f"{one:.2f}", f"{two:.2f}", f"{one / two:.2f}",
                     f"{busy:.1f}", "1.8"])
    text = [layout.lay_out(["threads", "1", "2", "faster by", "others' CPU s", "target"], rows)]
    (small, a), (large, b) = got["files"].items()
    rows = [[step, f"{a[step]['wall']:.2f}", f"{b[step]['wall']:.2f}",
             f"{b[step]['wall'] / a[step]['wall']:.1f}",
             f"{a[step]['peak_mb']:.0f}", f"{b[step]['peak_mb']:.0f}"] for step in a]
    text.append(layout.lay_out(["ten times the files", f"S {small}", f"S {large}", "times",
                                "peak MB", "peak MB"], rows))
    few, many = got["snapshots"][str(FEW)], got["snapshots"][str(SNAPSHOTS)]
    rows = []
    for step in few:
        a, b = median(few[step]), median(many[step])
        rows.append([step, f"{a:.3f}", f"{b:.3f}", f"{b / a:.2f}",
                     f"{median(many[step], 'cpu') - median(few[step], 'cpu'):+.3f}"])
    text.append(layout.lay_out(["snapshots", str(FEW), str(SNAPSHOTS), "times", "CPU s"], rows))
    return "\n\n".join(text) + "\n"
