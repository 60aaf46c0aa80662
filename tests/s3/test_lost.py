#!/usr/bin/python3
"""A server that goes away for good amid a restore: one error that says so and what to do, not
one a file, each after a wait of its own; what stands in the target is whole."""
import os
import shutil
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))
os.environ["VITRINE_TEST_STORE"] = "s3"
from harness import Repo, compare, fail, path, passed, start_server, write  # noqa: E402
from proxy import Proxy  # noqa: E402

if "VITRINE_TEST_S3_URL" not in os.environ:
    os.environ.update(start_server()[1])
UPSTREAM = os.environ["VITRINE_TEST_S3_HTTP"]
MOST_S = 40             # one file after the other is minutes
repo = Repo()
repo.use_key_file()
repo.init()
tree = path("tree")
for i in range(600):
    write(f"{tree}/d{i % 7}/f{i}", os.urandom(5000 + 97 * i))
    if i % 150 == 0:
        repo.backup(tree)
repo.backup(tree)
proxy = Proxy(UPSTREAM)
through = {"VITRINE_REPOSITORY": repo.where.replace(UPSTREAM, proxy.url)}


def restore(rule, expect, *args):
    repo.forget("cache")
    proxy.plan(*rule)
    return repo.run("--request-timeout", "4", "restore", "latest:" + tree, "--target",
                    path("out"), *args, env=through, expect=expect)


restore([], 0)
requests = len(proxy.requests())
shutil.rmtree(path("out"))
amid = 0
for n in range(requests // 2, requests, max(requests // 8, 1)):
    began = time.monotonic()
    r = restore([{"fault": "reset-before", "from": n}], (0, 1))
    took = time.monotonic() - began
    if r.status == 1 and ("not restored" in r.text or "can be reached" not in r.text or
                          len(r.err.splitlines()) != 2):
        fail(f"gone from request {n} on: not one error and what to do\n{r.text}")
    if took > MOST_S:
        fail(f"gone from request {n} on: {took:.0f} s\n{r.text}")
    amid += "can't be reached any more" in r.text
    for at, _, files in os.walk(path("out")):
        for f in files:
            name = os.path.join(at, f)
            with open(name, "rb") as a, open(name.replace(path("out"), tree), "rb") as b:
                if a.read() != b.read():
                    fail(f"gone from request {n} on: {name} was half written")
    # The advice is good.
    if r.status == 1 and "with --overwrite changed it keeps" in r.text:
        restore([], 0, "--overwrite", "changed")
        compare(tree, path("out"))
    shutil.rmtree(path("out"), ignore_errors=True)
if not amid:
    fail(f"none of {requests} requests was amid the files")
passed(f"{requests} requests; {amid} times the server went away amid the files")
