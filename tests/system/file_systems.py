#!/usr/bin/python3
# run: store=dir
"""Other file systems, each made on a loop device where this machine can: what was written a
moment ago is backed up as it is read, holes and all, and restored there it is the same."""
import os
import shutil
import subprocess

from harness import Repo, compare, fail, make_tree, mounts, passed, path, skip

KINDS = {
    "ext4 without extents": ["mkfs.ext4", "-q", "-F", "-O",
                             "^has_journal,^extents,^64bit,^metadata_csum"],
    "ext4": ["mkfs.ext4", "-q", "-F"],
    "xfs": ["mkfs.xfs", "-q", "-f"],
    "btrfs": ["mkfs.btrfs", "-q", "-f"],
}


def make(kind, point):
    """Mount a new one there, or say why not."""
    tool = KINDS[kind]
    if shutil.which(tool[0]) is None:
        return f"no {tool[0]}"
    image = path("image")
    with open(image, "wb") as f:
        f.truncate(1 << 30)
    os.makedirs(point)
    for call in ([*tool, image], ["mount", "-o", "loop", image, point]):
        p = subprocess.run(call, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if p.returncode != 0:
            return p.stderr.decode(errors="replace").strip()
    mounts.append(point)
    return None


def late_data(name):
    """Data far behind the beginning, which has no place on the disk yet."""
    with open(name, "wb") as f:
        f.truncate(10 << 20)
        f.seek(7380992)
        f.write(b"data")


if os.geteuid() != 0:
    skip("not root")
repo = Repo()
repo.init()
done = 0
for kind in KINDS:
    point = path("point")
    why = make(kind, point)
    if why is None:
        late_data(path("point/late"))
        what = repo.backup(path("point/late")) + ":" + path("point/late")
        if repo.run("cat", what).out[7380992:7380996] != b"data":
            fail(f"{kind}: what was just written is backed up as a hole")
        tree = make_tree("point/tree", 3, "--entries", "300")
        what = repo.backup(tree) + ":" + tree
        repo.run("restore", what, "--target", path("point/back"), "--verify")
        compare(tree, path("point/back"))
        subprocess.run(["umount", point], check=True)
        mounts.remove(point)
        passed(f"{kind}: as it was")
        done += 1
    else:
        print(f"{kind}: not tried: {why}")
    shutil.rmtree(point, ignore_errors=True)
if done == 0:
    skip("no file system can be made and mounted: " + why)
