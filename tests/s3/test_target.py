#!/usr/bin/python3
# run: timeout=900 also=address,thread
"""Restored into a bucket: what came from one is there as it was, nothing is overwritten
unasked, nothing is left half."""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))
os.environ["VITRINE_TEST_STORE"] = "dir"
from harness import Repo, fail, passed, path, write  # noqa: E402
from buckets import BIG, KEYS, client, count, fill, need, objects, proxy  # noqa: E402

fill()
client.make_bucket("back")
source = f"s3:{proxy.url}/odd"
repo = Repo()
repo.use_key_file()
repo.init()
back = f"s3:{proxy.url}/back/again"
LONG = "L" * 1024                       # too long with anything in front of it
HIDDEN = ("etag", "date", "last-modified", "x-amz-request-id", "connection", "accept-ranges")


def headers(bucket, key):
    got = client.call("HEAD", bucket, key)[1]
    return {k.lower(): v for k, v in got.items() if k.lower() not in HIDDEN}


def compare_buckets(prefix=""):
    got = [k for k, *_ in client.list("back")]
    some = {k: b for k, b in objects.items() if not prefix or k != LONG}
    need("keys", sorted(got), sorted(prefix + k for k in some))
    for k, body in some.items():
        if client.get("back", prefix + k) != body:
            fail(f"{k!r} has another content")
        need(f"headers of {k!r}", headers("back", prefix + k), headers("odd", k))


def clear():
    for k, *_ in client.list("back"):
        client.remove("back", k)


def no_uploads():
    need("uploads", b"<UploadId>" in client.call("GET", "back", query={"uploads": ""})[2], False)


client.put("odd", "spaced", b"x", **{"x-amz-meta-a": "two  spaces", "x-amz-meta-empty": ""})
objects["spaced"] = b"x"
repo.run("backup", source, env=KEYS)
proxy.plan()
r = repo.run("restore", "--dry-run", "latest:/odd", "--target", back, env=KEYS, expect=3)
need("told", "more than 1024 bytes" in r.text and " 1 thing " in r.text, True)
short = ("latest:/odd", "--exclude", "%+LLL*")
r = repo.run("restore", "--dry-run", *short, "--target", back, env=KEYS)
need("would", r.out.count(b"create "), len(objects) - 1)
need("nothing put", client.list("back"), [])
proxy.plan()
r = repo.run("restore", *short, "--target", back, env=KEYS)
compare_buckets("again/")
# The big one: two parts; one is put twice, to see whether the server takes it.
need("PUTs", count("PUT"), len(objects) - 2 + 2 + 1)
r = repo.run("restore", *short, "--target", back, env=KEYS, expect=3)
need("told", r.text.count("there already"), len(objects) - 1)
proxy.plan()
for when, kept in (("never", len(objects) - 1), ("newer", len(objects) - 1),
                   ("changed", len(objects) - 2)):
    r = repo.run("restore", *short, "--overwrite", when, "--target", back, env=KEYS)
    need(when, f"; {kept} kept" in r.text, True)
need("PUTs", count("PUT"), 2)
client.put("back", "again/a", b"z")
repo.run("restore", *short, "--overwrite", "always", "--target", back, env=KEYS)
compare_buckets("again/")
clear()
client.put("back", "again/q?&=#", b"mine")
proxy.plan()
r = repo.run("restore", *short, "--target", back, env=KEYS, expect=3)
need("told", r.text.count("there already"), 1)
need("it stays", client.get("back", "again/q?&=#"), b"mine")
need("all others", len(client.list("back")), len(objects) - 1)
clear()
repo.run("restore", "latest:/odd", "--target", f"s3:{proxy.url}/back", env=KEYS)
compare_buckets()
passed("restored into another bucket: keys, contents, headers; what is there already")

clear()
r = repo.run("restore", "latest:/odd/a", "--target", f"s3:{proxy.url}/back/x", env=KEYS,
             expect=3)
need("the key that is no part of it", "here, as it is the directory's" in r.text, True)
need("a part", sorted(k for k, *_ in client.list("back")),
     sorted(["x/b/c", "x//b", "x/%=", "x/../b", "x/"]))
clear()
repo.run("restore", "latest:/odd/big/one", "--target", f"s3:{proxy.url}/back", env=KEYS)
need("a file", [(k, n) for k, n, *_ in client.list("back")], [("one", BIG)])
clear()
for option in (["--in-place"], ["--delete"], ["--verify"], ["--owner-map", "*:0"],
               ["--group-map", "*:0"]):
    repo.run("restore", "latest:/odd", *option, "--target", back, env=KEYS, expect=2)
repo.run("restore", "latest:/odd", "--bucket-region", "x", "--target", path("dir"), expect=2)
r = repo.run("restore", "latest:/odd", "--target", f"s3:{proxy.url}/nowhere", env=KEYS, expect=1)
need("no bucket", "NoSuchBucket" in r.text, True)
passed("parts of a snapshot; what has no meaning")

one = ("restore", "latest:/odd/big", "--target", back)
for rule, status in (({"fault": "503", "method": "PUT", "query": "partNumber=2", "at": 1}, 0),
                     ({"fault": "lost", "method": "PUT", "query": "partNumber=1", "at": 1}, 0),
                     ({"fault": "lost", "method": "POST", "query": "uploadId", "at": 1}, 0),
                     ({"fault": "403", "method": "PUT", "query": "partNumber=2"}, 3),
                     ({"fault": "403", "method": "POST", "query": "uploads"}, 3),
                     ({"fault": "403", "method": "POST", "query": "uploadId"}, 3),
                     ({"fault": "200-error", "method": "POST", "query": "uploadId", "at": 1}, 0),
                     ({"fault": "flip-up", "method": "PUT", "query": "partNumber=1", "at": 1}, 0)):
    clear()
    proxy.plan(rule)
    r = repo.run(*one, env=KEYS, expect=status)
    need(f"{rule}: hit", proxy.hits() > 0, True)
    no_uploads()
    if status == 0:
        need("content", client.get("back", "again/one"), client.get("odd", "big/one"))
    else:
        need("told", "could not be restored" in r.text and client.list("back") == [], True)
clear()
proxy.plan({"fault": "lost", "method": "PUT", "at": 1})
repo.run("restore", "latest:/odd/foo", "--target", back, env=KEYS)
need("once", sorted(k for k, *_ in client.list("back")), ["again/", "again/x", "again/y"][::2])
# What is there already may have the same size and as many parts, and is another all the same.
for fault in ("500", "lost"):
    clear()
    other = bytes(BIG)
    key = "again/one"
    begun = client.call("POST", "back", key, query={"uploads": ""})[2]
    upload = begun.split(b"<UploadId>")[1].split(b"<")[0].decode()
    tags = [client.call("PUT", "back", key, query={"partNumber": n + 1, "uploadId": upload},
                        body=other[n << 24:n + 1 << 24])[1] for n in range(2)]
    tags = [{k.lower(): v for k, v in t.items()}["etag"] for t in tags]
    client.call("POST", "back", key, query={"uploadId": upload}, body=(
        "<CompleteMultipartUpload>%s</CompleteMultipartUpload>" % "".join(
            f"<Part><PartNumber>{n + 1}</PartNumber><ETag>{t}</ETag></Part>"
            for n, t in enumerate(tags))).encode())
    need("another", client.get("back", key) == other, True)
    proxy.plan({"fault": fault, "method": "POST", "query": "uploadId", "for": 60})
    r = repo.run("--request-timeout", "10", *one, "--overwrite", "always", env=KEYS, expect=None)
    done = client.get("back", key) == client.get("odd", "big/one")
    need(f"{fault}: said of what is there", (r.status, done),
         (1, False) if fault == "500" else (0, True))
    no_uploads()
# To take leave it has a second or two, of which a busy machine may have none for it; then
# it says so.
for left in reversed(range(20)):
    clear()
    proxy.plan({"fault": "hang", "method": "PUT", "query": "partNumber=2", "seconds": 3600,
                "at": 1})
    p = repo.start("--stall-timeout", "3600", *one, env=KEYS)
    while p.poll() is None and not proxy.hits():
        time.sleep(0.005)
    p.send_signal(signal.SIGINT)
    err = p.communicate(timeout=600)[1]
    need("interrupted", p.returncode, 130)
    proxy.plan()
    need("nothing", client.list("back"), [])
    if b"may be left" not in err or not left:
        break
    for upload in client.call("GET", "back", query={"uploads": ""})[2].split(b"<UploadId>")[1:]:
        client.call("DELETE", "back", "again/one",
                    query={"uploadId": upload.split(b"<")[0].decode()})
no_uploads()
passed("faults and an interruption: whole or not at all, no upload is left")

# What was files becomes objects, as far as it can.
tree = path("tree")
write(f"{tree}/d/%0", b"a name that is no escape")
write(f"{tree}/d/%%x", b"nor this")
write(f"{tree}/hole", b"")
os.truncate(f"{tree}/hole", 18 << 20)
os.symlink("hole", f"{tree}/link")
os.mkfifo(f"{tree}/fifo")
repo.run("backup", tree)
r = repo.run("restore", "latest:" + tree, "--target", f"s3:{proxy.url}/back", env=KEYS, expect=3)
need("told", "link" in r.text and "fifo" in r.text, True)
need("keys", [(k, n) for k, n, *_ in client.list("back")],
     [("d/%%x", 8), ("d/%0", 24), ("hole", 18 << 20)])
need("hole", client.get("back", "hole").count(0), 18 << 20)
passed("an ordinary snapshot in a bucket: names as they stand, the rest told")

# What is 20 MB takes a while at so much a second, there and back.
for limit, *what in (("--limit-upload", "restore", f"latest:{tree}", "--overwrite", "always",
                      "--target", f"s3:{proxy.url}/back"),
                     ("--limit-download", "backup", "--force", f"s3:{proxy.url}/odd")):
    began = time.monotonic()
    repo.run(limit, "8M", *what, env=KEYS, expect=(0, 3))
    if time.monotonic() - began < 1:
        fail(f"{limit}: 8 MiB a second, and done in no time")
passed("limits are the bucket's, too")

# A repository in that bucket is no place for it.
own = ("--repo", f"s3:{proxy.url}/back/own")
env = dict(KEYS, AWS_ACCESS_KEY_ID=KEYS["VITRINE_BUCKET_ACCESS_KEY_ID"],
           AWS_SECRET_ACCESS_KEY=KEYS["VITRINE_BUCKET_SECRET_ACCESS_KEY"])
repo.run(*own, "init", env=env)
repo.run(*own, "backup", f"{tree}/d", env=env)
was = sorted(k for k, *_ in client.list("back"))
for target in "own", "own/more":
    r = repo.run(*own, "restore", f"latest:{tree}/d", "--overwrite", "always",
                 "--target", f"s3:{proxy.url}/back/{target}", env=env, expect=1)
    need("told", "is the repository or lies in it" in r.text, True)
need("the repository", sorted(k for k, *_ in client.list("back")), was)
repo.run(*own, "restore", f"latest:{tree}/d", "--target", f"s3:{proxy.url}/back/owner", env=env)
# Nor does what has its name come to lie in it.
write(f"{tree}/d/own/keys/more", b"no key")
repo.run(*own, "backup", f"{tree}/d", env=env)
r = repo.run(*own, "restore", f"latest:{tree}/d", "--target", f"s3:{proxy.url}/back", env=env,
             expect=3)
need("told", "own: not restored: it belongs to vitrine itself" in r.text, True)
need("a key", [k for k, *_ in client.list("back") if k == "own/keys/more"], [])
repo.run(*own, "check", "--read-data", env=env)
passed("not into the repository")
