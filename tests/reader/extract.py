"""Write a snapshot out as files, metadata included.  By directory descriptors,
so that paths may be of any length."""
import os
import stat

KIND = {4: stat.S_IFIFO, 5: stat.S_IFSOCK, 6: stat.S_IFCHR, 7: stat.S_IFBLK}
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


def metadata(tree, at, name, n):
    """Owner first, which clears set-id bits and capabilities; times last."""
    if os.geteuid() == 0:
        os.chown(name, n["uid"], n["gid"], dir_fd=at, follow_symlinks=False)
    path = b"/proc/self/fd/%d/" % at + name
    if n["kind"] != 3:
        os.chmod(path, n["mode"])
    for key, value in sorted(tree.xattrs(n["xset"]).items()):
        os.setxattr(path, key, value, follow_symlinks=False)
    when = n["mtime"] * 10**9 + n["mtime_ns"]
    os.utime(name, ns=(when, when), dir_fd=at, follow_symlinks=False)


def content(tree, at, name, n):
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=at)
    with os.fdopen(fd, "wb") as f:
        for off, data in tree.content(n):
            f.seek(off)
            f.write(data)
        f.truncate(n["size"])


def link(top, old, at, name):
    """Another name for what was made under the names `old'."""
    fd = os.dup(top)
    for part in old[:-1]:
        sub = os.open(part, DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd = sub
    os.link(old[-1], name, src_dir_fd=fd, dst_dir_fd=at, follow_symlinks=False)
    os.close(fd)


def entry(tree, top, made, at, names, n):
    name = names[-1]
    if n["kind"] == 2:
        os.mkdir(name, 0o700, dir_fd=at)
        sub = os.open(name, DIRECTORY, dir_fd=at)
        directory(tree, top, made, sub, names, n["ino"])
        os.close(sub)
    elif n["ino"] in made:
        return link(top, made[n["ino"]], at, name)
    elif n["kind"] == 1:
        content(tree, at, name, n)
    elif n["kind"] == 3:
        os.symlink(n["target"], name, dir_fd=at)
    else:
        os.mknod(name, KIND[n["kind"]] | 0o600, os.makedev(n["rdev_major"], n["rdev_minor"]),
                 dir_fd=at)
    made[n["ino"]] = names
    return metadata(tree, at, name, n)


def directory(tree, top, made, at, names, ino):
    for name, n in tree.names(ino):
        entry(tree, top, made, at, names + [name], n)


def extract(tree, target):
    os.makedirs(target, exist_ok=True)
    top = os.open(target, os.O_RDONLY | os.O_DIRECTORY)
    directory(tree, top, {}, top, [], 1)
    os.close(top)
