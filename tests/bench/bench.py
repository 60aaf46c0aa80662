#!/usr/bin/python3
"""make bench: vitrine, its peers and the floor, step by step, in turns.

Every step is done by each tool in turn before the next step begins, and the
whole is repeated in rounds, so that what else the machine does hits all alike.
See README beside this file.
"""
import argparse
import json
import os
import platform
import subprocess
import sys
import time

import corpus
import edit
import growth
import report
import tools
from aside import aside, clear, settle
from measure import Failed, apart

STEPS = {"S": ["first", "unchanged", "edited", "restore", "check", "ls", "find", "cp", "stored",
               "added"],
         "L": ["first", "unchanged", "edited", "restore", "check", "ls", "cat", "stored",
               "added"]}


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


class Round:
    """One round over one corpus: every tool begins with an empty repository."""

    def __init__(self, which, source, scale, chosen, work, results):
        self.which, self.source, self.scale = which, source, scale
        self.results, self.size = results, {}
        os.makedirs(work)
        self.tools = []
        for t in chosen:
            tool = t(work, source)
            self.tools.append(tool)
            self.attempt(tool, "init", lambda: tool.init() or {})

    def attempt(self, tool, step, do):
        try:
            got = do()
        except (Failed, OSError, subprocess.SubprocessError, ValueError, LookupError) as e:
            say(f"{tool.name}, {step}: failed: {e}")
            self.results[tool.name].setdefault("failed", []).append(f"{step}: {e}")
            return None
        if got and step != "init":
            self.results[tool.name].setdefault(step, []).append(got)
        return got

    def step(self, name, do):
        say(f"{self.which} {name}")
        for tool in self.tools:
            self.attempt(tool, name, lambda: do(tool))

    def backups(self):
        self.step("first", lambda t: t.backup(0))
        for t in self.tools:
            self.size[t.name] = t.stored()
            self.attempt(t, "stored", lambda: {"bytes": self.size[t.name]})
        self.step("unchanged", lambda t: t.backup(1))
        between = {t.name: t.stored() for t in self.tools}
        apart(edit.edit, self.source, self.which, self.scale)
        self.step("edited", lambda t: t.backup(2))
        for t in self.tools:
            if t.name != "floor":
                self.attempt(t, "added", lambda: {"bytes": t.stored() - between[t.name]})

    def mount(self, tool):
        m = tool.mount()
        try:
            if m.ready:
                self.attempt(tool, "ls", lambda: m.ready)
            if self.which == "L":
                self.cat(tool, m)
                return
            self.attempt(tool, "find", lambda: m.run(["find", m.top]))
            copy = os.path.join(tool.dir, "copy")
            self.attempt(tool, "cp", lambda: m.run(["cp", "-r", m.top, copy]))
        finally:
            m.close()

    def cat(self, tool, m):
        count = max(1, int(1024 * self.scale))
        argv = ["head", "-c", f"{count}M", os.path.join(m.top, "libraries.tar")]
        self.attempt(tool, "cat", lambda: m.run(argv))

    def run(self):
        try:
            self.backups()
            self.step("restore", lambda t: t.restore(os.path.join(t.dir, "restored")))
            self.step("check", lambda t: t.check())
            self.step("mount", self.mount)
        finally:
            edit.undo(self.source)


def warm(top):
    """All of it read once, so that no tool pays for the first reading."""
    subprocess.run(["tar", "-C", top, "-cf", "/dev/null", "--hole-detection=raw", "."],
                   check=False, stderr=subprocess.DEVNULL)
    subprocess.run(["sh", "-c", 'tar -C "$1" -cf - . | cat >/dev/null', "sh", top], check=False)


def about():
    cpu = "?"
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                cpu = line.partition(":")[2].strip()
                break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"cpu": cpu, "cpus": len(os.sched_getaffinity(0)), "memory_gb": round(memory / 1e9, 1),
            "kernel": platform.release(), "machine": platform.machine(),
            "load_before": os.getloadavg()[0],
            "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


def parse():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--quick", action="store_true", help="a tenth of the corpora, one round")
    p.add_argument("--scale", type=float, help="of the corpora (1, or 0.1 with --quick)")
    p.add_argument("--rounds", type=int, help="default 3, or 1 with --quick")
    p.add_argument("--corpus", choices=("S", "L", "SL"), default="SL")
    p.add_argument("--tools", help="names with commas (default: all that are on PATH)")
    p.add_argument("--growth", action="store_true",
                   help="also: threads, ten times the files, a thousand snapshots")
    p.add_argument("--only-growth", action="store_true")
    p.add_argument("--json", help="where to write the figures (default BENCH_DIR/bench.json)")
    a = p.parse_args()
    a.scale = a.scale or (0.1 if a.quick else 1.0)
    a.rounds = a.rounds or (1 if a.quick else 3)
    return a


def choose(names):
    known = [t for t in tools.ALL if t.found()]
    if not tools.Vitrine.found():
        sys.exit("bench: there is no vitrine: make")
    if not names:
        return known
    missing = set(names.split(",")) - {t.name for t in known}
    if missing:
        sys.exit("bench: not on PATH: " + ", ".join(sorted(missing)))
    return [t for t in known if t.name in names.split(",")]


def main():
    a = parse()
    base = os.environ.get("BENCH_DIR", "/var/tmp/vitrine-bench")
    os.makedirs(base, exist_ok=True)
    work = os.path.join(base, "work")
    aside(base, work)
    if not a.quick:
        settle(base, say)
    chosen = choose(a.tools)
    out = {"about": about(), "scale": a.scale, "rounds": a.rounds,
           "versions": {t.name: t.version() for t in chosen}, "corpora": {}}
    text = []
    path = a.json or os.path.join(base, "bench.json")
    for which in () if a.only_growth else a.corpus:
        top = apart(corpus.corpus, base, which, a.scale, say)
        edit.undo(top)
        warm(top)
        time.sleep(3)       # nothing in it is "too recent to trust"
        results = {t.name: {} for t in chosen}
        for i in range(a.rounds):
            say(f"corpus {which}, round {i + 1} of {a.rounds}")
            Round(which, top, a.scale, chosen, work, results).run()
            aside(base, work)
            out["corpora"][which] = results
            with open(path, "w") as f:
                json.dump(out, f, indent=1)
        names = [t.name for t in chosen]
        text.append(report.corpus(which, STEPS[which], names, results, a.scale))
    if a.growth or a.only_growth:
        out["growth"] = growth.run(base, work, a.scale, say)
        text.append(growth.report(out["growth"]))
    clear(base)
    out["about"]["load_after"] = os.getloadavg()[0]
    with open(path, "w") as f:
        json.dump(out, f, indent=1)
    head = out["about"]
    print(f"{head['when']}: {head['cpus']} x {head['cpu']}, {head['memory_gb']} GB, "
          f"Linux {head['kernel']}, load {head['load_before']:.1f}; scale {a.scale:g}, "
          f"{a.rounds} rounds, medians")
    for name, version in out["versions"].items():
        print(f"  {name}: {version}")
    print("\n" + "\n".join(text) + f"\nAll figures: {path}")


if __name__ == "__main__":
    main()
