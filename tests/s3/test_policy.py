#!/usr/bin/python3
# run: timeout=600
"""The policies of vitrine-s3(5), as they stand there, given to a user who has nothing else: each
lets him do what the page says, and no more is needed."""
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))
os.environ["VITRINE_TEST_STORE"] = "s3"
from client import Client  # noqa: E402
from harness import (Repo, TOP, compare, fail, passed, path, server_env,  # noqa: E402
                     start_server, write)

d, env = start_server("--users", "2")
os.environ.update(env)
HTTP, BUCKET = env["VITRINE_TEST_S3_HTTP"], "policies"
owner = Client.of_env(env)
owner.make_bucket(BUCKET)
user = {k: v for k, v in server_env(d, "--user", "1").items() if k.startswith("AWS_")}


def page_policy():
    with open(os.path.join(TOP, "engine/store/vitrine-s3.5")) as f:
        text = f.read()
    return re.search(r"^\.Sh POLICY.*?^\.Bd[^\n]*\n(.*?)^\.Ed", text, re.S | re.M).group(1)


def allow(prefix, without=()):
    """The page's policy; on a bucket one has to say whom it is for."""
    p = json.loads(page_policy().replace("BUCKET", BUCKET).replace("PREFIX", prefix))
    for s in p["Statement"]:
        s["Principal"] = {"AWS": ["arn:aws:iam:::user/user1"]}
        if isinstance(s["Action"], list):
            s["Action"] = [a for a in s["Action"] if a not in without]
    owner.call("PUT", BUCKET, query={"policy": ""}, body=json.dumps(p).encode())


def reads(repo, first):
    repo.run("snapshots")
    repo.run("ls", "latest")
    compare(tree, repo.restore("latest:" + tree).target)
    repo.run("check", "--read-data")
    point = repo.mount()
    compare(tree, f"{point}/latest{tree}")
    repo.umount(point)
    if first not in repo.ids():
        fail("the snapshot is not there")


tree = path("tree")
for i in range(20):
    write(f"{tree}/d{i % 3}/f{i}", os.urandom(3000 + 5000 * i))

allow("all")
repo = Repo("all", where=f"s3:{HTTP}/{BUCKET}/all", **user)
repo.store.client = owner
repo.init()
first = repo.backup(tree)
write(tree + "/more", b"more")
repo.run("backup", tree)
reads(repo, first)
write(path("new-key"), os.urandom(40))
r = repo.run("key", "add", "--new-key-file", path("new-key"))
left = [n for n in repo.names() if n.startswith(("leases/", "pending/"))]
if left:
    fail(f"these stay: {left}")
passed("all of the policy: init, backup, restore, check, mount, key; nothing stays")

# Beside its prefix it has nothing, nor where the name only begins like it.
for where in ("other", "all2"):
    r = Repo(where, where=f"s3:{HTTP}/{BUCKET}/{where}", **user).run("init", expect=1)
    if "AccessDenied" not in r.text or "POLICY" not in r.text:
        fail(f"{where}: {r.text}")
passed("no more than its prefix")

allow("all", without=("s3:DeleteObject",))
write(tree + "/more", b"still more")
r = repo.run("backup", tree)
if r.text.count("does not allow anything to be removed") != 1:
    fail(f"what stays is said once:\n{r.text}")
reads(repo, first)
left = [n for n in repo.names() if n.startswith(("leases/", "pending/"))]
if len(left) != 2:
    fail(f"a lease and a pending manifest should stay: {left}")
keys = [n for n in repo.names() if n.startswith("keys/")]
listed = repo.run("key", "list").out.decode()
r = repo.run("key", "remove", keys[-1].split("/")[1][:8], expect=None)
if r.status == 0 or not r.err.strip():
    fail(f"a key that stays was removed, with {r.status}:\n{r.text}")
if repo.run("key", "list").out.decode() != listed:
    fail("the keys are others now")
passed(f"without s3:DeleteObject; key remove: {r.err.decode().strip().splitlines()[0]}")

allow("all", without=("s3:DeleteObject", "s3:PutObject"))
reads(repo, first)
r = repo.run("backup", tree, expect=1)
if "AccessDenied" not in r.text or "POLICY" not in r.text:
    fail(f"reading only: {r.text}")
passed("s3:ListBucket and s3:GetObject alone: restore, check, mount; a backup says why not")
