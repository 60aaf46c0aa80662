#!/usr/bin/python3
# run: timeout=300
"""A bucket with many objects: its listing is counted while it goes on, and takes the same
memory however many there are.  The server is one of this test's own, which makes pages up: a
real one is not filled so soon.  OBJECTS=1000000 for more."""
import http.server
import json
import os
import pty
import re
import subprocess
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))
os.environ["VITRINE_TEST_STORE"] = "dir"
from harness import Repo, VITRINE, fail, passed  # noqa: E402

OBJECTS = int(os.environ.get("OBJECTS", 100000))
MEMORY, CONSTANT = 64 << 20, 48 << 20
KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
PAGE = """<?xml version="1.0" encoding="UTF-8"?><ListBucketResult>\
<EncodingType>url</EncodingType><IsTruncated>%s</IsTruncated>\
<NextContinuationToken>%d</NextContinuationToken>%s</ListBucketResult>"""
OBJECT = """<Contents><Key>%s</Key><LastModified>2026-11-01T00:00:00.123Z</LastModified>\
<ETag>&quot;%032x&quot;</ETag><Size>1000</Size><StorageClass>STANDARD</StorageClass></Contents>"""
KINDS = {
    "deep": lambda i: f"d{i // 10000}/e{i // 100 % 100:02}/f{i % 100:02}",
    "flat": lambda i: f"f{i:09}",
    # No order, as directory buckets list.
    "mixed": lambda i: f"d{i * 7919 % 1009}/e{i * 104729 % 1013}/f{i}",
}


class Listings(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        u = urllib.parse.urlsplit(self.path)
        key = KINDS[u.path.strip("/")]
        first = int(urllib.parse.parse_qs(u.query).get("continuation-token", "0")[0])
        end = min(first + 1000, OBJECTS)
        time.sleep(0.03)        # so that it can't be over before it is shown
        body = (PAGE % ("true" if end < OBJECTS else "false", end, "".join(
            OBJECT % (key(i), i) for i in range(first, end)))).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listings)
threading.Thread(target=server.serve_forever, daemon=True).start()
where = f"s3:http://127.0.0.1:{server.server_address[1]}"
repo = Repo()
repo.use_key_file()
repo.init()


def command(kind):
    # What is walked and left out is not fetched.
    return ["backup", "--allow-empty", "--exclude-larger-than", "999", f"{where}/{kind}"]


for kind in KINDS:
    r, w = os.pipe()
    env = dict(repo.env, **KEYS)
    pid = os.fork()
    if pid == 0:
        os.dup2(w, 1)
        os.close(r)
        os.execve(VITRINE, [VITRINE, "--memory", str(MEMORY), "--json", *command(kind)], env)
    os.close(w)
    with os.fdopen(r) as f:
        said = [json.loads(line) for line in f]
    _, status, usage = os.wait4(pid, 0)
    if status != 0 or said[-1]["type"] != "summary" or said[-1]["files"] != 0:
        fail(f"{kind}: {status}: {said[-1]}")
    listed = [e["listed"] for e in said if "listed" in e]
    if not listed or listed != sorted(listed) or not 0 < listed[-1] <= OBJECTS:
        fail(f"{kind}: objects listed so far: {listed}")
    peak = usage.ru_maxrss * 1024
    if peak > MEMORY + CONSTANT:
        fail(f"{kind}: {OBJECTS} objects take {peak >> 20} MiB")
    passed(f"{kind}: {OBJECTS} objects listed in {peak >> 20} MiB, "
           f"{usage.ru_utime + usage.ru_stime:.1f} s of CPU")

ours, theirs = pty.openpty()
p = subprocess.Popen([VITRINE, *command("deep")], env=dict(repo.env, **KEYS), stdin=theirs,
                     stdout=theirs, stderr=theirs)
os.close(theirs)
seen = b""
try:
    while got := os.read(ours, 65536):
        seen += got
except OSError:
    pass                # its end
if p.wait() != 0 or not re.search(rb"\r[1-9][0-9,]* objects listed\033\[K", seen):
    fail(f"a terminal shows {seen}")
passed("shown on a terminal")
