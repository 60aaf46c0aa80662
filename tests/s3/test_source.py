#!/usr/bin/python3
# run: timeout=900 also=address,thread
"""A bucket that is backed up: every object at its place with all that belongs to it, nothing
fetched twice, nothing that could not be read passed over in silence.

The repository lies in a directory, later in a bucket of another user's."""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))
os.environ["VITRINE_TEST_STORE"] = "dir"
from harness import Repo, fail, passed, path, write  # noqa: E402
from client import Client  # noqa: E402
from buckets import (BIG, KEYS, attribute, ca, check_tree, client, count, env,  # noqa: E402
                     fill, is_marker, need, objects, other, proxy, put, tls)

fill()
source = f"s3:{proxy.url}/odd"

repo = Repo()
repo.use_key_file()
repo.init()
r = repo.run("backup", source, env=KEYS)
need("listings", count("GET", "listing"), 1)
# Each small object one GET; the big one steps of a MiB; markers HEAD.
small = sum(1 for k, b in objects.items() if not is_marker(k, b)) - 1
need("reads", count("GET", "object"), small + BIG // (1 << 20))
need("HEADs", count("HEAD"), len(objects) - small - 1)
m = repo.mount()
top = m + "/latest/odd"
check_tree(top, objects)
for p, name, value in (("plain", "content-type", "text/x-odd"),
                       ("plain", "cache-control", "no-store"),
                       ("plain", "content-disposition", 'attachment; filename="x y"'),
                       ("plain", "content-language", "de"),
                       ("plain", "meta.colour", "deep blue"),
                       ("plain", "storage-class", None),
                       ("big/one", "meta.colour", None),
                       ("dir", "meta.colour", "deep blue"),
                       ("both", "content-type", "text/x-odd"),
                       ("both/%=", "meta.colour", None)):
    need(f"{p}: {name}", attribute(f"{top}/{p}", "user.s3." + name), value)
need("etag", attribute(top + "/plain", "user.s3.etag"),
     [e for k, _, e, _ in client.list("odd") if k == "plain"][0])
st = os.stat(top + "/plain")
need("mode", oct(st.st_mode), "0o100600")
if abs(st.st_mtime - time.time()) > 36000:
    fail("the time of an object is not its own")
repo.umount(m)
need("host", f" {proxy.url[7:]} " in repo.run("snapshots").text, True)
passed(f"{len(objects)} objects with odd keys: each at its place, with all attributes")

proxy.plan()
r = repo.run("backup", "--skip-if-unchanged", source, env=KEYS)
need("nothing changed", "Nothing changed" in r.text, True)
need("reads", count("GET", "object") + count("HEAD"), 0)
passed("unchanged: nothing is fetched")

client.remove("odd", "plain")
del objects["plain"]
put("odd", "empty", b"no more")
put("odd", "a/new", b"new")
put("odd", "foobar", b"beside a directory")     # foobar/x becomes its neighbour
client.put("odd", "dir/", b"", **{"x-amz-meta-colour": "red"})
proxy.plan()
r = repo.run("backup", source, env=KEYS)
need("reads", count("GET", "object"), 3)
need("counts", "2 new, 1 changed, 1 removed" in r.text, True)
m = repo.mount()
check_tree(m + "/latest/odd", objects)
need("marker", attribute(m + "/latest/odd/dir", "user.s3.meta.colour"), "red")
repo.umount(m)
passed("changed, added, removed: only that is fetched")

# A prefix keeps to its boundary.
repo.run("backup", source + "/foo", env=KEYS)
m = repo.mount()
check_tree(m + "/latest/odd/foo", {"y": objects["foo/y"]})
need("root", os.listdir(m + "/latest/odd"), ["foo"])
need("its marker", attribute(m + "/latest/odd/foo", "user.s3.meta.colour"), "deep blue")
repo.umount(m)
for what, status in ((source + "/fo", 1), (source + "-not", 1)):
    r = repo.run("backup", what, env=KEYS, expect=status)
r = repo.run("backup", "--allow-empty", source + "/fo", env=KEYS)
need("dry run", "Dry run" in repo.run("backup", "--dry-run", source, env=KEYS).text, True)
repo.run("backup", "--name", "some", "--exclude", "big", "--exclude", "*.no",
         "--exclude-larger-than", "1M", source, env=KEYS)
m = repo.mount()
check_tree(m + "/latest/odd", {k: b for k, b in objects.items() if k != "big/one"})
repo.umount(m)
passed("prefixes, excludes, dry run, nothing there")

# Usage.
for args in ((source, "/etc"), (source, source + "/foo"), ("--one-file-system", source),
             ("--bucket-profile", "x", "/etc"), ("--bucket-style", "round", source),
             ("--bucket-profile", "nobody", source)):
    repo.run("backup", *args, env=KEYS, expect=2)
r = repo.run("backup", source, expect=1, env={"VITRINE_BUCKET_ANONYMOUS": "1"})
need("anonymous", "AccessDenied" in r.text, True)
r = repo.run("backup", source, env=dict(env, AWS_ENDPOINT_URL=""), expect=1)
need("somebody else", "AccessDenied" in r.text, True)

# Ways to say who.
write(path("aws"), ("[assumed]\nrole_arn=arn:aws:iam::1:role/x\n"
                    "[me]\naws_access_key_id=%s\naws_secret_access_key=%s\nregion=us-east-1\n"
                    % (other["AWS_ACCESS_KEY_ID"], other["AWS_SECRET_ACCESS_KEY"])).encode())
ways = dict(env, AWS_SHARED_CREDENTIALS_FILE=path("aws"), AWS_ENDPOINT_URL="http://127.0.0.1:1")
r = repo.run("backup", "--bucket-profile", "assumed", "s3://odd", env=ways, expect=2)
need("a role's keys are the bucket's, not the repository's",
     "VITRINE_BUCKET_ACCESS_KEY_ID" in r.text and "--profile assumed" in r.text and
     "eval" not in r.text, True)
repo.run("backup", "--bucket-profile", "me", "--bucket-endpoint", proxy.url, "--bucket-region",
         "us-east-1", "--bucket-style", "path", "s3://odd", env=ways)
repo.run("backup", "s3://odd/foo", env={k: v.replace(other["AWS_ENDPOINT_URL"], proxy.url)
                                        for k, v in other.items()})
repo.run("backup", "--bucket-ca-file", ca, "s3:%s/odd/foo" % tls, env=KEYS)
repo.run("backup", "s3:%s/odd/foo" % tls, env=KEYS, expect=1)
client.call("PUT", "odd", query={"acl": ""}, headers={"x-amz-acl": "public-read"})
client.call("PUT", "odd", "foo/y", query={"acl": ""}, headers={"x-amz-acl": "public-read"})
repo.run("backup", "--host", "public", "--bucket-anonymous", source + "/foo", expect=3)
passed("credentials: variables, a profile, none, the environment's")

# More than a page, and what goes wrong.
client.make_bucket("many")
objects.clear()
SMALL = 3100
lock = threading.Lock()


def put_many(n, of):
    c = Client.of_env(other)
    for i in range(n, SMALL, of):
        key, body = "d%d/e%d/f%d" % (i % 7, i % 31, i), b"%d" % i * (i % 50)
        c.put("many", key, body)
        with lock:
            objects[key] = body


threads = [threading.Thread(target=put_many, args=(i, 8)) for i in range(8)]
for t in threads:
    t.start()
for t in threads:
    t.join()
many = f"s3:{proxy.url}/many"
for fault in ("403", "truncate"):
    proxy.plan({"fault": fault, "query": "continuation-token", "from": 2})
    ids = repo.ids()
    r = repo.run("backup", many, env=KEYS, expect=1)
    need("no snapshot", repo.ids(), ids)
proxy.plan()
r = repo.run("backup", many, env=KEYS)
need("listings", count("GET", "listing"), (SMALL + 999) // 1000)
need("reads", count("GET", "object"), SMALL)
m = repo.mount()
check_tree(m + "/latest/many", objects)
repo.umount(m)
proxy.plan({"fault": "403", "query": "continuation-token", "from": 1})
repo.run("backup", many, env=KEYS, expect=1)
proxy.plan()
r = repo.run("backup", many, env=KEYS)
need("nothing removed", ", 0 removed" in r.text, True)
need("reads", count("GET", "object"), 0)
passed(f"{SMALL} objects in pages; a page that fails is no deletion")

for fault, status in (("403", 3), ("503", 0), ("reset-during", 0), ("truncate", 0)):
    put("many", "d1/e1/f1", os.urandom(100))
    put("many", "d1/large", os.urandom(3 << 20))
    rule = {"fault": fault, "method": "GET", "key": ".*/(f1|large)"}
    proxy.plan(rule if status else dict(rule, at=2))
    r = repo.run("backup", many, env=KEYS, expect=status)
    if status == 3:
        need("told", "d1/e1/f1" in r.text and "d1/large" in r.text and
             "AccessDenied" in r.text, True)
        proxy.plan()
        repo.run("backup", many, env=KEYS)
    m = repo.mount()
    check_tree(m + "/latest/many", objects)
    repo.umount(m)
passed("objects that can't be read: told, and read by the next run")


def meanwhile(key, new):
    """Changes (or, without new, removes) an object between its listing and its reading."""
    def before(entry):
        if entry["key"] != key:
            return
        with lock:
            if new is None:
                client.remove("many", key)
            elif client.get("many", key) != new:
                client.put("many", key, new)
    return before


for key, old, new in (("z/small", b"old", b"new and longer"), ("z/vanishes", b"x", None)):
    put("many", key, old)
    proxy.plan(before=meanwhile(key, new))
    r = repo.run("backup", many, env=KEYS)
    del objects[key]
    if new is not None:
        objects[key] = new
    m = repo.mount()
    check_tree(m + "/latest/many", objects)
    repo.umount(m)
for size, times in ((12 << 20, 1), (11 << 20, 1), (0, 1), (12 << 20, 2)):
    put("many", "z/large", os.urandom(12 << 20))
    news = [os.urandom(size) for _ in range(times)]
    parts = [0, 0]      # asked for, before and after the HEAD

    def change(entry):
        """At the fifth part of the first reading, and of the second."""
        if entry["key"] != "z/large" or entry["method"] != "GET":
            return
        with lock:
            again = count("HEAD")
            parts[again] += 1
            if parts[again] != 5 or again >= len(news):
                return
            if size:
                put("many", "z/large", news[again])
            else:
                client.remove("many", "z/large")
                del objects["z/large"]
    proxy.plan(before=change)
    r = repo.run("backup", "--read-concurrency", "1", many, env=KEYS)
    need("read again alone", count("HEAD"), 1)
    if times == 2:
        need("changed", "changed while" in r.text, True)
        repo.run("backup", many, env=KEYS)
    elif size:
        proxy.plan()
        r = repo.run("backup", "--skip-if-unchanged", many, env=KEYS)
        need("nothing changed", "Nothing changed" in r.text, True)
        need("reads", count("GET", "object"), 0)
    m = repo.mount()
    check_tree(m + "/latest/many", objects)
    repo.umount(m)
passed("objects that change or vanish while they are read")

# The repository in a bucket of the first user's, the source in one of the second's.
far = Repo("far", where="s3:%s/vitrine/far" % env["AWS_ENDPOINT_URL"], **env)
far.use_key_file()
far.init()
proxy.plan()
far.run("backup", source, env=KEYS)
r = far.run("backup", source, env=KEYS)
need("far", "0 new, 0 changed, 0 removed" in r.text, True)
far.run("check", "--read-data")
# A bucket with the repository in it.
client.make_bucket("mixed")
client.put("mixed", "data/x", b"x")
mine = Repo("mixed", where="s3:%s/mixed/repo" % other["AWS_ENDPOINT_URL"], **other)
mine.use_key_file()
mine.init()
r = mine.run("backup", "s3:%s/mixed" % other["AWS_ENDPOINT_URL"])
need("only data", "1 file," in r.text, True)
mine.run("backup", "s3:%s/mixed/repo" % other["AWS_ENDPOINT_URL"], expect=2)
passed("repository and source both in S3, as different users and as one")

# It goes away.
put("many", "y/gone", os.urandom(1000))
proxy.plan({"fault": "reset-before", "method": "GET", "key": ".+"},
           {"fault": "reset-before", "method": "HEAD"})
for i in range(300):
    client.put("many", "gone/%d" % i, b"x")
began = time.monotonic()
r = repo.run("backup", many, env=KEYS, expect=1, timeout=3600)
need("told", "does not answer any more" in r.text, True)
took = time.monotonic() - began
# A minute for each, though many at a time, is more than a quarter of an hour.
if took > 600:
    fail(f"a source that went away was waited for for {took:.0f} s")
passed(f"a source that goes away ends the run: {took:.0f} s")
