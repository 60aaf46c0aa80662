#!/usr/bin/python3
# run: timeout=900
"""How long a server is waited for: an outage of a minute is survived; what lasts longer, or
never answered, or fails for one object alone, is given up after one limit, not after one for
each attempt or each object (vitrine-s3(5), Failures).

How long is counted from the first request that fails: how much time the machine needs for
the rest is another matter.  What is waited for at least is exact; the upper bounds lie far
above, and below what a limit for each of the many packs would come to."""
import os
import re
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))
os.environ["VITRINE_TEST_STORE"] = "s3"
from harness import Repo, compare, fail, path, passed, start_server, write  # noqa: E402
from proxy import Proxy  # noqa: E402

if "VITRINE_TEST_S3_URL" not in os.environ:
    os.environ.update(start_server()[1])
UPSTREAM = os.environ["VITRINE_TEST_S3_HTTP"]
PACKS = 40              # and as many files
MANY_S = 400            # one limit after the other for so many packs, by twos, is more
repo = Repo()
repo.use_key_file()
repo.init()
tree = path("tree")
for i in range(PACKS):
    write(f"{tree}/f{i}", os.urandom(100000))
    repo.backup(tree)
DATA = [os.path.basename(n) for n in repo.names("packs/") if repo.read(n)[4] == 3]
if len(DATA) < PACKS:
    fail(f"{len(DATA)} packs with data")
failures = []


def case(what, rule, least, most, status, *args):
    """A command through a proxy of its own, and how long it takes."""
    proxy = Proxy(UPSTREAM)
    proxy.plan(rule)
    env = {"VITRINE_REPOSITORY": repo.where.replace(UPSTREAM, proxy.url),
           "XDG_CACHE_HOME": path("cache-" + re.sub(r"\W", "-", what))}
    try:
        r = repo.run(*args, env=env, expect=status, timeout=7200)
        hit = [e["t"] for e in proxy.requests() if e["fault"]]
        if not hit:
            fail(f"{what}: met nothing")
        took = time.monotonic() - proxy.began - hit[0]
        if r.status != 0 and not r.err.strip():
            fail(f"{what}: status {r.status} without a word")
        if not least <= took or most is not None and took > most:
            fail(f"{what}: {took:.1f} s, not {least} to {most}\n{r.text}")
        passed(f"{what}: status {r.status} after {took:.1f} s, {len(hit)} requests in vain")
    except (SystemExit, Exception) as e:
        failures.append(str(e))


CHECK = ("--connections", "2", "check", "--read-data")
RESTORE = ("--connections", "2", "restore", "latest:" + tree, "--target")
cases = [
    ("resets for 50 s", {"fault": "reset-before", "from": 8, "for": 50}, 50, None, 0, *RESTORE,
     path("a")),
    ("503s for 50 s", {"fault": "503", "from": 8, "for": 50}, 50, None, 0, *CHECK),
    ("silence for 50 s", {"fault": "hang", "from": 8, "for": 50, "seconds": 50}, 50, None, 0,
     *RESTORE, path("b")),
    ("resets", {"fault": "reset-before", "from": 8}, 59, MANY_S, 1, *CHECK),
    ("503s", {"fault": "503", "from": 8}, 59, MANY_S, 1, *CHECK),
    ("silence", {"fault": "hang", "from": 8}, 70, MANY_S, 1, *CHECK),
    ("silence while a backup runs", {"fault": "hang", "from": 8}, 70, MANY_S, 1, "backup", tree),
    ("silence from the first on", {"fault": "hang"}, 70, MANY_S, 1, "snapshots"),
    # The limit of a server that has answered is 60 s.
    ("resets from the first on", {"fault": "reset-before"}, 4, 50, 1, "snapshots"),
    ("packs that answer 500", {"fault": "500", "key": ".*(%s)" % "|".join(DATA)}, 19, 300, 3,
     *RESTORE, path("c")),
    ("silence, limited", {"fault": "hang", "from": 8}, 15, 60, 1, "--stall-timeout", "5",
     "--request-timeout", "20", *CHECK),
]
threads = []
for c in cases:
    threads.append(threading.Thread(target=case, args=c))
for t in threads:
    t.start()
for t in threads:
    t.join()
if failures:
    fail("\n".join(failures))
for d in ("a", "b"):
    compare(tree, path(d))
repo.run("check", "--read-data")
