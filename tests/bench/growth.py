"""How vitrine grows: with threads, with files, with snapshots."""
import os
import statistics
import subprocess

import corpus
import edit
import report as layout
from aside import aside, removed, settle
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
    """First backup, restore and check of all data with one thread and with two,
    in turns."""
    got = {}
    for which in "SL":
        top = apart(corpus.corpus, base, which, scale, say)
        edit.undo(top)
        runs = {s: {"1": [], "2": []} for s in ("first backup", "restore", "check, all data")}
        for _ in range(3):
            for n in "12":
                v = fresh(base, work, top)
                many = ("--threads", n)
                runs["first backup"][n].append(v.backup(0, *many))
                runs["restore"][n].append(v.restore(v.dir + "/restored", *many))
                runs["check, all data"][n].append(v.check(*many))
        got[which] = runs
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


def change(tree, text):
    with open(os.path.join(tree, "changing"), "w") as f:
        f.write(text)


def filled(base, work, tree, count):
    """A repository with so many snapshots, one file changed between them."""
    v = fresh(base, work, tree)
    for i in range(count):
        change(tree, f"s{i}\n")
        subprocess.run([v.program, "backup", "-q", tree], env=v.env, stdout=subprocess.DEVNULL,
                       check=True)
    return v


def mounted(v):
    m = v.mount()
    m.close()
    return m.ready


def steps(v, tree, n):
    """What is measured with few and with many snapshots: the first ones look at
    one of them, those after None at all."""
    changing = os.path.join(tree, "changing")

    def tiny():
        change(tree, f"{n}\n")
        return v.backup(1)
    return {"unchanged": lambda: v.backup(1), "one file changed": tiny,
            "ls": lambda: v.run("ls", "latest:" + tree),
            "find in one": lambda: v.run("find", "--snapshot", "latest", "nothing"),
            "diff --live": lambda: v.run("diff", "--live", "latest", tree),
            "restore": lambda: v.restore(f"{v.dir}/restored{n}"),
            "mount to ls": lambda: mounted(v),
            "snapshots *": lambda: v.run("snapshots"),
            "find *": lambda: v.run("find", "nothing"),
            "history *": lambda: v.run("history", changing),
            "stats *": lambda: v.run("stats"),
            "check *": lambda: v.run("check", "-q"),
            "check, all data *": lambda: v.check()}


def snapshots(base, work, scale, say):
    """Each step in a repository with few snapshots and in one with many, in
    turns."""
    top = apart(corpus.corpus, base, "S", scale / 10, say)
    edit.undo(top)
    tree = os.path.join(base, "changing")
    aside(base, tree)
    subprocess.run(["cp", "-a", top, tree], check=True)
    say(f"growth: {SNAPSHOTS} snapshots")
    of = {str(n): filled(base, f"{work}-{n}", tree, n) for n in (FEW, SNAPSHOTS)}
    # A thousand runs removed thousands of leases and temporary files.
    removed(base)
    settle(base, say)
    got = {n: {} for n in of}
    for i in range(5):
        for step in steps(of[str(FEW)], tree, i):
            if i > 0 and step.endswith("*") and step != "snapshots *":
                continue        # they take their time
            for n, v in of.items():
                got[n].setdefault(step, []).append(steps(v, tree, i)[step]())
    for path in (tree, *(f"{work}-{n}" for n in of)):
        aside(base, path)
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
    for which, steps_of in got["threads"].items():
        for step, runs in steps_of.items():
            one, two = median(runs["1"]), median(runs["2"])
            cpu = [median(runs[n], "cpu") / median(runs[n]) for n in "12"]
            others = median(runs["2"], "others_cpu") + median(runs["2"], "stolen")
            rows.append([f"{step} of {which}", f"{one:.2f}", f"{two:.2f}", f"{one / two:.2f}",
                         f"{cpu[0]:.2f}", f"{cpu[1]:.2f}", f"{others:.1f}"])
    text = [layout.lay_out(["threads", "1", "2", "faster by", "CPUs used by 1", "by 2",
                            "others' CPU s"], rows)]
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
