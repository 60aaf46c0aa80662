#!/usr/bin/python3
"""Seeds for the fuzz targets of engine/repo and engine/map, made from the format page
alone; prints the BLAKE2b-256 of each, which tests/unit/records_test.c compares with
what the program emits."""
import hashlib
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))


def U8(v):
    return struct.pack('<B', v)


def U16(v):
    return struct.pack('<H', v)


def U32(v):
    return struct.pack('<I', v)


def U64(v):
    return struct.pack('<Q', v)


def s16(b):
    return U16(len(b)) + b


def ident(n):
    return bytes([n]) * 32


def stamp(s, ns):
    return struct.pack('<qI', s, ns)


def pack_record(n, domain, kind, sealed=False):
    return ident(n) + U64(4096) + U32(domain) + U32(7 if sealed else 0) + \
        U8(kind) + bytes([n]) * 16 + ident(n + 1) + \
        (U8(2) + bytes([n]) * 80 if sealed else U8(1))


def place(pack, frame, off, size, slot):
    return U32(pack) + U32(frame) + U32(off) + U32(size) + U16(slot)


def mref(n, first, second=None):
    return ident(n) + first + (second or b'\xff' * 18)


def strings(*v):
    return U32(len(v)) + b''.join(s16(b) for b in v)


def manifest(pages=0, tail=2, name=b''):
    out = s16(b'host') + s16(b'ana') + s16(b'vitrine 0.1.0')
    out += stamp(1700000000, 5) + stamp(-1, 999999999)
    out += ident(1) + U64(2) + ident(2) + ident(3) + U32(3 if name else 1)
    out += strings(b'/etc', b'/home/ana', b'/home/\xff')
    out += strings(b'tag') + (s16(name) if name else b'') + strings(b'*.o', b'')
    out += U32(2) + ident(4) + U64(9) + ident(5) + ident(6) + U64(1) + ident(7)
    out += b''.join(U64(n) for n in (10, 20, 30, 40, 50, 60, 70))
    # catalog root
    base = 32 * pages
    out += U64(3 * 16384) + U8(1)
    out += mref(8, place(base, 0, 200, 900, 3), place(base + 1, 1, 1100, 800, 0))
    out += U32(17) + U32(pages)
    for p in range(pages):
        out += mref(9 + p, place(32 * (p + 1), 0, 200, 300, 1))
    out += U32(tail) + b''.join(pack_record(20 + i, 0, 4) for i in range(tail))
    return out


LEASE = U8(1) + U32(3) + s16(b'host') + stamp(1700000000, 7)
CONDEMNED = U8(2) + strings(b'0123-00000001', b'4567-00000002') + U32(2) + \
    ident(1) + ident(2)
DAMAGED = U32(2) + ident(1) + U8(1) + U32(0) + ident(2) + U8(0) + U32(2) + \
    U32(5) + U32(8)
FORWARDS = U32(2) + \
    ident(1) + pack_record(3, 0, 3) + U32(2) + \
    b''.join(U32(n) for n in (0, 1, 5, 200, 900, 4000, 2)) + \
    b''.join(U32(n) for n in (2, 0, 5, 200, 900, 4000, 3)) + \
    ident(2) + pack_record(4, 7, 3, True) + U32(1) + \
    b''.join(U32(n) for n in (9, 8, 7, 1100, 500, 600, 1))
FORGOTTEN = U32(2) + ident(1) + ident(2) + U64(3) + ident(4) + stamp(5, 6) + \
    ident(7) + ident(8) + U64(9) + bytes(32) + stamp(-5, 0)

TAGS = ident(1) + U64(3) + strings(b'', b'keep', b'keep 1', b'\xff')

HEAD = b'VTRN' + U8(1) + U8(1) + U16(1) + bytes(range(16)) + U32(0) + U32(0)
HEADER = HEAD + U32(1) + U32(0) + U64(0) * 3 + U32(32768) + U32(65536) + \
    U32(98304) + U32(0) + ident(9) + stamp(1700000000, 1) + U32(0) + ident(8)
TABLE = HEAD[:4] + U8(5) + HEAD[5:] + bytes(16) + ident(3) + U64(600) + U32(1) + \
    U32(2) + U32(1) + U32(2) + U32(1) + bytes(12) + ident(4)
INFO = b''.join(pack_record(n, 0, 3) + U32(2) + b''.join(
    U32(v) for v in (200, 900, 1000, 1100, 800, 4000)) for n in (1, 3)) + \
    ident(7) + bytes(50)
STATE = b'VTRNSTAT' + U32(1) + bytes(range(16)) + U32(1) + ident(1) + U32(2) + \
    ident(2) + U64(3) + ident(4) + U64(0) + bytes(32) + \
    ident(3) + U64(3) + ident(4) + U64(4) + ident(5)
VERIFIED = b'VTRNVRFY' + U32(1) + bytes(range(16)) + U32(2) + \
    bytes(7) + U8(1) + U64(1700000000) + bytes(7) + U8(2) + U64(1800000000)

COMMON = ident(2) + ident(9) + s16(b'host') + s16(b'ana') + s16(b'db') + \
    strings(b'/etc', b'/home') + strings(b'keep')
RECORD = U32(1) + U64(3) + ident(4) + stamp(1700000000, 1) + \
    U32(1) + U64(5) * 7 + U32(1) + ident(3) + U64(7) + ident(6)
LISTED = U32(3) + U32(2) + COMMON.replace(s16(b"db"), s16(b"")) + COMMON + \
    b''.join(U32(len(RECORD) + 32) + ident(n) + RECORD for n in (1, 2))

SEEDS = {
    'manifest': {'plain': manifest(), 'pages': manifest(3, 5),
                 'small': manifest(0, 1), 'named': manifest(1, 2, b'db')},
    'object': {'lease': U8(0) + LEASE, 'condemned': U8(1) + CONDEMNED,
               'damaged': U8(2) + DAMAGED, 'forwards': U8(3) + FORWARDS,
               'forgotten': U8(4) + FORGOTTEN, 'tags': U8(5) + TAGS},
    'repo_header': {'plain': HEADER,
                    'features': HEADER.replace(U64(0) * 3, U64(3) * 3)},
    'table': {'head': U8(0) + U8(0) + TABLE, 'info': U8(2) + U8(1) + INFO},
    'state': {'two': STATE},
    'verified': {'none': VERIFIED[:28] + U32(0), 'two': VERIFIED},
    'listed': {'two': LISTED},
}

for name, seeds in SEEDS.items():
    folder = os.path.join(HERE, 'corpus', name)
    os.makedirs(folder, exist_ok=True)
    for seed, data in seeds.items():
        with open(os.path.join(folder, seed), 'wb') as f:
            f.write(data)
LINEAGE = b'vitrine lineage' + U32(7) + s16(b'host') + U32(3) + s16(b'/etc') + \
    s16(b'/home/ana') + s16(b'/home/\xff')
for name, data in (('lineage', LINEAGE), ('named lineage', LINEAGE + s16(b'db')), ('lease', LEASE), ('condemned', CONDEMNED),
                   ('damaged', DAMAGED), ('forwards', FORWARDS),
                   ('forgotten', FORGOTTEN), ('tags', TAGS), ('manifest', manifest()),
                   ('manifest with pages', manifest(3, 5)),
                   ('named manifest', manifest(1, 2, b'db'))):
    print(hashlib.blake2b(data, digest_size=32).hexdigest(), name)
