#!/usr/bin/python3
# run: timeout=300
"""How long a server is waited for: an outage of a minute is survived; what lasts longer, or
never answered, or fails for one object alone, is given up after one limit, not after one for
each attempt or each object (vitrine-s3(5), Failures)."""
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
SLACK_S = 15            # the machine has other things to do
repo = Repo()
repo.use_key_file()
repo.init()
tree = path("tree")
for i in range(6):
    write(f"{tree}/f{i}", os.urandom(3 << 20))
repo.backup(tree)
failures = []


def case(what, rule, least, most, status, *args, ends_s=None):
    """A command through a proxy of its own, and how long it takes."""
    proxy = Proxy(UPSTREAM)
    proxy.plan(rule)
    if ends_s is not None:
        threading.Timer(ends_s, proxy.plan).start()
    env = {"VITRINE_REPOSITORY": repo.where.replace(UPSTREAM, proxy.url),
           "XDG_CACHE_HOME": path("cache-" + re.sub(r"\W", "-", what))}
    began = time.monotonic()
    try:
        r = repo.run(*args, env=env, expect=status)
        took = time.monotonic() - began
        if r.status != 0 and not r.err.strip():
            fail(f"{what}: status {r.status} without a word")
        if not least <= took <= most + SLACK_S:
            fail(f"{what}: {took:.1f} s, not {least} to {most}\n{r.text}")
        passed(f"{what}: status {r.status} after {took:.1f} s")
    except (SystemExit, Exception) as e:
        failures.append(str(e))


CHECK = ("check", "--read-data")
RESTORE = ("restore", "latest:" + tree, "--target")
cases = [
    ("resets for 50 s", {"fault": "reset-before", "from": 8}, 50, 66, 0, *RESTORE, path("a")),
    ("503s for 50 s", {"fault": "503", "from": 8}, 50, 66, 0, *CHECK),
    ("silence for 50 s", {"fault": "hang", "from": 8, "seconds": 50}, 50, 66, 0, *RESTORE,
     path("b")),
    ("resets", {"fault": "reset-before", "from": 8}, 60, 64, 1, *CHECK),
    ("503s", {"fault": "503", "from": 8}, 60, 64, 1, *CHECK),
    ("silence", {"fault": "hang", "from": 8}, 70, 76, 1, *CHECK),
    ("silence while a backup runs", {"fault": "hang", "from": 8}, 70, 90, 1, "backup", tree),
    ("silence from the first on", {"fault": "hang"}, 70, 76, 1, "snapshots"),
    ("resets from the first on", {"fault": "reset-before"}, 4, 8, 1, "snapshots"),
    ("packs that answer 500", {"fault": "500", "key": ".*packs/.*", "from": 3}, 20, 27, 3,
     *RESTORE, path("c")),
    ("silence, limited", {"fault": "hang", "from": 8}, 3, 13, 1, "--stall-timeout", "1",
     "--request-timeout", "4", *CHECK),
]
threads = []
for c in cases:
    ends = 50 if "for 50 s" in c[0] else None
    threads.append(threading.Thread(target=case, args=c, kwargs={"ends_s": ends}))
for t in threads:
    t.start()
for t in threads:
    t.join()
if failures:
    fail("\n".join(failures))
for d in ("a", "b"):
    compare(tree, path(d))
repo.run("check", "--read-data")
