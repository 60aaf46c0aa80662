#!/usr/bin/python3
"""A server that is asked too much says so (503 SlowDown).  Then it is asked less, until it
hardly refuses anything, and as much as before once it can do that.  (As many at one time as
ever, each object would be refused several times, and some until they are given up.)"""
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))
os.environ["VITRINE_TEST_STORE"] = "s3"
from harness import Repo, compare, fail, passed, path, start_server, write  # noqa: E402
from client import Client  # noqa: E402
from proxy import Proxy  # noqa: E402

OBJECTS = 800
LIMIT = 6
MOST = 48

env = start_server(name="server")[1]
os.environ.update(env)
proxy = Proxy(env["VITRINE_TEST_S3_HTTP"])
repo = Repo()
repo.use_key_file()
repo.init()
client = Client.of_env(env)
client.make_bucket("many")
for i in range(OBJECTS):
    client.put("many", f"d{i % 7}/f{i}", b"%d" % i * 100)
source = f"s3:{proxy.url}/many"


def backup(what, **plan):
    """The requests for objects in the order in which they came, and how many were refused."""
    proxy.plan(latency=0.15, **plan)
    began = time.monotonic()
    r = repo.run("-v", "--memory", "2G", "--connections", str(MOST), "backup", "--force",
                 "--read-concurrency", str(MOST), source)
    took = time.monotonic() - began
    log = [e for e in proxy.requests() if e["method"] == "GET" and e["key"]]
    refused = sum(e["fault"] == "503" for e in log)
    passed(f"{what}: {len(log)} requests, {refused} refused, {took:.1f} s")
    return log, refused, r


def beside(log):
    """How many requests were under way at one time, mostly."""
    return statistics.median(e["beside"] for e in log)


log, refused, r = backup("no limit")
full = beside(log)
if full < 3 * LIMIT or refused:
    fail(f"it doesn't ask for more than {full} at one time")
log, refused, r = backup(f"{LIMIT} at one time", most=LIMIT)
if refused > OBJECTS / 2 or beside(log[len(log) // 4:]) > 2 * LIMIT:
    fail(f"{refused} refused, {beside(log)} at one time")
if "asks to slow down (status 503): " not in r.text or "again" in r.text:
    fail(f"not told so:\n{r.text[:2000]}")
log, refused, r = backup("that limit at first", most=lambda n: LIMIT if n < OBJECTS / 2 else 0)
few, many = beside(log[OBJECTS // 4:OBJECTS // 2]), max(e["beside"] for e in log[OBJECTS // 2:])
if few > 2 * LIMIT or many < full / 2:
    fail(f"{few}, then {many} at one time, not {full}")
