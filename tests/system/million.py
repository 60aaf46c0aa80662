#!/usr/bin/python3
# run: store=dir
"""Memory stays within --memory plus a constant, with a million entries and a 20 GiB
sparse file (DESIGN section 10: 7).  Shown for backup, an unchanged run, restore, check and a
mount that was walked.

    million.py [ENTRIES]
"""
import os
import subprocess
import sys
import time

from harness import Repo, VITRINE, compare, fail, mounts, passed, path

entries = int(sys.argv[1]) if len(sys.argv) > 1 else int(os.environ.get("ENTRIES", "1000000"))
budget, constant = 128 << 20, 48 << 20
repo = Repo()
repo.init()
tree = path("tree")
os.makedirs(tree)
made = 0
per = 2000
while made < entries:
    d = f"{tree}/dir-{made // per:05d}"
    os.mkdir(d)
    fd = os.open(d, os.O_RDONLY)
    for i in range(min(per, entries - made)):
        os.close(os.open(f"file-{i:05d}.txt", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=fd))
    os.close(fd)
    made += per
with open(f"{tree}/sparse", "wb") as f:
    for at in range(0, 20 << 30, 1 << 30):
        f.seek(at)
        f.write(os.urandom(100000))
    f.truncate(20 << 30)


def peak(*args):
    pid = os.fork()
    if pid == 0:
        null = os.open("/dev/null", os.O_RDWR)
        os.dup2(null, 1)
        os.execve(VITRINE, [VITRINE, "--memory", str(budget), *args], repo.env)
    _, status, usage = os.wait4(pid, 0)
    if status != 0:
        fail(f"{args[0]}: status {status}")
    bytes_ = usage.ru_maxrss * 1024
    text = f"{args[0]}: {bytes_ >> 20} MiB at the peak, {usage.ru_utime + usage.ru_stime:.1f} s of CPU"
    passed(text)
    if bytes_ > budget + constant:
        fail(f"{text}, above {budget + constant >> 20} MiB")


peak("backup", tree)
peak("backup", tree)
peak("check")
if os.path.exists("/dev/fuse"):
    point = path("mnt")
    os.mkdir(point)
    p = subprocess.Popen([VITRINE, "--memory", str(budget), "mount", "-f", "latest:" + tree, point],
                         env=repo.env)
    mounts.append(point)
    while not os.path.ismount(point):
        if p.poll() is not None:
            fail(f"the mount ended with {p.returncode}")
        time.sleep(0.1)
    n = int(subprocess.run(f"find {point} -printf x | wc -c", shell=True, check=True,
                           stdout=subprocess.PIPE).stdout)
    if n != entries + (entries + per - 1) // per + 2:
        fail(f"find over the mount counted {n}")
    with open(f"/proc/{p.pid}/status") as f:
        hwm = next(int(line.split()[1]) for line in f if line.startswith("VmHWM")) * 1024
    passed(f"mount after find: {hwm >> 20} MiB at the peak")
    if hwm > budget + constant:
        fail("the mount is above its budget")
    repo.run("umount", point)
    mounts.remove(point)
    p.wait()
peak("restore", "latest:" + tree, "--target", path("out"))
compare(tree, path("out"))
