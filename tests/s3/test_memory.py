#!/usr/bin/python3
# run: timeout=900
"""Memory stays within --memory plus a constant at any number of connections (DESIGN section
10: 7): 64 bodies of 32 MiB, in flight at once on a slow line, are what killed others.  So
it is where a bucket is restored to and backed up."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))
os.environ["VITRINE_TEST_STORE"] = "s3"
from harness import Repo, VITRINE, compare, fail, path, passed, start_server, write  # noqa: E402
from client import Client  # noqa: E402
from proxy import Proxy  # noqa: E402

BUDGET, CONSTANT = 128 << 20, 48 << 20
if "VITRINE_TEST_S3_URL" not in os.environ:
    os.environ.update(start_server()[1])
upstream = os.environ["VITRINE_TEST_S3_HTTP"]
proxy = Proxy(upstream)
tree = path("tree")
FILES = 2008
for i in range(8):
    write(f"{tree}/big{i}", os.urandom(24 << 20))
for i in range(2000):
    write(f"{tree}/small/{i % 40}/{i}", os.urandom(3000))


client = Client.of_env()


def peak(repo, *args):
    """The memory it took, and the last line of what it said."""
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(path("said"), os.O_RDWR | os.O_CREAT | os.O_TRUNC), 1)
        os.execve(VITRINE, [VITRINE, "--memory", str(BUDGET), *args], repo.env)
    _, status, usage = os.wait4(pid, 0)
    with open(path("said")) as f:
        said = f.read()
    if status != 0:
        fail(f"{args}: status {status}\n{said}")
    return usage.ru_maxrss * 1024, said.splitlines()[-1]


for connections in (4, 16, 64):
    repo = Repo(f"repo{connections}")
    repo.use_key_file()
    repo.init()
    repo.env["VITRINE_REPOSITORY"] = repo.where.replace(upstream, proxy.url)
    proxy.plan(latency=0.03)
    said = []
    bucket = f"memory{connections}"
    client.make_bucket(bucket)
    for what, *args in (("backup", "backup", tree), ("check", "check", "--read-data"),
                        ("restore", "restore", "latest:" + tree, "--target", path("out")),
                        ("restore to a bucket", "restore", "latest:" + tree, "--target",
                         f"s3:{proxy.url}/{bucket}"),
                        ("backup of it", "backup", f"s3:{proxy.url}/{bucket}")):
        repo.forget("cache")
        used, last = peak(repo, "--json", "--connections", str(connections), *args)
        said.append(f"{what} {used >> 20} MiB")
        if what == "backup of it" and (json.loads(last)["files"], json.loads(last)["bytes_new"]) \
                != (FILES, 0):
            fail(f"the bucket is not what was restored to it: {last}")
        if used > BUDGET + CONSTANT:
            fail(f"{what} at {connections} connections: {used >> 20} MiB, "
                 f"above {BUDGET + CONSTANT >> 20}")
    compare(tree, path("out"))
    os.system(f"rm -rf '{path('out')}'")
    passed(f"{connections} connections: " + ", ".join(said))
    repo.drop()
    for key, *_ in client.list(bucket):
        client.remove(bucket, key)
