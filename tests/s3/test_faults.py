#!/usr/bin/python3
# run: timeout=3000
"""Each fault of an S3 server at each request of a small backup, restore, check and mount.

Every run ends in the right data or in an honest error; the repository opens afterwards
and is clean, what was there before restores, a next run succeeds; nothing wrong is served
(DESIGN section 10: 1, 2, 3, 5).  What passes with one repetition must not even be an
error.  The faults are those of proxy.py.

    test_faults.py [OPERATION ...] [FAULT ...]      all by default
"""
import collections
import concurrent.futures
import os
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))
os.environ["VITRINE_TEST_STORE"] = "s3"
from harness import Repo, compare, fail, path, passed, start_server, write  # noqa: E402
from proxy import FAULTS, Proxy  # noqa: E402

WORKERS = 8
# Once is nothing: asked again, they go away.
PASSING = {"reset-before", "reset-during", "truncate", "lost", "garbage", "500", "503",
           "503-after", "close-late", "hang", "stall", "short"}
SECONDS = {"hang": 60, "stall": 60}
OPERATIONS = ("backup", "restore", "check", "mount")
# These also without end, from that many quarters of a run on.
LASTING = {"reset-before": (2,), "503": (1, 3), "403": (0, 1, 2, 3), "flip-down": (0, 1, 2, 3)}
# How a client may end that met a server that is not to be believed.
HONEST = {1, 3, 4, 10, 11, 12}

if "VITRINE_TEST_S3_URL" not in os.environ:
    os.environ.update(start_server()[1])
UPSTREAM = os.environ["VITRINE_TEST_S3_HTTP"]
# A stalled server is given up soon, but one that shares a busy machine isn't stalled yet.
QUICK = ["--stall-timeout", "4"]
PATIENCE_S = 600

base = Repo("base")
base.use_key_file()
base.init()
tree = path("tree")
for i in range(24):
    write(f"{tree}/d{i % 3}/f{i}", os.urandom(2000 + 997 * i))
first = base.backup(tree)
base.restore(first + ":" + tree, "first")
shutil.copytree(tree, path("first-tree"), symlinks=True)
base.save("as-it-was")
write(f"{tree}/d0/more", os.urandom(200000))
write(f"{tree}/d1/f1", os.urandom(5000))


def contents(d):
    out = {}
    for at, _, files in os.walk(d):
        for f in files:
            with open(os.path.join(at, f), "rb") as fd:
                out[os.path.relpath(os.path.join(at, f), d)] = fd.read()
    return out


OLD = contents(path("first"))


class Worker:
    """A proxy, and a repository's copy with caches of its own."""

    def __init__(self, n):
        self.proxy = Proxy(UPSTREAM)
        self.repo = Repo(f"victim{n}")
        self.repo.env = dict(self.repo.env, VITRINE_KEY_FILE=base.env["VITRINE_KEY_FILE"])
        self.repo.env.pop("VITRINE_PASSWORD", None)
        self.through = {"VITRINE_REPOSITORY": self.repo.where.replace(UPSTREAM, self.proxy.url)}
        self.out = path(f"out{n}")
        self.mnt = path(f"mnt{n}")
        os.makedirs(self.mnt)

    def fresh(self, warm):
        if not self.proxy.all_gone():
            fail("somebody of the last run still is there")
        self.repo.load("as-it-was")
        self.repo.forget()
        if warm:
            for w in (".cache", ".state"):
                if os.path.isdir(path("base" + w)):
                    shutil.copytree(path("base" + w), self.repo.dir + w)
        shutil.rmtree(self.out, ignore_errors=True)

    def run(self, *args, **kw):
        return self.repo.run(*QUICK, *args, env=self.through, expect=None, **kw)


def honest(what, r):
    """A failure that says so."""
    if r.status not in HONEST:
        fail(f"{what}: status {r.status}\n{r.text}")
    if not r.err.strip():
        fail(f"{what}: status {r.status} without a word")


def backup(w, what):
    before = w.repo.ids()
    r = w.run("backup", tree)
    made = w.repo.ids() - before
    if r.status == 0 and len(made) != 1:
        fail(f"{what}: status 0 and {len(made)} new snapshots\n{r.text}")
    if r.status != 0:
        honest(what, r)
    w.repo.run("check", "--read-data")
    # That all of both can be read, the check has said; that it is right:
    for snapshot in made or {first}:
        again = w.repo.run("restore", f"{snapshot}:{tree}", "--target", w.out)
        compare(path("first") if snapshot == first else tree, w.out)
        shutil.rmtree(w.out)
    if r.status != 0:
        w.repo.run("backup", tree)
        w.repo.run("restore", "latest:" + tree, "--target", w.out)
        compare(tree, w.out)
    return r


def restore(w, what):
    r = w.run("restore", f"{first}:{tree}", "--target", w.out)
    if r.status == 0:
        compare(path("first"), w.out)
        return r
    honest(what, r)
    for name, data in contents(w.out).items():
        if data != OLD.get(name) and os.path.basename(name) not in r.text:
            fail(f"{what}: {name} was restored wrongly without a word\n{r.text}")
    return r


def check(w, what):
    r = w.run("check", "--read-data")
    if r.status != 0:
        honest(what, r)
    return r


def read_all(what, top):
    """Everything in a mount is right or an error; how many errors."""
    errors = 0
    want = {os.path.dirname(n) for n in OLD} | {""}
    for d in sorted(want):
        names = {os.path.basename(n) for n in OLD if os.path.dirname(n) == d} | \
            {n for n in want if n and os.path.dirname(n) == d}
        try:
            if set(os.listdir(os.path.join(top, d))) != names:
                fail(f"{what}: the mount's {d or '/'} lists something else")
        except OSError:
            errors += 1
    for name, data in OLD.items():
        try:
            with open(os.path.join(top, name), "rb") as f:
                have = f.read()
        except FileNotFoundError:
            fail(f"{what}: {name} is absent in the mount")
        except OSError:
            errors += 1
            continue
        if have != data:
            fail(f"{what}: the mount serves {name} wrongly")
    return errors


def mount(w, what):
    r = w.run("mount", first, w.mnt)
    if r.status != 0:
        honest(what, r)
        return r
    try:
        if read_all(what, w.mnt + tree):
            r.status = 1
        # What failed once is not an error for ever (but what was on its way may still fail).
        w.proxy.plan()
        end = time.monotonic() + PATIENCE_S
        while read_all(what, w.mnt + tree):
            if time.monotonic() > end:
                fail(f"{what}: errors stay after the fault has gone")
            time.sleep(0.1)
    finally:
        unmount(what, w.mnt)
    return r


def unmount(what, point):
    """A child that another thread has just forked holds our files until its exec."""
    end = time.monotonic() + PATIENCE_S
    while True:
        p = subprocess.run(["umount", point], stderr=subprocess.PIPE)
        if p.returncode == 0:
            return
        if time.monotonic() > end:
            subprocess.run(["umount", "-l", point], stderr=subprocess.DEVNULL)
            fail(f"{what}: umount: {p.stderr.decode()}")
        time.sleep(0.1)


RUN = {"backup": backup, "restore": restore, "check": check, "mount": mount}
idle = collections.deque()
tally = collections.defaultdict(lambda: [0, 0, 0, 0])
lock = threading.Lock()


def one(operation, rule):
    with lock:
        w = idle.pop()
    try:
        what = f"{operation} with {rule}"
        began = time.monotonic()
        w.fresh(warm=operation == "backup")
        w.proxy.plan(rule)
        r = RUN[operation](w, what)
        hits = w.proxy.hits() if operation != "mount" else 1
        if r.status != 0 and hits == 0:
            fail(f"{what}: failed without the fault\n{r.text}")
        if r.status != 0 and rule["fault"] in PASSING and "at" in rule:
            fail(f"{what}: one fault that passes was an error:\n{r.text}")
        if "VERBOSE" in os.environ:
            print(f"{time.monotonic() - began:5.1f} s  {r.status}  {what}", flush=True)
        with lock:
            t = tally[operation, rule["fault"]]
            t[0] += 1
            t[1] += r.status == 0
            t[2] += r.status != 0
            t[3] = max(t[3], time.monotonic() - began)
    finally:
        with lock:
            idle.append(w)


def requests(operation):
    """How many requests a run without faults makes."""
    w = idle[-1]
    w.fresh(warm=operation == "backup")
    w.proxy.plan()
    seen = []
    plan, w.proxy.plan = w.proxy.plan, lambda *_: seen.extend(w.proxy.requests()) or plan()
    r = RUN[operation](w, operation + " without faults")
    w.proxy.plan = plan
    if r.status != 0:
        fail(f"{operation}: status {r.status} without a fault\n{r.text}")
    return seen or w.proxy.requests()


def main():
    operations = [a for a in sys.argv[1:] if a in OPERATIONS] or OPERATIONS
    faults = [a for a in sys.argv[1:] if a in FAULTS] or list(FAULTS)
    for n in range(WORKERS):
        idle.append(Worker(n))
    jobs = []
    for operation in operations:
        log = requests(operation)
        ways = collections.Counter(e["method"] for e in log)
        passed(f"{operation}: {len(log)} requests without a fault: " +
               ", ".join(f"{n} {m}" for m, n in sorted(ways.items())))
        for fault in faults:
            for n in range(1, len(log) + 1):
                jobs.append((operation, {"fault": fault, "at": n,
                                         "seconds": SECONDS.get(fault, 0)}))
            # A server that stays broken from some point on.
            if fault in LASTING:
                for n in LASTING[fault][:1 if operation == "check" else None]:
                    jobs.append((operation, {"fault": fault, "from": max(len(log) * n // 4, 1),
                                             "seconds": 0}))
    # The long ones first: they mostly wait.
    jobs.sort(key=lambda j: "from" not in j[1])
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as ex:
        running = [ex.submit(one, *j) for j in jobs]
        for f in concurrent.futures.as_completed(running):
            if f.exception() is not None:
                for g in running:
                    g.cancel()
                raise f.exception()
    for (operation, fault), (runs, good, bad, longest) in sorted(tally.items()):
        passed(f"{operation}, {fault}: {runs} runs, {good} with the right data, "
               f"{bad} with an honest error, {longest:.1f} s at most")


main()
