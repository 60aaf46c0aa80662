#!/usr/bin/python3
"""What shell tools don't reach of a mounted tree: system calls and their results.

    mount_probe.py erofs DIR FILE       whatever writes answers EROFS
    mount_probe.py reads SOURCE FILE    pread, mmap, O_DIRECTORY, O_DIRECT, beyond the end
    mount_probe.py holes SOURCE FILE    SEEK_DATA and SEEK_HOLE
    mount_probe.py dir DIR COUNT        rewinddir, seekdir, several readers
    mount_probe.py xattrs SOURCE FILE   attributes into rooms of each size
    mount_probe.py damage FILE SIZE     some pages EIO, the rest reads; says how many
    mount_probe.py nfs DIR              every name's handle opens again after the caches
                                        were dropped (root)
"""
import ctypes
import errno
import mmap
import os
import random
import sys
import threading

libc = ctypes.CDLL(None, use_errno=True)


class Dirent(ctypes.Structure):
    _fields_ = [("ino", ctypes.c_uint64), ("off", ctypes.c_int64),
                ("reclen", ctypes.c_ushort), ("type", ctypes.c_ubyte),
                ("name", ctypes.c_char * 256)]


libc.opendir.restype = ctypes.c_void_p
libc.readdir.restype = ctypes.POINTER(Dirent)
libc.readdir.argtypes = libc.rewinddir.argtypes = [ctypes.c_void_p]
libc.closedir.argtypes = [ctypes.c_void_p]
libc.getxattr.restype = libc.listxattr.restype = ctypes.c_ssize_t
libc.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]


def erofs(directory, file):
    name = os.path.join(directory, "new")
    other = os.path.join(directory, "other")
    calls = [
        (os.open, file, os.O_RDWR), (os.open, file, os.O_WRONLY | os.O_APPEND),
        (os.open, file, os.O_RDONLY | os.O_TRUNC),
        (os.open, name, os.O_CREAT | os.O_WRONLY),
        (os.open, directory, os.O_TMPFILE | os.O_RDWR),
        (os.mkdir, name), (os.mkfifo, name), (os.mknod, name),
        (os.symlink, "x", name), (os.link, file, other),
        (os.rename, file, other), (os.unlink, file), (os.rmdir, directory),
        (os.chmod, file, 0o600), (os.chown, file, 1, 1), (os.utime, file),
        (os.truncate, file, 0), (os.setxattr, file, "user.x", b"1"),
        (os.removexattr, file, "user.x"),
    ]
    for call, *args in calls:
        try:
            call(*args)
        except OSError as e:
            assert e.errno == errno.EROFS, (call, args, e)
        else:
            raise AssertionError((call, args, "worked"))
    assert not os.access(file, os.W_OK)


def reads(source, file):
    want = open(source, "rb").read()
    size = len(want)
    f = os.open(file, os.O_RDONLY)
    assert os.fstat(f).st_size == size
    rnd = random.Random(1)
    for _ in range(300):
        off = rnd.randrange(size + 10000)
        n = rnd.randrange(1, 300000)
        assert os.pread(f, n, off) == want[off:off + n], (off, n)
    assert os.lseek(f, size + (1 << 40), os.SEEK_SET) == size + (1 << 40)
    assert os.read(f, 100) == b""
    with mmap.mmap(f, 0, prot=mmap.PROT_READ) as m:
        assert m[:] == want
    os.close(f)
    f = os.open(file, os.O_RDONLY | os.O_DIRECT)
    buf = mmap.mmap(-1, 1 << 20)
    got = b""
    while True:
        n = os.preadv(f, [buf], len(got))
        if n == 0:
            break
        got += buf[:n]
    assert got == want
    os.close(f)


def stretches(path):
    f = os.open(path, os.O_RDONLY)
    found, pos = [], 0
    try:
        while True:
            data = os.lseek(f, pos, os.SEEK_DATA)
            pos = os.lseek(f, data, os.SEEK_HOLE)
            found.append((data, pos))
    except OSError as e:
        assert e.errno == errno.ENXIO
    size = os.fstat(f).st_size
    for whence in (os.SEEK_DATA, os.SEEK_HOLE):
        try:
            os.lseek(f, size, whence)
        except OSError as e:
            assert e.errno == errno.ENXIO
        else:
            raise AssertionError("seek at the end")
    os.close(f)
    return found


def holes(source, file):
    want, have = stretches(source), stretches(file)
    blocks = os.stat(file).st_blocks * 512
    assert sum(b - a for a, b in have) <= blocks + 4096 * len(have), blocks
    # Chunks have no fixed edges: data may be shown where zeros are, never a hole
    # where data is.
    for a, b in want:
        assert any(c <= a and b <= d for c, d in have), (want, have)
    assert blocks <= os.stat(source).st_blocks * 512 + (1 << 20), blocks


def entries(d):
    found = []
    while True:
        e = libc.readdir(d)
        if not e:
            return found
        found.append((e.contents.name, e.contents.off))


def read_directory(path, count, seed, failed):
    try:
        rnd = random.Random(seed)
        d = libc.opendir(path)
        first = entries(d)
        assert len(first) == count + 2, len(first)
        assert len({name for name, _ in first}) == count + 2
        for _ in range(20):
            k = rnd.randrange(len(first) - 1)
            libc.seekdir(d, first[k][1])
            assert libc.readdir(d).contents.name == first[k + 1][0], k
        libc.rewinddir(d)
        assert entries(d) == first
        libc.closedir(d)
    except BaseException as e:
        failed.append(e)
        raise


def directory(path, count):
    path, failed = os.fsencode(path), []
    readers = [threading.Thread(target=read_directory,
                                args=(path, int(count), i, failed))
               for i in range(3)]
    for t in readers:
        t.start()
    for t in readers:
        t.join()
    assert not failed
    if os.geteuid() == 0:
        # Positions that nobody remembers.
        with open("/proc/sys/vm/drop_caches", "w") as f:
            f.write("2\n")
    d = libc.opendir(path)
    names = sorted(os.listdir(path))
    for k in (len(names) // 2, 3, len(names) - 1, len(names) // 3):
        libc.seekdir(d, k + 2)
        assert libc.readdir(d).contents.name == names[k], k
    libc.closedir(d)


def room(call, *args, size):
    """What a call gives that takes a buffer of that size: its bytes, with a size of 0
    their number, or the name of its error."""
    buf = ctypes.create_string_buffer(max(size, 1))
    n = call(*args, buf if size > 0 else None, ctypes.c_size_t(size))
    if n < 0:
        return errno.errorcode[ctypes.get_errno()]
    return buf.raw[:n] if size > 0 else n


def in_rooms(want, call, *args):
    assert room(call, *args, size=0) == len(want), args
    for size in {1, len(want) // 2, len(want) - 1} - {0, -1}:
        if size < len(want):
            assert room(call, *args, size=size) == "ERANGE", (args, size)
    for size in (len(want), len(want) + 1, 65536):
        if size > 0:
            assert room(call, *args, size=size) == want, (args, size)


def xattrs(source, file):
    path = os.fsencode(file)
    names = sorted(os.listxattr(source))
    listed = room(libc.listxattr, path, size=65536)
    assert sorted(listed.split(b"\0")[:-1]) == [os.fsencode(n) for n in names], listed
    in_rooms(listed, libc.listxattr, path)
    for name in names:
        in_rooms(os.getxattr(source, name), libc.getxattr, path, os.fsencode(name))
    for size in (0, 1, 65536):
        assert room(libc.getxattr, path, b"user.no", size=size) == "ENODATA", size
    print(len(names), "attributes")


def damage(path, size):
    f = os.open(path, os.O_RDONLY)
    bad = 0
    for off in range(0, int(size), 4096):
        try:
            assert len(os.pread(f, 4096, off)) == min(4096, int(size) - off)
        except OSError as e:
            assert e.errno == errno.EIO
            bad += 1
    assert os.fstat(f).st_size == int(size)
    assert bad > 0
    print("bad pages", bad, "of", (int(size) + 4095) // 4096)


class Handle(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_uint), ("type", ctypes.c_int),
                ("b", ctypes.c_ubyte * 128)]


def nfs(directory):
    handles = []
    for path, dirs, files in os.walk(directory):
        for name in dirs + files:
            full = os.path.join(path, name)
            h, mount = Handle(bytes=128), ctypes.c_int()
            if libc.name_to_handle_at(-100, os.fsencode(full),
                                      ctypes.byref(h), ctypes.byref(mount),
                                      0) != 0:
                raise OSError(ctypes.get_errno(), full)
            handles.append((os.lstat(full), h))
    with open("/proc/sys/vm/drop_caches", "w") as f:
        f.write("2\n")
    root = os.open(directory, os.O_RDONLY)
    for st, h in handles:
        fd = libc.open_by_handle_at(root, ctypes.byref(h), os.O_PATH)
        if fd < 0:
            raise OSError(ctypes.get_errno(), "open_by_handle_at")
        now = os.fstat(fd)
        assert (now.st_ino, now.st_size, now.st_mode, now.st_mtime_ns) == \
            (st.st_ino, st.st_size, st.st_mode, st.st_mtime_ns)
        os.close(fd)
    print(len(handles), "handles")


if __name__ == "__main__":
    {"erofs": erofs, "reads": reads, "holes": holes, "dir": directory, "xattrs": xattrs,
     "damage": damage, "nfs": nfs}[sys.argv[1]](*sys.argv[2:])
