#!/usr/bin/python3
"""How fast a repository in a bucket is, in time, requests and memory.

    s3.py [--scale X] [--rounds N] [--tools vitrine,restic,rclone] [--latency MS]
          [--connections 4,16,64] [--no-memory]

A radosgw with its data in memory runs on this machine and shares the processors, so
what counts are ratios within one table.  "raw" is curl with as many transfers at a time
(16), putting and getting objects of the size of a pack: all that the server gives.  rclone
copies files as they are; restic stores as vitrine does.  A second table is of the same
steps with --latency milliseconds added to each request by a proxy (Python: not for
throughput).  Requests and bytes are the server's own counts.

The corpora are those of bench.py at --scale (0.1: 13,000 small files, 0.4 GB of large ones).
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(1, os.path.join(HERE, "../s3"))
from client import Client  # noqa: E402
from corpus import corpus  # noqa: E402
from measure import Failed, run  # noqa: E402
from proxy import Proxy  # noqa: E402
from tools import PASSWORD, Restic, Tool, Vitrine  # noqa: E402

RADOSGW = os.path.join(HERE, "../s3/radosgw")
PACK = 32 << 20
AT_ONCE = 16
BASE = os.environ.get("BENCH_DIR", "/var/tmp/vitrine-bench")


class Server:
    def __init__(self, d):
        self.dir = d
        subprocess.run([RADOSGW, "start", d, "--owner", str(os.getpid())], check=True)
        text = subprocess.run([RADOSGW, "env", d], check=True, stdout=subprocess.PIPE,
                              text=True).stdout
        pairs = (line.removeprefix("export ").split("=", 1) for line in text.splitlines())
        self.env = {k: v.strip("'") for k, v in pairs}
        self.http = self.env["VITRINE_TEST_S3_HTTP"]
        self.bucket = self.env["VITRINE_TEST_S3_BUCKET"]

    def count(self):
        return json.loads(subprocess.run([RADOSGW, "count", self.dir], check=True,
                                         stdout=subprocess.PIPE).stdout)

    def stop(self):
        subprocess.run([RADOSGW, "stop", self.dir])


class OverS3:
    """Mixed into a tool: its repository is at `endpoint'."""
    endpoint = server = ""

    def keys(self):
        return {k: v for k, v in self.server.env.items() if k.startswith("AWS_")} | \
            {"AWS_ENDPOINT_URL": self.endpoint}

    def place(self):
        return "%s/%s/%s-%s" % (self.endpoint, self.server.bucket, self.name,
                                os.path.basename(os.path.dirname(self.dir)))


class VitrineS3(OverS3, Vitrine):
    def settings(self):
        return self.keys() | {"VITRINE_REPOSITORY": "s3:" + self.place(),
                              "VITRINE_PASSWORD": PASSWORD}


class ResticS3(OverS3, Restic):
    def settings(self):
        return self.keys() | {"RESTIC_REPOSITORY": "s3:" + self.place(),
                              "RESTIC_PASSWORD": PASSWORD}

    def backup(self, nth):
        return self.run("-o", f"s3.connections={AT_ONCE}", "backup", "-q", self.source)

    def restore(self, target):
        return self.run("-o", f"s3.connections={AT_ONCE}", "restore", "-q", "latest",
                        "--target", target)


class RcloneS3(OverS3, Tool):
    name = program = "rclone"
    version_of = "version"

    def settings(self):
        k = self.keys()
        return {"RCLONE_CONFIG_S_TYPE": "s3", "RCLONE_CONFIG_S_PROVIDER": "Ceph",
                "RCLONE_CONFIG_S_ENDPOINT": self.endpoint,
                "RCLONE_CONFIG_S_ACCESS_KEY_ID": k["AWS_ACCESS_KEY_ID"],
                "RCLONE_CONFIG_S_SECRET_ACCESS_KEY": k["AWS_SECRET_ACCESS_KEY"],
                "RCLONE_TRANSFERS": str(AT_ONCE), "RCLONE_CHECKERS": str(AT_ONCE),
                "RCLONE_S3_NO_CHECK_BUCKET": "true", "RCLONE_LINKS": "true"}

    def there(self):
        return "S:" + self.place().split("/", 3)[3]

    def backup(self, nth):
        return self.run("copy", "-q", self.source, self.there())

    def restore(self, target):
        return self.run("copy", "-q", self.there(), target)

    def check(self):
        return self.run("check", "-q", "--download", self.source, self.there())


CLASSES = {"vitrine": VitrineS3, "restic": ResticS3, "rclone": RcloneS3}


def raw(server, endpoint, work, total):
    """PUT and GET of objects of a pack's size."""
    keys = {k: v for k, v in server.env.items() if k.startswith("AWS_")}
    c = Client.of_env(keys | {"AWS_ENDPOINT_URL": endpoint})
    one = os.path.join(work, "pack")
    with open(one, "wb") as f:
        f.write(os.urandom(PACK))
    n = max(total // PACK, AT_ONCE)
    got = {}
    for method, line in (("PUT", 'upload-file = "%s"' % one), ("GET", 'output = "/dev/null"')):
        config = os.path.join(work, "curl")
        with open(config, "w") as f:
            for i in range(n):
                f.write('%surl = "%s"\n%s\nsilent\nfail\n' % (
                    "next\n" if i else "", c.presigned(method, server.bucket, f"raw/{i}"), line))
        r = run(["curl", "-Z", "--parallel-max", str(AT_ONCE), "-K", config])
        got[method] = n * PACK / r["wall"]
    for i in range(n):
        c.remove(server.bucket, f"raw/{i}")
    return got


def size_of(top):
    return sum(os.lstat(os.path.join(d, f)).st_size for d, _, fs in os.walk(top) for f in fs)


def step(server, f, *args):
    before = server.count()
    try:
        r = f(*args)
    except Failed as e:
        print("    failed: " + str(e))
        return None
    after = server.count()
    return r | {k: after[k] - before[k] for k in after}


def table(server, endpoint, names, sources, rounds, work):
    for which, source in sources.items():
        size = size_of(source)
        print("\n%s: %.2f GB" % (which, size / 1e9))
        print("  %-20s %-8s %8s %8s %8s %9s %9s %8s" % (
            "", "", "seconds", "CPU s", "peak MB", "requests", "req/GiB", "MB/s"))
        got = {}
        for n in range(rounds):
            for name in names:
                d = os.path.join(work, f"{which}{n}-{endpoint.rsplit(':', 1)[1]}")
                os.makedirs(d, exist_ok=True)
                cls = type(name, (CLASSES[name],), {"endpoint": endpoint, "server": server})
                cls.name = name
                t = cls(d, source)
                t.init()
                out = os.path.join(d, "out-" + name)
                for what, f, args in (
                        ("first backup", t.backup, (0,)), ("unchanged", t.backup, (1,)),
                        ("restore", t.restore, (out,)), ("check all data", t.check, ())):
                    got.setdefault((what, name), []).append(step(server, f, *args))
                shutil.rmtree(out, ignore_errors=True)
        for what in ("first backup", "unchanged", "restore", "check all data"):
            for name in names:
                runs = [r for r in got[what, name] if r]
                if not runs:
                    continue
                m = {k: statistics.median(r[k] for r in runs) for k in runs[0]}
                print("  %-20s %-8s %8.2f %8.2f %8.0f %9d %9.0f %8.0f" % (
                    what, name, m["wall"], m["cpu"], m["peak_mb"], m["req"],
                    m["req"] / (size / 2**30), size / 1e6 / m["wall"]))


def memory(server, source, work, connections):
    print("\nPeak memory by connections (MB; a backup, a restore without caches)")
    for n in connections:
        d = os.path.join(work, f"memory{n}")
        os.makedirs(d)
        cls = type("v", (VitrineS3,), {"endpoint": server.http, "server": server})
        t = cls(d, source)
        t.init()
        opt = ("--connections", str(n))
        b = t.run("backup", "-q", *opt, source)
        shutil.rmtree(t.dir + "/cache", ignore_errors=True)
        r = t.run("restore", "-q", *opt, "latest:" + source, "--target", d + "/out")
        shutil.rmtree(d, ignore_errors=True)
        print("  %3d connections: backup %.0f (%.1f s), restore %.0f (%.1f s)" % (
            n, b["peak_mb"], b["wall"], r["peak_mb"], r["wall"]))


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--scale", type=float, default=0.1)
    ap.add_argument("--rounds", type=int, default=1)
    ap.add_argument("--tools", default="vitrine,restic,rclone")
    ap.add_argument("--latency", type=float, default=30)
    ap.add_argument("--connections", default="4,16,64")
    ap.add_argument("--no-memory", action="store_true")
    args = ap.parse_args()
    for k in [k for k in os.environ if k.startswith(("AWS_", "VITRINE_")) and k != "VITRINE"]:
        del os.environ[k]               # nothing but what is set here
    names = [n for n in args.tools.split(",") if CLASSES[n].found()]
    os.makedirs(BASE, exist_ok=True)
    sources = {w: corpus(BASE, w, args.scale, print) for w in ("S", "L")}
    work = os.path.join(BASE, "s3-%d" % os.getpid())
    os.makedirs(work)
    server = Server(os.path.join(work, "server"))
    try:
        r = raw(server, server.http, work, 1 << 30)
        print("raw: PUT %.0f MB/s, GET %.0f MB/s (%d at once, %d MiB each)" % (
            r["PUT"] / 1e6, r["GET"] / 1e6, AT_ONCE, PACK >> 20))
        table(server, server.http, names, sources, args.rounds, work)
        if not args.no_memory:
            memory(server, sources["L"], work, [int(n) for n in args.connections.split(",")])
        if args.latency:
            proxy = Proxy(server.http)
            proxy.plan(latency=args.latency / 1000)
            print("\nWith %g ms more for each request:" % args.latency)
            r = raw(server, proxy.url, work, 512 << 20)
            print("raw: PUT %.0f MB/s, GET %.0f MB/s" % (r["PUT"] / 1e6, r["GET"] / 1e6))
            table(server, proxy.url, names, sources, args.rounds, work)
    finally:
        server.stop()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
