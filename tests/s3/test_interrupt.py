#!/usr/bin/python3
# run: timeout=600
"""A server that does not answer, and somebody who is in a hurry: SIGINT or SIGTERM end every
command, whatever it waits for, and the repository is clean.

That takes two or three seconds on an idle machine, and on one that is busy with other things
as long as those let it; here it has minutes, but who waited for the server would wait for
longer than anybody looks on."""
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))
os.environ["VITRINE_TEST_STORE"] = "s3"
from harness import (Repo, compare, eight_files, fail, mounts, path,  # noqa: E402
                     passed, start_server, tmp, write)
from client import Client  # noqa: E402
from proxy import Proxy  # noqa: E402

SOON_S = 300
PATIENT = ["--stall-timeout", "3600", "--request-timeout", "7200"]
HANG = {"fault": "hang", "seconds": 7200}
TRIES = 20

env = start_server(name="server")[1]
os.environ.update(env)
proxy = Proxy(env["VITRINE_TEST_S3_HTTP"])
repo = Repo()
tree, first = eight_files(repo, 4)
through = {"VITRINE_REPOSITORY": repo.where.replace(env["VITRINE_TEST_S3_HTTP"], proxy.url)}


def start(*args, **kw):
    return repo.start(*PATIENT, *args, **kw)


def wait_for(what, p, ready):
    end = time.monotonic() + 2 * SOON_S
    while not ready():
        if p.poll() is not None:
            fail(f"{what}: ended too soon, with {p.returncode}:\n{p.stderr.read()}")
        if time.monotonic() > end:
            p.kill()
            fail(f"{what}: it never came so far")
        time.sleep(0.01)


def ended(what, p, sig, *wanted, most_s=SOON_S):
    """The signal, and how long it takes; any status will do if none is wanted."""
    began = time.monotonic()
    p.send_signal(sig)
    try:
        err = p.communicate(timeout=most_s)[1].decode(errors="replace")
    except subprocess.TimeoutExpired:
        p.kill()
        fail(f"{what}: goes on")
    if wanted and p.returncode not in wanted:
        fail(f"{what}: ended with {p.returncode}, not {wanted}:\n{err}")
    passed(f"{what}: status {p.returncode} after {time.monotonic() - began:.1f} s")
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
            proxy.plan(dict(rule, **HANG))
            p = start(*args, env=through)
            what = f"{name}, hung at {rule}, {sig.name}"
            wait_for(what, p, lambda: proxy.hits() > 0)
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


def interrupted(name, args, rule, sig, latency=0):
    """How many uploads are left, and whether it was said that some may be."""
    for key, *_ in client.list("into"):
        client.remove("into", key)
    proxy.plan(dict(rule, **HANG), latency=latency)
    p = start(*args)
    wait_for(name, p, lambda: proxy.hits() > 0)
    time.sleep(0.3)
    err = ended(name, p, sig, 130)
    uploads = client.call("GET", "into", query={"uploads": ""})[2]
    left = [u.split(b"<")[0].decode() for u in uploads.split(b"<UploadId>")[1:]]
    said = "may be left" in err
    for upload in left:
        parts = client.call("GET", "into", "large", query={"uploadId": upload})[2]
        if b"<PartNumber>" in parts and not said:
            fail(f"{name}: parts are left, and nobody said so:\n{err}")
        client.call("DELETE", "into", "large", query={"uploadId": upload})
    return len(left), said


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
    name = f"{args[0]}, a bucket: {what}, {sig.name}"
    if "all after" in what:
        if interrupted(name, args, rule, sig) != (1, True):
            fail(f"{name}: an upload should be left, and that should be said")
        continue
    # To take leave a server has a second or two, which one on a busy machine may miss; and one
    # far away as well.
    for latency in (0, 0.6) if what == "a part" else (0,):
        for _ in range(TRIES):
            if interrupted(name, args, rule, sig, latency) == (0, False):
                break
        else:
            fail(f"{name}: an upload is left each time, {latency} s away")

# It goes on, slowly: a pause between two attempts is no time to wait out either.  A minute
# is the longest that is waited at one time.
proxy.plan({"fault": "503", "from": 3, "seconds": 60})
repo.forget("cache")
p = start("check", env=through)
wait_for("503s", p, lambda: proxy.hits() > 0)
time.sleep(0.3)
ended("check, told to come back later", p, signal.SIGINT, 130, most_s=45)

# What answers is used to the end: the next run finds what this one stored.  On a busy
# machine the signal may be late, or the server do nothing for a second, which counts as none.
for _ in range(TRIES):
    proxy.plan()
    write(f"{tree}/f0", os.urandom(96 << 20))
    p = start("backup", "--limit-rate", "12M", tree, env=through)
    wait_for("a pack", p, lambda: proxy.count("PUT") > 2)
    ended("backup, the server is well", p, signal.SIGTERM, 130, 0)
    if p.returncode == 0:
        continue
    r = repo.run("--json", "backup", tree)
    new = json.loads(r.out.splitlines()[-1])["bytes_new"]
    if new == 0:
        fail(f"a run that was interrupted had stored everything:\n{r.text}")
    if new < 80 << 20:
        break
else:
    fail("what an interrupted run stored was not found again")

# A mount, while programs wait for it.
for sig in (signal.SIGINT, signal.SIGTERM):
    proxy.plan()
    repo.forget("cache")
    point = path("mnt")
    os.makedirs(point, exist_ok=True)
    p = start("mount", "-f", point, env=through)
    mounts.append(point)
    wait_for("mount", p, lambda: os.path.ismount(point))
    proxy.plan(HANG)
    readers = [subprocess.Popen(["cat", f"{point}/by-id/{first}{tree}/f{i}"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
               for i in (1, 2)]
    wait_for("reads", p, lambda: proxy.hits() > 0)
    time.sleep(0.3)
    ended(f"mount, reads hang, {sig.name}", p, sig, 0)
    for r in readers:
        r.wait(timeout=SOON_S)
    if os.path.ismount(point):
        fail("still mounted")
    mounts.remove(point)

proxy.plan()
repo.forget("cache")
point = path("mnt2")
os.makedirs(point)
proxy.plan(dict(HANG, key=".*snapshots.*|", query="snapshots"))
p = start("mount", "-f", point, env=through)
wait_for("the list of snapshots", p, lambda: proxy.hits() > 0)
time.sleep(0.3)
ended("mount, hung before it begins", p, signal.SIGTERM)

repo.run("check", "--read-data")
compare(path("first"), repo.restore(first + ":" + tree, "again").target)
