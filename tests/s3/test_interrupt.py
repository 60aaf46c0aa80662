#!/usr/bin/python3
# run: timeout=600
"""A server that does not answer, and somebody who is in a hurry: SIGINT or SIGTERM end every
command within two or three seconds (a slow machine's are more), whatever it waits for, and the repository is clean."""
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))
os.environ["VITRINE_TEST_STORE"] = "s3"
from harness import Repo, compare, fail, mounts, path, passed, start_server, tmp, write  # noqa: E402
from client import Client  # noqa: E402
from proxy import Proxy  # noqa: E402

SOON_S = 8.0 * {"": 1, "address": 2, "thread": 4}[os.environ.get("SAN", "")]

env = start_server(name="server")[1]
os.environ.update(env)
proxy = Proxy(env["VITRINE_TEST_S3_HTTP"])
repo = Repo()
repo.use_key_file()
repo.init()
through = {"VITRINE_REPOSITORY": repo.where.replace(env["VITRINE_TEST_S3_HTTP"], proxy.url)}
tree = path("tree")
for i in range(8):
    write(f"{tree}/f{i}", os.urandom(4 << 20))
first = repo.backup(tree)
repo.restore(first + ":" + tree, "first")


def wait_for(what, ready):
    for _ in range(12000):
        if ready():
            return
        time.sleep(0.01)
    fail(f"{what}: it never came so far")


def ended(what, p, sig, status):
    """The signal, and how long it takes."""
    began = time.monotonic()
    p.send_signal(sig)
    try:
        err = p.communicate(timeout=60)[1].decode(errors="replace")
    except subprocess.TimeoutExpired:
        p.kill()
        fail(f"{what}: goes on for a minute")
    took = time.monotonic() - began
    if p.returncode != status:
        fail(f"{what}: ended with {p.returncode}, not {status}:\n{err}")
    if took > SOON_S:
        fail(f"{what}: took {took:.1f} s to end")
    passed(f"{what}: status {status} after {took:.1f} s")
    return err


OUT = path("out")
COMMANDS = {
    "backup": ["backup", tree],
    "restore": ["restore", first + ":" + tree, "--target", OUT],
    "check": ["check", "--read-data"],
    "snapshots": ["snapshots"],
}
for name, args in COMMANDS.items():
    # The first request; one in the middle; whatever is put.
    for rule in ({"from": 1}, {"from": 9}, {"method": "PUT", "from": 2}):
        if name in ("restore", "check", "snapshots") and "method" in rule or \
                name == "snapshots" and rule["from"] > 1:
            continue
        for sig in (signal.SIGINT, signal.SIGTERM):
            if name == "backup":
                write(f"{tree}/f0", os.urandom(40 << 20))
            subprocess.run(["rm", "-rf", OUT])
            repo.forget("cache")
            proxy.plan(dict(rule, fault="hang"))
            p = repo.start(*args, env=through)
            what = f"{name}, hung at {rule}, {sig.name}"
            wait_for(what, lambda: proxy.hits() > 0)
            time.sleep(0.3)
            ended(what, p, sig, 130)

# A bucket that is backed up or restored to: it has another client than the repository.
client = Client.of_env(env)
for name in ("from", "into"):
    client.make_bucket(name)
for i in range(40):
    client.put("from", f"d{i % 4}/f{i}", os.urandom(20000))
client.put("from", "dir/", b"", **{"x-amz-meta-a": "b"})
client.put("from", "large", os.urandom(40 << 20))
source = f"s3:{proxy.url}/from"
taken = repo.run("--json", "backup", source.replace(proxy.url, env["VITRINE_TEST_S3_HTTP"]))
taken = json.loads(taken.out.splitlines()[-1])["snapshot"] + ":/from"
to = ["restore", taken, "--target", f"s3:{proxy.url}/into"]
PART = {"method": "PUT", "query": "partNumber"}
for n, (what, args, rule) in enumerate((
        ("listing", ["backup", source], {"query": "list-type"}),
        ("objects", ["backup", "--force", source], {"method": "GET", "key": ".+", "from": 4}),
        ("markers", ["backup", "--force", source], {"method": "HEAD"}),
        ("a piece", ["backup", "--force", source], {"method": "GET", "key": "large", "at": 3}),
        ("looks", to, {"method": "HEAD", "from": 5}),
        ("puts", to, {"method": "PUT", "key": "d.*", "from": 5}),
        ("a beginning", to, {"method": "POST"}),
        ("a part", to, dict(PART, at=2)),
        ("parts, and all after", to, {"key": "large", "query": "uploadId"}))):
    sig = (signal.SIGINT, signal.SIGTERM)[n % 2]
    for key, *_ in client.list("into"):
        client.remove("into", key)
    proxy.plan(dict(rule, fault="hang"))
    p = repo.start(*args)
    name = f"{args[0]}, a bucket: {what}, {sig.name}"
    wait_for(name, lambda: proxy.hits() > 0)
    time.sleep(0.3)
    err = ended(name, p, sig, 130)
    uploads = client.call("GET", "into", query={"uploads": ""})[2]
    if "all after" in what:
        if "may be left" not in err:
            fail(f"{name}: parts are left, and nobody said so:\n{err}")
        upload = uploads.split(b"<UploadId>")[1].split(b"<")[0].decode()
        client.call("DELETE", "into", "large", query={"uploadId": upload})
    elif b"<UploadId>" in uploads:
        fail(f"{name}: parts are left")

# It goes on, slowly: a pause between two attempts is no time to wait out either.
proxy.plan({"fault": "503", "from": 3, "seconds": 30})
repo.forget("cache")
p = repo.start("check", env=through)
wait_for("503s", lambda: proxy.hits() > 1)
time.sleep(0.3)
ended("check, told to come back later", p, signal.SIGINT, 130)

# What answers is used to the end: the next run finds what this one stored.
proxy.plan()
write(f"{tree}/f0", os.urandom(96 << 20))
p = repo.start("backup", "--limit-rate", "12M", tree, env=through)
wait_for("a pack", lambda: proxy.count("PUT") > 2)
ended("backup, the server is well", p, signal.SIGTERM, 130)
r = repo.run("--json", "backup", tree)
new = json.loads(r.out.splitlines()[-1])["bytes_new"]
if not 0 < new < 80 << 20:
    fail(f"what an interrupted run stored was not found again:\n{r.text}")

# A mount, while programs wait for it.
for sig in (signal.SIGINT, signal.SIGTERM):
    proxy.plan()
    repo.forget("cache")
    point = path("mnt")
    os.makedirs(point, exist_ok=True)
    p = repo.start("mount", "-f", point, env=through)
    mounts.append(point)
    wait_for("mount", lambda: os.path.ismount(point))
    proxy.plan({"fault": "hang", "from": 1})
    readers = [subprocess.Popen(["cat", f"{point}/by-id/{first}{tree}/f{i}"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
               for i in (1, 2)]
    wait_for("reads", lambda: proxy.hits() > 0)
    time.sleep(0.3)
    ended(f"mount, reads hang, {sig.name}", p, sig, 0)
    for r in readers:
        r.wait(timeout=60)
    if os.path.ismount(point):
        fail("still mounted")
    mounts.remove(point)

proxy.plan()
repo.forget("cache")
point = path("mnt2")
os.makedirs(point)
proxy.plan({"fault": "hang", "key": ".*snapshots.*|", "query": "snapshots", "from": 1})
p = repo.start("mount", "-f", point, env=through)
wait_for("the list of snapshots", lambda: proxy.hits() > 0)
time.sleep(0.3)
began = time.monotonic()
p.send_signal(signal.SIGTERM)
p.communicate(timeout=60)
if time.monotonic() - began > SOON_S:
    fail("a mount that can't begin goes on")
passed("mount, hung before it begins")

repo.run("check", "--read-data")
compare(path("first"), repo.restore(first + ":" + tree, "again").target)
