#!/usr/bin/python3
# Makes the seed corpora of the catalog targets: tests/fuzz/catalog_seeds.py, from the
# root of the tree.
import os
import sqlite3
import struct
import tempfile

ROOT = "tests/fuzz/corpus"


def put(target, name, data):
    os.makedirs(f"{ROOT}/{target}", exist_ok=True)
    with open(f"{ROOT}/{target}/{name}", "wb") as f:
        f.write(data)


def data(length, frame, slot, fill):
    return struct.pack("<BIIH", 1, length, frame, slot) + bytes([fill]) * 32


def short(length, frame, slot, fill):
    return struct.pack("<BIIH", 3, length, frame, slot) + bytes([fill]) * 20


def hole(length):
    return struct.pack("<BQ", 2, length)


put("extent", "one", data(1, 1, 0, 1))
put("extent", "mixed", hole(1 << 40) + data(65536, 9, 8191, 2) + hole(1))
put("extent", "short", hole(1) + short(65536, 9, 8191, 2) + short(1, 1, 0, 1))
put("extent", "cut-short", short(65536, 9, 8191, 2)[:-1])
put("extent", "full", data(4096, 3, 1, 3) * 64)
put("extent", "too-many", data(4096, 3, 1, 3) * 65)
put("extent", "zero", hole(0))
put("extent", "overflow", hole(2**63 - 4097) + hole(2))


def xset(*pairs):
    return struct.pack("<I", len(pairs)) + b"".join(
        struct.pack("<B", len(n)) + n + struct.pack("<I", len(v)) + v
        for n, v in pairs)


put("xset", "none", xset())
put("xset", "two", xset((b"security.selinux", b"x\0"), (b"user.a", b"")))
put("xset", "unsorted", xset((b"user.b", b"1"), (b"user.a", b"2")))
put("xset", "twice", xset((b"user.a", b"1"), (b"user.a", b"2")))
put("xset", "nul", xset((b"us\0r", b"1")))


def mref(fill, twice):
    place = struct.pack("<IIIIH", 1, 2, 200, 1000, 3)
    return bytes([fill]) * 32 + place + (place if twice else b"\xff" * 18)


put("map", "leaf", bytes([2]) + b"\1" + mref(1, True) +
    b"\3" + mref(2, True) + mref(3, False) + mref(4, False))
put("map", "inner", bytes([3]) + mref(1, True) + mref(2, True))
put("map", "depth-0", bytes([0]) + b"\0")
put("map", "depth-4", bytes([0]) + b"\4" + mref(1, True) * 4)
put("map", "short", bytes([254]) + b"\1" + mref(1, True))


def patch(off, what):
    return off.to_bytes(3, "little") + bytes([len(what)]) + what


for target in ("catalog", "prove"):
    put(target, "good", b"")
    put(target, "header", patch(18, b"\2\2"))
    put(target, "freelist", patch(32, struct.pack(">II", 3, 40)))
    for page in range(1, 18):
        put(target, f"page-{page}-type", patch(page * 16384, b"\5"))
        put(target, f"page-{page}-cells", patch(page * 16384 + 3, b"\xff\xff"))
        put(target, f"page-{page}-end",
            patch(page * 16384 + 16320, b"\x81\xff\x7f" * 20))


def page(columns, sql, rows, first):
    """The last page of a database with these rows, or its first."""
    with tempfile.TemporaryDirectory() as d:
        db = sqlite3.connect(f"{d}/db")
        db.execute("PRAGMA page_size=16384")
        db.execute(sql)
        db.executemany("INSERT INTO t VALUES(" + ",".join("?" * columns) + ")",
                       rows)
        db.execute("DELETE FROM t WHERE a % 7 = 3")
        db.commit()
        db.close()
        with open(f"{d}/db", "rb") as f:
            pages = f.read()
    page = pages[:16384] if first else pages[-16384:]
    return bytes([int(first), 5 if first else columns]) + page.rstrip(b"\0")


put("btree", "first", page(2, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)",
    [(1, b"x")], True))
put("btree", "table", page(2, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)",
    [(i * 1000, b"x" * i) for i in range(50)], False))
put("btree", "index", page(3, "CREATE TABLE t(a, b, c, PRIMARY KEY(a, b)) "
    "WITHOUT ROWID", [(i, b"name%d" % i, None) for i in range(90)], False))
put("btree", "numbers", page(2, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)",
    [(i, -3 << i) for i in range(1, 60)], False))
