#!/usr/bin/python3
# run: timeout=900
"""Memory stays within --memory plus a constant at any number of connections (DESIGN section
10: 7): 64 bodies of 32 MiB, in flight at once on a slow line, are what killed others."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))
os.environ["VITRINE_TEST_STORE"] = "s3"
from harness import Repo, VITRINE, compare, fail, path, passed, start_server, write  # noqa: E402
from proxy import Proxy  # noqa: E402

BUDGET, CONSTANT = 128 << 20, 48 << 20
if "VITRINE_TEST_S3_URL" not in os.environ:
    os.environ.update(start_server()[1])
upstream = os.environ["VITRINE_TEST_S3_HTTP"]
proxy = Proxy(upstream)
tree = path("tree")
for i in range(8):
    write(f"{tree}/big{i}", os.urandom(24 << 20))
for i in range(2000):
    write(f"{tree}/small/{i % 40}/{i}", os.urandom(3000))


def peak(repo, *args):
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open("/dev/null", os.O_RDWR), 1)
        os.execve(VITRINE, [VITRINE, "--memory", str(BUDGET), *args], repo.env)
    _, status, usage = os.wait4(pid, 0)
    if status != 0:
        fail(f"{args}: status {status}")
    return usage.ru_maxrss * 1024


for connections in (4, 16, 64):
    repo = Repo(f"repo{connections}")
    repo.use_key_file()
    repo.init()
    repo.env["VITRINE_REPOSITORY"] = repo.where.replace(upstream, proxy.url)
    proxy.plan(latency=0.03)
    said = []
    for args in (("backup", tree), ("check", "--read-data"),
                 ("restore", "latest:" + tree, "--target", path("out"))):
        repo.forget("cache")
        used = peak(repo, "--connections", str(connections), *args)
        said.append(f"{args[0]} {used >> 20} MiB")
        if used > BUDGET + CONSTANT:
            fail(f"{args[0]} at {connections} connections: {used >> 20} MiB, "
                 f"above {BUDGET + CONSTANT >> 20}")
    compare(tree, path("out"))
    os.system(f"rm -rf '{path('out')}'")
    passed(f"{connections} connections: " + ", ".join(said))
    repo.drop()
