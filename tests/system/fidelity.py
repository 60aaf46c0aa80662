#!/usr/bin/python3
# run: also=address
"""Random trees with every oddity: backup, then mount and restore; nothing differs."""
import os

from harness import STORE, Repo, compare, fail, make_tree, passed

have_fuse = os.path.exists("/dev/fuse")
many = "100000" if STORE == "dir" else "10000"
for seed, options in ((1, ["--big", "--deep", "25"]), (2, []), (3, ["--entries", many]),
                      (4, [])):
    repo = Repo(f"repo{seed}")
    repo.init()
    tree = make_tree(f"tree{seed}", seed, *options)
    repo.backup(tree)
    if have_fuse:
        point = repo.mount("latest:" + tree)
        compare(tree, point)
        repo.umount(point)
    r = repo.restore("latest:" + tree, f"restored{seed}")
    compare(tree, r.target)
    # Nothing changed: an unchanged run, then the same again out of a second snapshot.
    second = repo.run("backup", tree)
    r = repo.restore("latest:" + tree, f"restored{seed}")
    compare(tree, r.target)
    check = repo.run("check", "--read-data")
    passed(f"seed {seed} {' '.join(options)}: same tree out of mount and restore")
