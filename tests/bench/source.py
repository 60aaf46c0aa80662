#!/usr/bin/python3
"""What it costs to back a bucket up: listed flat, as vitrine does, beside one call a directory.

    source.py [--objects N] [--latency MS] [--no-restore]

A radosgw with its data in memory runs on this machine.  N objects (20,000) of about a
kilobyte lie three levels deep, 40 in each of the lowest directories.  "flat" and "by
directory" are the same small client in Python, one request at a time, so their ratio is that
of the two ways.  Then vitrine: a first backup, one of nothing changed, one with 1 % changed,
and a restore into another bucket.  Requests are the server's own counts; with --latency all
is done once more through a proxy that adds so much to each request.
"""
import argparse
import concurrent.futures
import os
import shutil
import sys
import threading
import time
import xml.etree.ElementTree as ET

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(1, os.path.join(HERE, "../s3"))
from client import Client  # noqa: E402
from proxy import Proxy  # noqa: E402
from s3 import BASE, Server  # noqa: E402
from tools import Vitrine  # noqa: E402

FANOUT = 40
local = threading.local()


def keys(n):
    """d0/e0/f0 ...: FANOUT a directory, 25 of those in each of the first level."""
    return ["d%d/e%d/f%d" % (i // (25 * FANOUT), i // FANOUT % 25, i % FANOUT)
            for i in range(n)]


def put_all(env, bucket, names):
    def one(k):
        if not hasattr(local, "client"):
            local.client = Client.of_env(env)
        local.client.put(bucket, k, (k * 100).encode()[:1000])
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(one, names))


def page(client, bucket, prefix, delimiter, token):
    query = {"list-type": 2, "encoding-type": "url", "prefix": prefix}
    if delimiter:
        query["delimiter"] = delimiter
    if token:
        query["continuation-token"] = token
    root = ET.fromstring(client.call("GET", bucket, query=query)[2])
    ns = root.tag[:root.tag.index("}") + 1]
    below = [p.findtext(ns + "Prefix").replace("%2F", "/")
             for p in root.findall(ns + "CommonPrefixes")]
    more = root.findtext(ns + "IsTruncated") == "true"
    return (len(root.findall(ns + "Contents")), below,
            root.findtext(ns + "NextContinuationToken") if more else None)


def listing(client, bucket, delimiter):
    found, todo = 0, [""]
    while todo:
        prefix, token = todo.pop(), None
        while True:
            n, below, token = page(client, bucket, prefix, delimiter, token)
            found += n
            todo += below
            if not token:
                break
    return found


class Source(Vitrine):
    env = {}

    def settings(self):
        return self.env | super().settings()


def measure(server, what, f):
    before, began = server.count(), time.monotonic()
    got = f()
    wall = time.monotonic() - began
    after = server.count()
    cpu, peak = (got["cpu"], got["peak_mb"]) if isinstance(got, dict) else (0, 0)
    print("  %-24s %8.2f s %8.2f s CPU %7.0f MB %8d requests" % (
        what, wall, cpu, peak, after["req"] - before["req"]))
    return wall, after["req"] - before["req"]


def steps(server, endpoint, work, n, restore):
    env = {k: v for k, v in server.env.items() if k.startswith("AWS_")}
    env["AWS_ENDPOINT_URL"] = endpoint
    client = Client.of_env(env)
    flat = measure(server, "flat", lambda: listing(client, "source", None))
    tree = measure(server, "by directory", lambda: listing(client, "source", "/"))
    print("  by directory / flat: x %.1f in time, x %.1f in requests" % (
        tree[0] / flat[0], tree[1] / flat[1]))
    os.makedirs(work)
    cls = type("v", (Source,), {"env": env})
    location = "s3:%s/source" % endpoint
    t = cls(work, location)
    t.init()
    measure(server, "first backup", lambda: t.run("backup", "-q", location))
    measure(server, "unchanged", lambda: t.run("backup", "-q", location))
    put_all(server.env, "source", keys(n)[::100])
    measure(server, "1 % put again", lambda: t.run("backup", "-q", location))
    if restore:
        measure(server, "restore to a bucket", lambda: t.run(
            "restore", "-q", "latest:/source", "--overwrite", "always", "--target",
            "s3:%s/back" % endpoint))


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--objects", type=int, default=20000)
    ap.add_argument("--latency", type=float, default=0)
    ap.add_argument("--no-restore", action="store_true")
    args = ap.parse_args()
    for k in [k for k in os.environ if k.startswith(("AWS_", "VITRINE_")) and k != "VITRINE"]:
        del os.environ[k]               # nothing but what is set here
    work = os.path.join(BASE, "source-%d" % os.getpid())
    os.makedirs(work)
    server = Server(os.path.join(work, "server"))
    try:
        client = Client.of_env(server.env)
        client.make_bucket("source")
        client.make_bucket("back")
        put_all(server.env, "source", keys(args.objects))
        print("%d objects" % args.objects)
        steps(server, server.http, os.path.join(work, "near"), args.objects,
              not args.no_restore)
        if args.latency:
            print("With %g ms more for each request:" % args.latency)
            proxy = Proxy(server.http)
            proxy.plan(latency=args.latency / 1000)
            steps(server, proxy.url, os.path.join(work, "far"), args.objects,
                  not args.no_restore)
    finally:
        server.stop()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
