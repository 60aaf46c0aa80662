#!/usr/bin/python3
# run: timeout=600
"""A bucket whose owner lies: other bytes the first time, listings that don't end, objects
without end, listed and not there.  Every command ends; what is served is right; what is well
stored is not lost by what the server said before.

The server is one of this test's own, over a dictionary, and answers as it is told."""
import http.server
import os
import re
import shutil
import sys
import threading
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))
os.environ["VITRINE_TEST_STORE"] = "dir"
from harness import Repo, compare, fail, passed, path, write  # noqa: E402

KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
PAGE = """<?xml version="1.0" encoding="UTF-8"?><ListBucketResult>\
<EncodingType>url</EncodingType><IsTruncated>%s</IsTruncated>\
<NextContinuationToken>%s</NextContinuationToken>%s</ListBucketResult>"""
OBJECT = "<Contents><Key>%s</Key><Size>%d</Size></Contents>"
# What hangs, hangs for ever.
LIMIT_S = 300


class Bucket:
    """`lock' guards the objects and the counts; the lies are set while nobody asks."""

    def __init__(self, objects):
        self.objects, self.lock, self.reads = objects, threading.Lock(), {}
        self.honest()
        bucket = self

        class Handler(Answers):
            pass

        Handler.bucket = bucket
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None      # a client that went away
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.where = "s3:http://127.0.0.1:%d/bucket" % self.server.server_address[1]

    def honest(self):
        self.reads.clear()
        self.content = lambda name, data, nth: data     # None: there is none
        self.total = lambda name, size: size            # what a range says of the whole
        self.page = lambda prefix, token, entries: (entries, None)


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", length=None, **fields):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for k, v in fields.items():
            self.send_header(k.replace("_", "-"), v)
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status, code):
        self.answer(status, b"<Error><Code>%s</Code></Error>" % code)

    def asked(self):
        u = urllib.parse.urlsplit(self.path)
        name = urllib.parse.unquote(u.path).lstrip("/").partition("/")[2]
        return name, urllib.parse.parse_qs(u.query)

    def content(self, name):
        b = self.bucket
        with b.lock:
            b.reads[name] = nth = b.reads.get(name, 0) + 1
            return b.content(name, b.objects.get(name), nth)

    def do_HEAD(self):
        data = self.content(self.asked()[0])
        if data is None:
            self.answer(404)
        else:
            self.answer(200, length=len(data))

    def do_GET(self):
        name, query = self.asked()
        if "list-type" in query:
            self.list(query)
            return
        data = self.content(name)
        if data is None:
            self.refuse(404, b"NoSuchKey")
            return
        first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)",
                                            self.headers["Range"]).groups())
        total = self.bucket.total(name, len(data))
        last = min(last, total - 1)
        if first > last:
            self.refuse(416, b"InvalidRange")
            return
        part = data[first:last + 1]
        self.answer(206, part + bytes(last + 1 - first - len(part)),
                    Content_Range="bytes %d-%d/%d" % (first, last, total))

    def list(self, query):
        b, prefix = self.bucket, query.get("prefix", [""])[0]
        with b.lock:
            entries = sorted((n, len(d)) for n, d in b.objects.items() if n.startswith(prefix))
            entries, token = b.page(prefix, query.get("continuation-token", [None])[0], entries)
        self.answer(200, (PAGE % ("true" if token else "false", token or "", "".join(
            OBJECT % (urllib.parse.quote(n), size) for n, size in entries))).encode())

    def do_PUT(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        name, b = self.asked()[0], self.bucket
        with b.lock:
            taken = "If-None-Match" in self.headers and name in b.objects
            if not taken:
                b.objects[name] = data
        if taken:
            self.refuse(412, b"PreconditionFailed")
        else:
            self.answer(200, ETag='"x"')

    def do_DELETE(self):
        with self.bucket.lock:
            self.bucket.objects.pop(self.asked()[0], None)
        self.answer(204)


near = Repo("near")
near.use_key_file()
near.init()
tree = path("tree")
for i in range(12):
    write(f"{tree}/d{i % 3}/f{i}", os.urandom(40000 + i))
first = near.backup(tree)
write(f"{tree}/more", os.urandom(40000))
last = near.backup(tree)

bucket = Bucket({n: near.read(n) for n in near.names()})
repo = Repo("far", where=near.dir)
repo.env = dict(near.env, **KEYS, VITRINE_REPOSITORY=bucket.where,
                XDG_CACHE_HOME=path("far.cache"), XDG_STATE_HOME=path("far.state"))
count = 0


def run(*args, **kw):
    return repo.run(*args, timeout=LIMIT_S, **kw)


def is_right():
    """All is served as it is stored."""
    global count
    count += 1
    run("restore", "latest:" + tree, "--target", path(f"out{count}"))
    compare(tree, path(f"out{count}"))
    run("ls", "-lR", "latest:/")


def other_bytes(prefix, times):
    def content(name, data, nth):
        if data and name.startswith(prefix) and nth <= times:
            return bytes(x ^ 0x55 for x in data)
        return data
    return content


# Wrong while it is looked at for the first time: that is kept by no cache.
for options in (), ("--cache-size", "64M"):
    repo.forget("cache")
    bucket.content = other_bytes("packs/", 10 ** 9)
    r = run("ls", "latest:/", *options, expect=4)
    run("restore", "latest:" + tree, "--target", path("wrong"), *options, expect=4)
    bucket.honest()
    is_right()
    if b"damaged" in run("backup", tree, *options).err:
        fail("what the server said once counts for ever")
    # Each frame's first reading alone: nobody notices.
    repo.forget("cache")
    bucket.content = other_bytes("packs/", 1)
    run("ls", "-lR", "latest:/", *options)
    bucket.honest()
passed("bytes that were wrong once are right the next time")

# A known chunk is a known chunk, although its table could not be read before.
shutil.copyfile(f"{tree}/more", f"{tree}/more2")
repo.forget("cache")
bucket.content = other_bytes("index/", 10 ** 9)
run("backup", "--exclude", "more2", tree, expect=(0, 4))
bucket.honest()
r = run("backup", tree)
if b"left out" in r.err:
    fail(f"a table that is whole is left out\n{r.text}")
is_right()
passed("a table that could not be read once is read the next time")

# Listings without end.
CIRCLES = {
    "a circle of three pages": lambda token, n: {None: "a", "a": "b", "b": "c", "c": "a"}[token],
    "pages without a key": lambda token, n: "t%d" % n,
}
for what, next_token in CIRCLES.items():
    pages = 0

    def page(prefix, token, entries):
        global pages
        pages += 1
        if not prefix.startswith("snapshots"):
            return entries, None
        return [] if token and "without" in what else entries, next_token(token, pages)

    bucket.page = page
    for args in ("snapshots",), ("check",), ("backup", tree), ("find", "f1"):
        r = run(*args, expect=1)
        if b"doesn't go on" not in r.err:
            fail(f"{what}: not in words:\n{r.text}")
    bucket.honest()
passed("listings without end end")

# A key that was not asked for: such a page is asked for again, for as long as may be.
bucket.page = lambda prefix, token, entries: (entries + [("elsewhere/" + "x" * 64, 3)], None)
for args in ("snapshots",), ("check",), ("backup", tree):
    r = run(*args, "--request-timeout", "1", expect=1)
    if b"was not asked for" not in r.err:
        fail(f"another's key: not in words:\n{r.text}")
bucket.honest()
passed("a listing with another's key is none")

# Each object twice, and in no order: that is no lie that matters.
bucket.page = lambda prefix, token, entries: (entries[::-1] + entries, None)
run("check", "--read-data")
is_right()
bucket.honest()
passed("listed twice is there once")

# An object of ten bytes more, and one that never ends.
for prefix in "index/", "snapshots/", "keys/", "vitrine", "packs/":
    for more in 10, 10 ** 15:
        victim = sorted(n for n in bucket.objects if n.startswith(prefix))[0]
        bucket.total = lambda name, size: size + (more if name == victim else 0)
        repo.forget("cache")
        run("check", "--read-data", expect={"keys/": (4, 12), "packs/": (0, 4)}.get(prefix, 4))
        bucket.honest()
        run("check", "--read-data")
passed("objects without end end")

# Listed, and not there; then there again.
victim = "snapshots/" + first
bucket.content = lambda name, data, nth: None if name == victim else data
repo.forget("cache")
r = run("check", expect=4)
if b"number 1 of" not in r.err:
    fail(f"a snapshot that vanishes is not told\n{r.text}")
bucket.content = lambda name, data, nth: None if name.startswith("packs/") else data
run("check", expect=4)
run("restore", "latest:" + tree, "--target", path("gone"), expect=4)
bucket.honest()
run("check", "--read-data")
is_right()
passed("what was gone and came again is whole")
