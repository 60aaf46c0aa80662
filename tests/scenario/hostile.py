#!/usr/bin/python3
"""What somebody who took a put-only key could store: catalogs and manifests that
are sealed as they should be, and lie.  Each is told or served, in bounded time.

Run by hostile.sh, in its environment: the arguments are its directory $T, the
client's password file, the program forge, and "mount" where one can be tried.
"""
import os
import re
import struct
import subprocess
import sys

T, PASSWORD_FILE, FORGE = sys.argv[1:4]
PAGE = 16384
# What hangs, hangs for hours.
LIMIT_S = {"": 60, "address": 300, "thread": 600}[os.environ.get("SAN", "")]
EVIL = "evil\033]0;owned\007\033[2J\rx"
NODE = ("ino", "kind", "flags", "mode", "uid", "gid", "size", "mtime", "mtime_ns", "ctime",
        "ctime_ns", "nlink", "rdev_major", "rdev_minor", "parent", "xset", "src_dev",
        "src_ino", "target", "chunks")


def blob(b):
    return "x'%s'" % (b.encode() if isinstance(b, str) else b).hex()


def node(ino, kind, names, **more):
    """An entry, and its names: pairs of a directory's number and bytes."""
    v = dict.fromkeys(NODE, 0)
    v.update(ino=ino, kind=kind, mode=0o644, nlink=1, target="NULL", chunks="NULL")
    if kind == 1 and "size" not in more:
        v["chunks"] = "x''"
    if kind == 2:
        v.update(parent=names[0][0], target=blob(names[0][1]))
    v.update(more)
    return "INSERT INTO node VALUES(%s)\n" % ",".join(str(v[c]) for c in NODE) + "".join(
        "INSERT INTO dirent VALUES(%d,%s,%d)\n" % (d, blob(n), ino) for d, n in names)


def hole(n):
    return b"\2" + struct.pack("<Q", n)


# SQLite's pages, by hand.
def varint(v):
    out = [v & 0x7f]
    while v > 0x7f:
        v >>= 7
        out.insert(0, v & 0x7f | 0x80)
    return bytes(out)


def record(*values):
    head = body = b""
    for v in values:
        if v is None:
            head += b"\0"
        elif isinstance(v, int):
            head, body = head + b"\6", body + struct.pack(">q", v)
        else:
            text = isinstance(v, str)
            v = v.encode() if text else v
            head, body = head + varint(12 + text + 2 * len(v)), body + v
    return varint(len(head) + 1) + head + body


def page(kind, cells, right=None, base=0):
    at, pointers, out = PAGE, b"", bytearray(PAGE)
    for c in cells:
        c = c.ljust(4, b"\0")
        at -= len(c)
        out[at:at + len(c)] = c
        pointers += struct.pack(">H", at)
    head = struct.pack(">BHHHB", kind, 0, len(cells), at, 0)
    head += b"" if right is None else struct.pack(">I", right)
    out[base:base + len(head) + len(pointers)] = head + pointers
    return bytes(out)


def put(no, content, base=0):
    return "!page %d %d %s\n" % (no, base, content[base:].hex())


def count(n):
    return "!page 1 28 %08x\n" % n


def to_child(child, row):
    return struct.pack(">I", child) + row


def maze(root, row, leaf_row, table, first=17, levels=4):
    """A tree of a few pages in which every row is met some 10^10 times."""
    out = ""
    for i in range(levels):
        cells = [to_child(first + i, varint(2**40 + k) if table else varint(len(row)) + row)
                 for k in range(400)]
        out += put(root if i == 0 else first + i - 1,
                   page(5 if table else 2, cells, first + i))
    leaf = [varint(len(leaf_row)) + (varint(1000 + k) if table else b"") + leaf_row
            for k in range(100)]
    return out + put(first + levels - 1, page(13 if table else 10, leaf)) + \
        count(first + levels - 1)


def schema():
    """What the first page has, as the manual page says."""
    page5 = os.path.join(os.path.dirname(__file__), "../../index/vitrine-catalog.5")
    with open(page5, encoding="ascii") as f:
        text = f.read().split(".Sh SCHEMA")[1].split(".Bd -literal\n")[1].split("\n.Ed")[0]
    for i, sql in enumerate(re.sub("\n +", " ", text).split("\n")):
        kind, name, table = re.match(r"CREATE (?:UNIQUE )?(\w+) (\w+)(?: ON (\w+))?",
                                     sql).groups()
        yield record(kind.lower(), name, table or name, 2 + i, sql)


def maze_of_schema():
    """Behind the rows that there must be, one without end that SQLite passes over."""
    leaf = [varint(len(r)) + varint(1 + i) + r for i, r in enumerate(schema())]
    return put(1, page(5, [to_child(17, varint(100))], 18, 100), 100) + \
        put(17, page(13, leaf)) + maze(18, None, record("index", "node_source", "node", 11,
                                                        None), True, first=19)


NAME_ROW = record(7, b"abc", 9)
NODE_ROW = record(None, 1, *[0] * 9, 1, *[0] * 6, None, b"")

# By name: the lines (see forge.c).
LIES = {
    "honest": "",
    "text": node(6, 1, [(1, EVIL)]) + node(7, 3, [(1, "l")], target=blob(EVIL)) +
    "INSERT INTO owner VALUES(0,0,%s)\n" % blob(EVIL) +
    "!tag %s\n!user %s\n!root /%s\n" % (EVIL, EVIL, EVIL),
    "long ago": "!time -9223372036854775808\nUPDATE node SET mtime=-9223372036854775807\n",
    "not yet": "!time 9223372036854775807\nUPDATE node SET mtime=9223372036854775807\n",
    "last": "!sequence 18446744073709551615\n!counts 18446744073709551615\n",
    "holes": node(6, 1, [(1, "h")], size=2**62, flags=16) + "".join(
        "INSERT INTO segment VALUES(6,%d,%s)\n" % (i << 60, blob(hole(1 << 60)))
        for i in range(4)),
    "overlap": node(6, 1, [(1, "o")], size=300) + "".join(
        "INSERT INTO segment VALUES(6,%d,%s)\n" % (at, blob(hole(200))) for at in (0, 100)),
    "up": node(6, 1, [(1, "..")]),
    "out": node(6, 1, [(1, "../../escaped")]),
    "link out": node(6, 3, [(1, "etc")], target=blob(T)) + node(7, 1, [(6, "escaped")]),
    "link and directory": node(6, 3, [(1, "x")], target=blob(T)) +
    "INSERT INTO node SELECT 7,2,0,493,0,0,0,0,0,0,0,1,0,0,1,0,0,0,x'78',NULL\n" +
    node(8, 1, [(7, "escaped")]),
    "directory twice": "INSERT INTO dirent VALUES(1,x'7a',2)\n",
    "no extents": "UPDATE node SET chunks=x'01' WHERE ino=3\n",
    "other chunk": "UPDATE node SET chunks="
    "cast(substr(chunks,1,11) || zeroblob(32) AS BLOB) WHERE ino=3\n",
    "full key's pack": "UPDATE pack SET writer=0, wrap_kind=1, wrapped=NULL\n",
    "domain 0": "UPDATE pack SET domain=0, writer=0, wrap_kind=1, wrapped=NULL\n",
    "frame of 4 GiB": "UPDATE frame SET off=4294967295, stored=4294967295, raw=4294967295\n",
    "attributes": "INSERT INTO xset VALUES(1,zeroblob(32),16777216,NULL)\n"
    "WITH RECURSIVE c(i) AS (SELECT 8192 UNION ALL SELECT i+1 FROM c WHERE i<9557) "
    "INSERT INTO xpart SELECT i, zeroblob(12288) FROM c\nUPDATE node SET xset=1\n",
    "long row": "UPDATE node SET target=zeroblob(50000000) WHERE ino=4\n",
    "own parent": node(6, 2, [(6, "x")]),
    "ring": node(6, 2, [(7, "a")]) + node(7, 2, [(6, "b")]),
    "view": "CREATE VIEW v AS SELECT 1\n",
    "trigger": "CREATE TRIGGER t AFTER INSERT ON node BEGIN SELECT 1; END\n",
    "row without sql": "INSERT INTO sqlite_schema VALUES('index','node_source','node',11,NULL)\n",
    "roots": "UPDATE sqlite_schema SET rootpage=2 WHERE name='node'\n",
    "wal": "!page 1 18 0202\n",
    "pages": count(0xffffffff),
    "small": "!size 16384\n",
    "maze of names": maze(2, NAME_ROW, NAME_ROW, False),
    "maze of nodes": maze(3, None, NODE_ROW, True),
    "maze of the schema": maze_of_schema(),
}
# What has no right answer to "select * from files".
SQL_REFUSES = {"link out", "own parent", "ring", "view", "trigger", "row without sql",
               "maze of the schema", "small"}


def run(*argv, limit=LIMIT_S, may=(0, 3, 4), env=None):
    try:
        r = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True,
                           timeout=limit, env=env)
    except subprocess.TimeoutExpired:
        sys.exit("FAILED: %s: not in %d s" % (" ".join(argv), limit))
    if r.returncode not in may:
        sys.exit("FAILED: %s: status %d\n%s" % (" ".join(argv), r.returncode,
                                                r.stderr[-4000:].decode(errors="replace")))
    # Messages are for people: no name in them drives a terminal.
    if re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", r.stderr):
        sys.exit("FAILED: %s: raw bytes in %r" % (" ".join(argv), r.stderr))
    return r


def forge(lines):
    with open(T + "/lines", "w", encoding="latin-1") as f:
        f.write(lines if "!root" in lines else lines + "!root /\n")
    r = run(FORGE, os.environ["VITRINE_REPOSITORY"], PASSWORD_FILE, "catalog", T + "/lines",
            may=(0,), env=dict(os.environ, XDG_CACHE_HOME=T + "/client"))
    return r.stdout.decode().strip()


def look_at(lie, at, honest):
    print("==", lie)
    for i, argv in enumerate((["ls", "-lR", at + ":/"], ["cat", at + ":/dir/good"],
                              ["find", "--snapshot", at, "*"], ["diff", honest, at],
                              ["--json", "ls", "-R", at + ":/"])):
        r = run("vitrine", *argv, may=(0, 1, 3, 4) if i == 1 else (0, 3, 4))
        if i == 1 and r.stdout not in (b"", b"good content\n"):
            sys.exit("FAILED: %s: %r is served" % (lie, r.stdout))
    # A person's question goes through a maze: then it is the person's to end.
    if lie not in ("maze of names", "maze of nodes"):
        run("vitrine", "sql", at, "select * from files",
            may=(4,) if lie in SQL_REFUSES else (0, 4))
    target = "%s/targets/%s/in" % (T, at)
    os.makedirs(target)
    run("vitrine", "restore", at + ":/", "--target", target)
    if os.listdir(os.path.dirname(target)) != ["in"]:
        sys.exit("FAILED: %s: something stands beside the target" % lie)
    if lie != "holes":
        run("vitrine", "dump", at + ":/")


def main():
    at = {lie: forge(lines) for lie, lines in LIES.items()}
    before = sorted(os.listdir(T))
    os.mkdir(T + "/targets")
    for lie, snapshot in at.items():
        look_at(lie, snapshot, at["honest"])
    print("== all of them at once")
    for argv in (["snapshots"], ["--json", "snapshots"], ["find", "good"], ["stats"],
                 ["history", "/dir/good"]):
        run("vitrine", *argv)
    run("vitrine", "check", "--read-data", may=(4,))
    if "mount" in sys.argv[4:]:
        run("vitrine", "mount", T + "/mnt", may=(0,))
        for snapshot in at.values():
            run("find", T + "/mnt/by-id/" + snapshot[:8], "-ls", may=(0, 1))
            run("cat", T + "/mnt/by-id/" + snapshot[:8] + "/dir/good", may=(0, 1))
        run("vitrine", "umount", T + "/mnt", may=(0,))
    after = sorted(set(os.listdir(T)) - {"targets"})
    if after != before:
        sys.exit("FAILED: written outside: %r" % (set(after) ^ set(before)))


main()
