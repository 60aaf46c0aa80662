#!/usr/bin/python3
# run: timeout=900
"""A real server in trouble: it answers 503, it stops for a while, its disk stops.

What goes on again in time is no error; what doesn't is an honest one, soon after the
time-out that was asked for; and the repository is clean afterwards (DESIGN section 10:
1, 2, 5)."""
import os
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))
os.environ["VITRINE_TEST_STORE"] = "s3"
from harness import (RADOSGW, Repo, compare, eight_files, fail, mounts,  # noqa: E402
                     path, passed, start_server, write)
from proxy import Proxy  # noqa: E402

d, env = start_server(name="server")    # of its own: it is stopped
os.environ.update(env)
IMPATIENT = ["--stall-timeout", "1", "--request-timeout", "4"]
proxy = Proxy(env["VITRINE_TEST_S3_HTTP"])


def server(*args):
    subprocess.run([RADOSGW, args[0], d, *args[1:]], check=True)


repo = Repo()
tree, first = eight_files(repo, 5)
through = {"VITRINE_REPOSITORY": repo.where.replace(env["VITRINE_TEST_S3_HTTP"], proxy.url)}


def more():
    for i in range(3):
        write(f"{tree}/f{i}", os.urandom(7 << 20))


def whole(what, r):
    """After whatever it was: clean, and a run succeeds."""
    repo.run("check", "--read-data")
    compare(path("first"), repo.restore(first + ":" + tree, "again").target)
    last = repo.backup(tree)
    compare(tree, repo.restore(last + ":" + tree, "last").target)
    passed(f"{what}: status {r.status}; clean afterwards")


def refusing(*args):
    """A run while the server has time for one request only; for 20 s, so that even where a
    request takes a second none of them waits in vain until it is given up.  What it says,
    and how many 503s there were."""
    proxy.plan()
    repo.forget("cache")
    server("set", "rgw_max_concurrent_requests", "1")
    done = threading.Event()

    def relent():
        done.wait(20)
        server("set", "rgw_max_concurrent_requests", "1024")
    t = threading.Thread(target=relent)
    t.start()
    try:
        r = repo.run(*args, env=through)
    finally:
        done.set()
        t.join()
    return r, sum(e["status"] == 503 for e in proxy.requests())


# Whether two requests meet is not in anybody's hand.
refused = 0
for _ in range(20):
    more()
    for args in (("backup", tree), ("check", "--read-data"),
                 ("restore", "latest:" + tree, "--target", path("busy"))):
        r, n = refusing(*args)
        refused += n
    compare(tree, path("busy"))
    shutil.rmtree(path("busy"))
    if refused:
        break
else:
    fail("the server never said 503: the test tests nothing")
whole(f"{refused} genuine 503s", r)


def pausing(what, seconds, at=6, done=None):
    """Stops it amid the requests of a run: for so long, or until `done'."""
    def run():
        (done or threading.Event()).wait(seconds)
        server("resume", what)
    t = threading.Thread(target=run)

    def before(entry):
        if entry["n"] == at:
            server("pause", what)
            t.start()
    proxy.plan(before=before)
    return t


for what in ("gateway", "osd"):
    for args in (("backup", tree), ("check", "--read-data"),
                 ("restore", first + ":" + tree, "--target", path("out"))):
        more()
        subprocess.run(["rm", "-rf", path("out")])
        repo.forget("cache")
        t = pausing(what, 3)
        r = repo.run(*args, env=through)
        t.join()
        if args[0] == "restore":
            compare(path("first"), path("out"))
        whole(f"the {what} stops for 3 s while a {args[0]} runs", r)


def read_stopped(what):
    """A mount is read by who finds the server stopped: how long that took."""
    repo.forget("cache")
    point = path("mnt-" + what)
    os.makedirs(point, exist_ok=True)
    repo.run("mount", first, point, env=through)
    mounts.append(point)
    t = pausing(what, 3, at=1)
    began = time.monotonic()
    compare(path("first"), point + tree)
    took = time.monotonic() - began
    t.join()
    repo.umount(point)
    return took


# Who reads a mount waits, and then has the right bytes.  (A request of the mount's own may
# have come before the reader's.)
for what in ("gateway", "osd"):
    for _ in range(20):
        took = read_stopped(what)
        if took >= 3:
            break
    else:
        fail(f"the {what} stood still, and nobody waited: the test tests nothing")
    passed(f"the {what} stops for 3 s while a mount is read: waited {took:.1f} s")

# Longer than anybody's patience.
more()
over = threading.Event()
t = pausing("gateway", None, done=over)
began = time.monotonic()
r = repo.run(*IMPATIENT, "backup", tree, env=through, expect=None)
took = time.monotonic() - began
over.set()
t.join()
if r.status != 1 or not r.err.strip():
    fail(f"the server is gone, and the backup ends with {r.status}:\n{r.text}")
whole(f"the gateway stops for good: given up after {took:.0f} s", r)
