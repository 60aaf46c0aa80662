#!/usr/bin/python3
"""How fast a repository in a bucket is, in time, requests and memory.

    s3.py [--scale X] [--rounds N] [--tools vitrine,restic,rclone] [--corpora S,L,R]
          [--parts here,memory,far] [--latency MS] [--connections 4,16,64]

A radosgw with its data in memory runs on this machine and shares the processors, so
what counts are ratios within one table.  "raw" is curl with as many transfers at a time
(16), putting and getting objects of the size of a pack: all that the server gives; GET once
into nothing and once into files of their own on the disk that restores go to, synced, which is
all that a restore could reach there.  "% raw" is what a step moved against that, "% disk" a restore
against the latter, and "busy" the share of all processors that it and the server used: where
that is near 100, they are the limit and not the tool's waiting.  rclone
copies files as they are; restic stores as vitrine does.  Requests and bytes are the
server's own counts; "client" are the tool's processor seconds for each GB that it moved.

Part "here" is the table as it stands, "memory" the peak of vitrine with so many
connections, "far" the table with --latency milliseconds added to each request by a proxy
(Python, some 300 MB/s; "raw" goes through it as well).  There rclone copies R and L only: it
asks for each file.

The corpora are those of bench.py at --scale (0.1: 13,000 small files, 0.4 GB of large ones)
and R, one incompressible file of the size of L: what is moved is what is read.
"""
import argparse
import concurrent.futures
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
from tools import PASSWORD, Kopia, Restic, Rustic, Tool, Vitrine  # noqa: E402

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


class RusticS3(OverS3, Rustic):
    def settings(self):
        return {"RUSTIC_PASSWORD": PASSWORD, "RUSTIC_NO_PROGRESS": "true",
                "RUSTIC_LOG_LEVEL": "warn"}

    def init(self):
        k, place = self.keys(), self.place().split("/", 4)
        options = {"bucket": place[3], "root": "/" + place[4], "endpoint": self.endpoint,
                   "region": k["AWS_REGION"], "access_key_id": k["AWS_ACCESS_KEY_ID"],
                   "secret_access_key": k["AWS_SECRET_ACCESS_KEY"], "connections": str(AT_ONCE)}
        d = os.path.join(self.dir, "config/rustic")
        os.makedirs(d)
        with open(d + "/rustic.toml", "w") as f:
            f.write('[repository]\nrepository = "opendal:s3"\n[repository.options]\n')
            f.writelines(f"{name} = {json.dumps(value)}\n" for name, value in options.items())
        super().init()


class KopiaS3(OverS3, Kopia):
    def settings(self):
        return self.keys() | super().settings()

    def init(self):
        place = self.place().split("/", 4)
        self.quiet("repository", "create", "s3", "--endpoint", place[2], "--disable-tls",
                   "--region", self.keys()["AWS_REGION"], "--bucket", place[3],
                   "--prefix", place[4] + "/")
        self.compress()


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


CLASSES = {"vitrine": VitrineS3, "restic": ResticS3, "rustic": RusticS3, "kopia": KopiaS3,
           "rclone": RcloneS3}


def make_corpus(which, scale):
    if which != "R":
        return corpus(BASE, which, scale, print)
    top = os.path.join(BASE, "R-%g" % scale)
    if not os.path.exists(os.path.join(top, "random")):
        os.makedirs(top, exist_ok=True)
        with open(os.path.join(top, "new"), "wb") as f:
            for _ in range(max(int(4000 * scale), 1)):
                f.write(os.urandom(1000000))
        os.rename(os.path.join(top, "new"), os.path.join(top, "random"))
    return top


def sources_of(names, scale):
    """Elsewhere: a tool's peak memory counts what this process had before exec."""
    with concurrent.futures.ProcessPoolExecutor(1) as pool:
        return {w: pool.submit(make_corpus, w, scale).result() for w in names}


def warm(top):
    for d, _, files in os.walk(top):
        for name in files:
            with open(os.path.join(d, name), "rb") as f:
                while f.read(1 << 20):
                    pass


def busy(r):
    return 100 * (r["cpu"] + r["others_cpu"]) / r["wall"] / os.cpu_count()


def raw(server, endpoint, work, total):
    """PUT and GET of objects of a pack's size, GET also to the disk: bytes a second.  All is put
    once before: a server that makes its memory larger as it takes them is half as fast."""
    keys = {k: v for k, v in server.env.items() if k.startswith("AWS_")}
    c = Client.of_env(keys | {"AWS_ENDPOINT_URL": endpoint})
    one = os.path.join(work, "pack")
    with open(one, "wb") as f:
        f.write(os.urandom(PACK))
    n = max(total // PACK, AT_ONCE)
    got = {}
    out = os.path.join(work, "raw")
    os.makedirs(out)
    put, get, disk = 'upload-file = "%s"' % one, 'output = "/dev/null"', 'output = "%s/%d"'
    for what, line in ((None, put), ("PUT", put), ("GET", get), ("GET to disk", disk)):
        method = "PUT" if line == put else "GET"
        config = os.path.join(work, "curl")
        with open(config, "w") as f:
            for i in range(n):
                f.write('%surl = "%s"\n%s\nsilent\nfail\n' % (
                    "next\n" if i else "", c.presigned(method, server.bucket, f"raw/{i}"),
                    line % (out, i) if line == disk else line))
        # vitrine's restore ends with syncfs; so does this.
        r = run(["sh", "-c", 'curl -Z --parallel-max "$1" -K "$2" && sync -f "$3"', "sh",
                 str(AT_ONCE), config, out])
        if not what:
            continue
        got[what] = n * PACK / r["wall"]
        print("raw %s: %.0f MB/s, busy %.0f %%, client %.2f s a GB (%d at once, %d MiB each)" % (
            what, got[what] / 1e6, busy(r), r["cpu"] / (n * PACK / 1e9), AT_ONCE, PACK >> 20))
    shutil.rmtree(out)
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


STEPS = {"first backup": "PUT", "unchanged": None, "restore": "GET", "check all data": "GET"}


def show(what, name, runs, size, fast):
    """One line: medians."""
    m = {k: statistics.median(r[k] for r in runs) for k in runs[0]}
    way = STEPS[what]
    moved = m["put_b" if way == "PUT" else "get_b"]
    line = "  %-15s %-8s %8.2f %7.2f %7.0f %9d %8.0f" % (
        what, name, m["wall"], m["cpu"], m["peak_mb"], m["req"], m["req"] / (size / 2**30))
    if way and moved > 1e6:
        rate = moved / m["wall"]
        disk = "%6.0f" % (100 * rate / fast["GET to disk"]) if what == "restore" else "%6s" % ""
        line += " %8.1f %6.0f %6.0f %s %6.0f %7.2f" % (
            moved / 1e6, rate / 1e6, 100 * rate / fast[way], disk, busy(m),
            m["cpu"] / (moved / 1e9))
    print(line, flush=True)


def table(server, endpoint, names, sources, rounds, work, fast):
    for which, source in sources.items():
        size = size_of(source)
        warm(source)
        far = endpoint != server.http
        print("\n%s: %.2f GB" % (which, size / 1e9))
        print("  %-15s %-8s %8s %7s %7s %9s %8s %8s %6s %6s %6s %6s %7s" % (
            "", "", "seconds", "CPU s", "peak MB", "requests", "req/GiB", "moved MB", "MB/s",
            "% raw", "% disk", "busy %", "client"))
        tools = {name: [] for name in names if not (far and name == "rclone" and which == "S")}
        for n in range(rounds):
            d = os.path.join(work, f"{which}{n}-{endpoint.rsplit(':', 1)[1]}")
            for name in tools:
                os.makedirs(d, exist_ok=True)
                cls = type(name, (CLASSES[name],), {"endpoint": endpoint, "server": server})
                cls.name = name
                tools[name].append(cls(d, source))
                tools[name][n].init()
        # Each step by all tools in turn; nothing is removed before the end (ext4 is slow
        # to make files where some were removed).
        for what in STEPS:
            for name, repos in tools.items():
                runs = []
                for t in repos:
                    f, args = {"first backup": (t.backup, (0,)), "unchanged": (t.backup, (1,)),
                               "restore": (t.restore, (os.path.join(t.dir, "out"),)),
                               "check all data": (t.check, ())}[what]
                    runs.append(step(server, f, *args))
                if any(runs):
                    show(what, name, [r for r in runs if r], size, fast)


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
        print("  %3d connections: backup %.0f (%.1f s), restore %.0f (%.1f s)" % (
            n, b["peak_mb"], b["wall"], r["peak_mb"], r["wall"]))


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--scale", type=float, default=0.1)
    ap.add_argument("--rounds", type=int, default=1)
    ap.add_argument("--tools", default="vitrine,restic,rclone")
    ap.add_argument("--corpora", default="S,L,R")
    ap.add_argument("--parts", default="here,memory,far")
    ap.add_argument("--latency", type=float, default=30)
    ap.add_argument("--connections", default="4,16,64")
    args = ap.parse_args()
    for k in [k for k in os.environ if k.startswith(("AWS_", "VITRINE_")) and k != "VITRINE"]:
        del os.environ[k]               # nothing but what is set here
    parts = args.parts.split(",")
    names = [n for n in args.tools.split(",") if CLASSES[n].found()]
    os.makedirs(BASE, exist_ok=True)
    sources = sources_of(args.corpora.split(","), args.scale)
    work = os.path.join(BASE, "s3-%d" % os.getpid())
    os.makedirs(work)
    server = Server(os.path.join(work, "server"))
    try:
        if "here" in parts:
            fast = raw(server, server.http, work, 1 << 30)
            table(server, server.http, names, sources, args.rounds, work, fast)
        if "memory" in parts:
            memory(server, sources.get("R") or next(iter(sources.values())), work,
                   [int(n) for n in args.connections.split(",")])
        if "far" in parts:
            proxy = Proxy(server.http)
            proxy.plan(latency=args.latency / 1000)
            print("\nWith %g ms more for each request:" % args.latency)
            fast = raw(server, proxy.url, work, 1 << 30)
            table(server, proxy.url, names, sources, args.rounds, work, fast)
    finally:
        server.stop()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
