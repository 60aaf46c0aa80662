#!/usr/bin/python3
# Makes the seed corpora of the crypto and pack targets: tests/fuzz/pack_seeds.py,
# from the root of the tree.  Takes the objects of tests/unit/vectors.h.
import os
import re
import struct

import zstandard

ROOT = "tests/fuzz/corpus"
repo = bytes(range(100, 116))
run = bytes(range(200, 216))
salt = bytes(range(64, 96))

text = open("tests/unit/vectors.h").read()
v = {m.group(1): bytes(int(x, 16) for x in re.findall(r"0x(..),", m.group(2)))
     for m in re.finditer(r"v_(\w+)\[\] = \{(.*?)\};", text, re.S)}


def put(target, name, data):
    os.makedirs(f"{ROOT}/{target}", exist_ok=True)
    with open(f"{ROOT}/{target}/{name}", "wb") as f:
        f.write(data)


def padme(n):
    e = n.bit_length() - 1
    step = 1 << (e - e.bit_length())
    return (n + step - 1) // step * step


def head(kind, domain, writer):
    return b"VTRN" + bytes([kind, 1, 1, 0]) + repo + struct.pack(
        "<II", domain, writer)


put("slot", "key-file", v["slot"])
put("slot", "passphrase", v["slot_pass"])
put("sealed", "vector", v["sealed"])
size = padme(208 + 20 + 100)
put("sealed", "body", head(6, 0, 0) + run + salt + b"\1" + bytes(7 + 80)
    + struct.pack("<Q", size - 208) + bytes(32) + struct.pack("<I", 100)
    + bytes(size - 208 - 4))
put("plain", "vector", v["plain"])

put("frame", "stored", v["frame"])
chunks = [b"one", b"three" * 100]
for codec in (0, 1):
    body = b"".join(chunks)
    if codec == 1:
        body = zstandard.ZstdCompressor(3).compress(body)
    put("frame", f"plain-{codec}", bytes([codec, 0, 2, 0]) + b"".join(
        struct.pack("<I", len(c)) + b"prefix.." for c in chunks) + body)

off = 200 + 100 + 80
d = struct.pack("<IIBH", 100, 9, 0, 1) + struct.pack("<IIBH", 80, 9, 1, 2)
d += b"".join(bytes(32) + struct.pack("<I", n) for n in (9, 4, 5))
bare = off + len(d) + 40
d += bytes(padme(bare) - bare)
put("directory", "two", struct.pack("<QI", off, 2) + d)
put("directory", "none", struct.pack("<QI", 200, 0)
    + bytes(padme(240) - 240))

put("trailer", "two", struct.pack("<QQQI", padme(bare), off, len(d) + 16, 2)
    + b"VTRE")
for writer, kind, wrapped in ((0, 1, bytes(80)), (7, 2, v["wrapped"])):
    put("header", f"writer-{writer}", head(3, writer, writer) + run + salt
        + bytes([kind]) + bytes(7) + wrapped + bytes(32))
    put("record", f"writer-{writer}", bytes(32) + struct.pack(
        "<QIIB", padme(5000), writer, writer, 3) + run + salt + bytes([kind])
        + (wrapped if kind == 2 else b""))
