#!/usr/bin/python3
# run: store=dir
"""A disk that takes writes and then fails to keep them: a restore that was written to it
fails, whoever synced first, and also where the disk is mounted below the target.

The disk is a loop device whose file lies in a file system that is too small for it."""
import os
import shutil
import subprocess

from harness import Repo, fail, mounts, passed, path, skip, write


def call(*args):
    return subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


class Disk:
    def __init__(self, size):
        self.room, self.point = path("room"), None
        os.makedirs(self.room)
        p = call("mount", "-t", "tmpfs", "-o", f"size={size}", "vitrine-test", self.room)
        if p.returncode != 0:
            skip("no mounts")
        mounts.append(self.room)
        image = os.path.join(self.room, "image")
        with open(image, "wb") as f:
            f.truncate(512 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1", image], check=True)
        self.image = image

    def mount(self, point):
        os.makedirs(point)
        p = call("mount", "-o", "loop", self.image, point)
        if p.returncode != 0:
            skip("no loop devices: " + p.stderr.decode(errors="replace").strip())
        mounts.append(point)
        self.point = point

    def end(self):
        for m in (self.point, self.room):
            subprocess.run(["umount", m], check=True)
            mounts.remove(m)
        os.rmdir(self.room)


if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
    skip("not root, or no mkfs.ext4")
repo = Repo()
repo.init()
tree = path("tree")
write(f"{tree}/small", b"small")
for i in range(60):
    write(f"{tree}/below/{i}", os.urandom(1 << 20))
what = repo.backup(tree) + ":" + tree
for where, options, small in (("", (), "24m"), ("/below", (), "24m"),
                              ("/below", ("--include", "5?"), "4m")):
    for size in (small, "120m"):
        disk, target = Disk(size), path("target")
        disk.mount(target + where)
        r = repo.run("restore", what, "--target", target, *options, expect=(0, 1, 3))
        if size != small and r.status != 0:
            fail(f"{target}{where}: exit {r.status} where all had room\n{r.text}")
        if size == small and (r.status == 0 or b"sync: " not in r.err):
            fail(f"{target}{where}: exit {r.status}, and what was written is lost\n{r.text}")
        disk.end()
        shutil.rmtree(target)
    passed(f"a disk that fails, mounted at target{where}: honest")
