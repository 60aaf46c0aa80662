"""The life of the repository of test vectors, run by make.sh in a root directory
of its own.  Everything that a reader must know how to read happens in it once.
"""
import os
import shutil
import stat
import struct
import subprocess

REPO, KEYS = "/repository/repo", "/repository"
FULL = f"{KEYS}/full.key"
HOME, SRV = "/home/ana", "/srv"


class Tree:
    """Files by path; each has a number, which still.c makes its inode number."""

    def __init__(self):
        self.numbers, self.seconds = {}, {}

    def stamp(self, path, at=None):
        n = self.numbers.setdefault(path, 1000 + 7 * len(self.numbers))
        at = self.seconds.get(path, 1500000000 + n * 1000) if at is None else at
        self.seconds[path] = at
        os.utime(path, ns=(at * 10**9 + n, at * 10**9 + n), follow_symlinks=False)

    def touch(self, path):
        self.stamp(path, self.seconds[path] + 60)

    def write(self, path, data, mode=0o644, owner=(1000, 1000)):
        with open(path, "wb") as f:
            f.write(data)
        os.chmod(path, mode)
        os.chown(path, *owner)
        self.stamp(path)

    def made(self, path, at=None):
        os.chown(path, 1000, 1000, follow_symlinks=False)
        self.stamp(path, at)

    def settle(self):
        """Directories last: their times were changed by what was done in them."""
        for top in ("/home", SRV):
            for path, _, _ in os.walk(top):
                self.stamp(path)
        self.stamp("/", 1500000000)


class Story:
    def __init__(self):
        self.step, self.tree = 0, Tree()

    def run(self, *argv, key=FULL, preload=True, status=0):
        self.step += 1
        env = dict(PATH="/usr/bin", LC_ALL="C", TZ="UTC", HOME="/tmp",
                   VITRINE_REPOSITORY=REPO, XDG_CACHE_HOME="/tmp/cache",
                   XDG_STATE_HOME="/tmp/state",
                   VITRINE_TEST_SEED=f"vectors {self.step}",
                   VITRINE_TEST_TIME=str(1800000000 + 3600 * self.step))
        if preload:
            env["LD_PRELOAD"] = "/tools/still.so"
        if key is None:
            env["VITRINE_PASSWORD_FILE"] = f"{KEYS}/password"
        elif argv[0].endswith("vitrine"):
            argv = [argv[0], "--key-file", key, *argv[1:]]
        p = subprocess.run(argv, env=env, input=b"", capture_output=True)
        if p.returncode != status:
            raise SystemExit(f"{argv}: {p.returncode}\n{p.stdout.decode()}{p.stderr.decode()}")

    def vitrine(self, *argv, **kw):
        self.run("/tools/vitrine", *argv, **kw)

    def emit(self, *argv):
        self.run("/tools/emit", REPO, FULL, *argv, preload=False)

    def objects(self):
        return {os.path.join(d, f) for d, _, names in os.walk(REPO) for f in names}

    def backup(self, host, path, key=FULL):
        """The new snapshot's id, and the data packs that came with it."""
        self.tree.settle()
        before = self.objects()
        self.vitrine("backup", "--host", host, "--tag", "vector", path, key=key)
        new = self.objects() - before
        (snapshot,) = [os.path.basename(p) for p in new if "/snapshots/" in p]
        packs = [p for p in new if "/packs/" in p and open(p, "rb").read(5)[4] == 3]
        return snapshot, sorted(os.path.basename(p) for p in packs)

    def drop_pack(self, pack):
        os.unlink(f"{REPO}/packs/{pack[:2]}/{pack}")


def acl(*entries):
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in entries)


def first_tree(t):
    """All kinds of files, and what can be odd about them."""
    for d in ("dir", "dir/deeper", "empty", "many", "odd"):
        os.mkdir(f"{HOME}/{d}")
        t.made(f"{HOME}/{d}")
    os.chmod(f"{HOME}/empty", 0o1777)
    t.write(f"{HOME}/letter", b"a letter\n", 0o600)
    t.write(f"{HOME}/nothing", b"")
    t.write(f"{HOME}/program", b"#!/bin/sh\nexit 0\n", 0o4755, (0, 0))
    t.write(f"{HOME}/dir/large", b"".join(b"line %d of many\n" % (i % 977) for i in range(30000)))
    with open(f"{HOME}/dir/holes", "wb") as f:
        for i in range(3):
            f.seek(i << 20)
            f.write(b"island %d\n" % i * 500)
        f.truncate(5 << 20)
    t.made(f"{HOME}/dir/holes")
    for i in range(3):
        os.link(f"{HOME}/letter", f"{HOME}/dir/deeper/letter {i}")
    os.symlink("../letter", f"{HOME}/dir/link")
    os.symlink(b"\xff\n" + b"x" * 300, f"{HOME}/dangling")
    os.mkfifo(f"{HOME}/fifo", 0o640)
    os.mknod(f"{HOME}/socket", stat.S_IFSOCK | 0o755)
    os.mknod(f"{HOME}/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(f"{HOME}/disk", stat.S_IFBLK | 0o600, os.makedev(4095, 1048575))
    for name in ("dir/link", "dangling", "fifo", "socket", "null", "disk"):
        t.made(f"{HOME}/{name}")
    os.link(f"{HOME}/dangling", f"{HOME}/dangling too")
    for name in (b" ", b"-rf", b"a\nb", b"\xff\xfe", b"\x01\x7f", b"back\\slash", b"...",
                 b"x" * 255, "ünï".encode()):
        t.write(os.fsencode(f"{HOME}/odd/") + name, name)
    for i in range(300):
        t.write(f"{HOME}/many/{i * 7919 % 300:03d}", b"", 0o600 + i % 64)
    for i, at in enumerate((-1, 0, 2**31, 2**33)):
        t.write(f"{HOME}/odd/time {i}", b"then\n")
        t.stamp(f"{HOME}/odd/time {i}", at)


def attributes(t):
    os.setxattr(f"{HOME}/letter", "user.color", b"blue")
    os.setxattr(f"{HOME}/letter", "user.empty", b"")
    os.setxattr(f"{HOME}/dir", "user.color", b"blue")
    os.setxattr(f"{HOME}/dangling", "trusted.odd", b"\0\xff", follow_symlinks=False)
    os.setxattr(f"{HOME}/program", "security.capability",
                struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0))
    nobody = 2**32 - 1
    rules = acl((1, 6, nobody), (2, 4, 1000), (4, 4, nobody), (16, 6, nobody), (32, 0, nobody))
    os.setxattr(f"{HOME}/dir/large", "system.posix_acl_access", rules)
    os.setxattr(f"{HOME}/dir/deeper", "system.posix_acl_default", rules)
    for i in range(5):
        os.setxattr(f"{HOME}/nothing", f"trusted.large{i}", b"%d" % i * 3000)
    for name in ("letter", "program", "dir/large", "nothing", "dangling"):
        t.stamp(f"{HOME}/{name}")


def keys(s):
    """A passphrase, a key file, and two put-only keys, one of which shares domain 0."""
    with open(f"{KEYS}/password", "wb") as f:
        f.write(b"correct horse battery staple\n")
    for i, name in enumerate(("full", "web", "old")):
        with open(f"{KEYS}/{name}.key", "wb") as f:
            f.write(bytes((97 * i + 31 * j + 5) % 256 for j in range(64)))
    s.vitrine("init", "--chunk-size", "4K", "--label", "made for tests", key=None)
    s.vitrine("key", "add", "--new-key-file", FULL, "--label", "in the safe", key=None)
    s.vitrine("key", "add", "--new-key-file", f"{KEYS}/web.key", "--put-only", "--host", "web")
    before = s.objects()
    s.vitrine("key", "add", "--new-key-file", f"{KEYS}/old.key", "--put-only", "--host", "old",
              "--share", "--label", "to be revoked")
    (slot,) = s.objects() - before
    return slot


def changes(s):
    """Snapshots that differ by little: deltas of deltas, and a list of packs that is
    longer than a manifest holds.  Then changes of every kind."""
    t, found = s.tree, []
    for i in range(33):
        t.touch(f"{HOME}/many/{i % 3 * 100:03d}")
        found.append(s.backup("ana", HOME)[0])
    t.write(f"{HOME}/dir/new", b"new\n")
    t.write(f"{HOME}/letter", b"another letter\n", 0o600)
    t.touch(f"{HOME}/letter")
    os.rename(f"{HOME}/dir/deeper", f"{HOME}/moved")
    t.numbers[f"{HOME}/moved"] = t.numbers[f"{HOME}/dir/deeper"]
    os.unlink(f"{HOME}/fifo")
    t.touch(f"{HOME}/dir")
    t.touch(HOME)
    return found, *s.backup("ana", HOME)


def large_catalog(s):
    """More than 128 blocks: a map of two levels, at little cost, as zeros take none."""
    os.mkdir(f"{SRV}/large")
    s.tree.write(f"{SRV}/large/file", b"with attributes\n")
    for i in range(140):
        os.setxattr(f"{SRV}/large/file", f"trusted.a{i:03d}", bytes(65536))
    s.tree.stamp(f"{SRV}/large/file")
    s.backup("ana", f"{SRV}/large")


def put_only(s, slot):
    """One put-only writer twice; another, revoked between its two snapshots."""
    for name in ("web", "old"):
        os.mkdir(f"{SRV}/{name}")
        for i in range(3):
            s.tree.write(f"{SRV}/{name}/page {i}", b"page %d of " % i + name.encode() * 3000)
    s.backup("web", f"{SRV}/web", f"{KEYS}/web.key")
    s.tree.write(f"{SRV}/web/page 3", b"one more page of web\n")
    s.tree.touch(f"{SRV}/web")
    s.backup("web", f"{SRV}/web", f"{KEYS}/web.key")
    s.backup("old", f"{SRV}/old", f"{KEYS}/old.key")
    shutil.copy(slot, "/tmp/slot")
    s.vitrine("key", "remove", os.path.basename(slot)[:12])
    # Whoever held the key may have kept the slot.
    shutil.copy("/tmp/slot", slot)
    s.tree.write(f"{SRV}/old/page 3", b"too late\n")
    s.tree.touch(f"{SRV}/old")
    s.backup("old", f"{SRV}/old", f"{KEYS}/old.key")
    os.unlink(slot)


def main():
    os.umask(0o022)
    s = Story()
    slot = keys(s)
    first_tree(s.tree)
    attributes(s.tree)
    _, first_packs = s.backup("ana", HOME)
    s.backup("ana", HOME)
    same, changed, changed_packs = changes(s)
    large_catalog(s)
    put_only(s, slot)
    # A repack moved all that the first snapshot brought: forwards tell where to.
    s.emit("repack", *first_packs)
    for pack in first_packs:
        s.drop_pack(pack)
    # A condemned pack does not count as known: another stores the same again, and
    # once the pack is gone the tables tell where to find it.
    s.emit("condemn", "1", *changed_packs)
    s.backup("bob", HOME)
    s.emit("condemn", "2", *changed_packs)
    for pack in changed_packs:
        s.drop_pack(pack)
    s.emit("damaged", *changed_packs, *first_packs)
    # Two snapshots taken away on purpose, which leave their tombstones.
    s.emit("forget", *same[4:6])
    for snapshot in same[4:6]:
        os.unlink(f"{REPO}/snapshots/{snapshot}")
    # A collector at work, and a commit that died before its last step.
    s.emit("lease")
    os.makedirs(f"{REPO}/pending", exist_ok=True)
    shutil.copy(f"{REPO}/snapshots/{changed}", f"{REPO}/pending/{changed}")


main()
