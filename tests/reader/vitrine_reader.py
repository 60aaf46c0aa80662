#!/usr/bin/python3
"""An independent reader of vitrine repositories, written from vitrine-format(5)
and vitrine-catalog(5) alone.  It shares no code with vitrine: where the two
disagree, one of them (or the page) is wrong.

    vitrine_reader.py REPOSITORY PASSPHRASE-FILE list
    vitrine_reader.py REPOSITORY PASSPHRASE-FILE digest SNAPSHOT
    vitrine_reader.py REPOSITORY PASSPHRASE-FILE extract SNAPSHOT DIRECTORY
    vitrine_reader.py REPOSITORY PASSPHRASE-FILE catalog SNAPSHOT FILE
    vitrine_reader.py REPOSITORY PASSPHRASE-FILE verify

`list' names the snapshots, `digest' prints one line an entry with a hash of its
content, `catalog' writes out the SQLite file, `verify' reads every object.
"""
import hashlib
import os
import sqlite3
import stat
import struct
import sys

import nacl.bindings as sodium
import nacl.pwhash
import zstandard


class Damage(Exception):
    """Bytes that are not what the page says."""


def need(condition, what):
    if not condition:
        raise Damage(what)


def blake(data, key=b"", person=b""):
    return hashlib.blake2b(data, digest_size=32, key=key, person=person).digest()


def derive(key, label, message=b""):
    return blake(message, key=key, person=label.encode())


def nonce(number):
    return bytes(4) + struct.pack("<Q", number)


def unseal(key, number, ad, sealed, what):
    try:
        return sodium.crypto_aead_chacha20poly1305_ietf_decrypt(
            sealed, ad, nonce(number), key)
    except Exception as e:
        raise Damage(f"{what}: the seal does not hold") from e


def padme(size):
    if size < 2:
        return size
    e = size.bit_length() - 1
    s = e.bit_length()
    unit = 1 << (e - s)
    return (size + unit - 1) // unit * unit


class Reader:
    """Integers and bytes off a string, refusing to run past its end."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        need(0 <= n <= len(self.data) - self.at, "bytes are missing")
        self.at += n
        return self.data[self.at - n:self.at]

    def u(self, n):
        return int.from_bytes(self.take(n), "little")

    def u8(self): return self.u(1)
    def u16(self): return self.u(2)
    def u32(self): return self.u(4)
    def u64(self): return self.u(8)
    def i64(self): return int.from_bytes(self.take(8), "little", signed=True)
    def id(self): return self.take(32)
    def string(self): return self.take(self.u16())
    def strings(self): return [self.string() for _ in range(self.limited(65535))]

    def limited(self, most):
        n = self.u32()
        need(n <= most, "a count above its limit")
        return n

    def zeros(self, n):
        need(self.take(n) == bytes(n), "bytes that must be zero are not")

    def rest(self):
        return self.take(len(self.data) - self.at)

    def end(self):
        need(self.at == len(self.data), "bytes are left over")

    def end_zeros(self):
        need(not any(self.data[self.at:]), "bytes that must be zero are not")


KIND = dict(header=1, slot=2, data=3, meta=4, table=5, manifest=6, lease=7,
            condemned=8, forwards=9, forgotten=10, damaged=11, revocation=12)


class Head:
    def __init__(self, r, repo, *kinds):
        need(r.take(4) == b"VTRN", "no vitrine object")
        self.kind, version, generation = r.u8(), r.u8(), r.u16()
        need(version == 1 and generation == 1, "made by a newer vitrine")
        self.repo, self.domain, self.writer = r.take(16), r.u32(), r.u32()
        need(self.kind in [KIND[k] for k in kinds], "another kind of object")
        need(repo is None or self.repo == repo, "another repository's object")


class PackRecord:
    def __init__(self, r):
        self.id, self.size = r.id(), r.u64()
        self.domain, self.writer, self.kind = r.u32(), r.u32(), r.u8()
        self.run, self.salt, self.wrap = r.take(16), r.take(32), r.u8()
        need(self.kind in (3, 4) and self.wrap in (1, 2), "bad pack record")
        self.wrapped = r.take(80) if self.wrap == 2 else bytes(80)


class Repository:
    def __init__(self, path, passphrase):
        self.path = path
        raw = self.load("vitrine")
        self.header_digest = blake(raw)
        r = Reader(raw)
        self.id = Head(r, None, "header").repo
        r.u32(), r.zeros(4)
        need(r.u64() == 0, "a feature that this reader does not know")
        r.take(16)
        r.take(12), r.zeros(4)
        public = r.take(32)
        r.take(12), r.zeros(4)
        mac = r.take(32)
        r.end()
        self.master = self.unlock(passphrase)
        need(mac == derive(derive(self.master, "header"), "header", raw[:128]),
             "the header is forged")
        self.wrap_key = derive(self.master, "wrap")
        self.x_secret = derive(self.master, "x25519")
        self.x_public = sodium.crypto_scalarmult_base(self.x_secret)
        need(public == self.x_public, "the header's public key is another")
        self.frames = {}

    # The store.
    def load(self, name):
        with open(os.path.join(self.path, name), "rb") as f:
            return f.read()

    def names(self, folder):
        top = os.path.join(self.path, folder)
        return sorted(os.listdir(top)) if os.path.isdir(top) else []

    def object(self, folder, name):
        raw = self.load(f"{folder}/{name}")
        need(blake(raw).hex() == name, f"{folder}/{name}: not the bytes it is named for")
        return raw

    # Keys.
    def unlock(self, passphrase):
        for name in self.names("keys"):
            raw = self.object("keys", name)
            r = Reader(raw)
            if Head(r, self.id, "slot", "revocation").kind != KIND["slot"]:
                continue
            kind, role = r.u8(), r.u8()
            r.zeros(2)
            ops, mem, salt = r.u32(), r.u64(), r.take(16)
            need(ops <= 64 and mem <= 4 << 30, "Argon2id above its limits")
            secrets, record = r.u32(), r.u32()
            sealed = r.take(secrets)
            r.take(record)
            r.end()
            if kind == 1:
                key = nacl.pwhash.argon2id.kdf(32, passphrase, salt, ops, mem)
            else:
                key = derive(blake(passphrase), "key file", salt)
            try:
                plain = unseal(key, 0, raw[:72], sealed, "slot")
            except Damage:
                continue
            need(role == 0 and len(plain) == 32, "a put-only slot can't read")
            return plain
        raise Damage("no key slot opens with this passphrase")

    def writer_key(self, writer):
        return derive(self.master, "writer", struct.pack("<I", writer))

    def domain_key(self, domain, label):
        return derive(derive(self.master, "domain", struct.pack("<I", domain)), label)

    def chunk_id(self, domain, data):
        return blake(data, key=self.domain_key(domain, "id"))

    def session_key(self, wrap, wrapped, run, salt):
        if wrap == 1:
            need(wrapped == bytes(80), "wrapped bytes that must be zero")
            return derive(self.wrap_key, "session", run + salt)
        need(wrap == 2, "an unknown wrap")
        return sodium.crypto_box_seal_open(wrapped, self.x_public, self.x_secret)

    def context(self, domain, kind, salt):
        return self.id + struct.pack("<IB", domain, kind) + salt

    # Sealed and plain objects.
    def sealed(self, raw, *kinds):
        r = Reader(raw)
        head = Head(r, self.id, *kinds)
        run, salt, wrap = r.take(16), r.take(32), r.u8()
        r.zeros(7)
        wrapped, length, mac = r.take(80), r.u64(), r.take(32)
        body = r.take(length)
        r.end()
        need(mac == derive(self.writer_key(head.writer), "object", raw[:176]),
             "a forged object")
        need(len(raw) == padme(len(raw)), "an object that is not padded")
        session = self.session_key(wrap, wrapped, run, salt)
        key = derive(session, "body", self.context(head.domain, head.kind, salt))
        plain = Reader(unseal(key, 0, raw[:208], body, "object"))
        content = plain.take(plain.u32())
        plain.end_zeros()
        return head, content

    def plain(self, raw, kind):
        r = Reader(raw)
        head = Head(r, self.id, kind)
        r.take(16)
        content = r.take(r.u32())
        mac = r.take(32)
        r.end()
        need(mac == derive(self.writer_key(head.writer), "plain", raw[:-32]),
             "a forged object")
        return Reader(content)

    # Packs.
    def seal_keys(self, record):
        session = self.session_key(record.wrap, record.wrapped, record.run, record.salt)
        c = self.context(record.domain, record.kind, record.salt)
        return derive(session, "frames", c), derive(session, "directory", c)

    def pack_path(self, pack_id):
        return f"packs/{pack_id.hex()[:2]}/{pack_id.hex()}"

    def frame(self, record, number, offset, stored):
        """A frame's chunks and the prefixes of their ids."""
        slot = (record.id, number)
        if slot in self.frames:
            return self.frames[slot]
        with open(os.path.join(self.path, self.pack_path(record.id)), "rb") as f:
            f.seek(offset)
            raw = f.read(stored)
        self.frames.clear()
        self.frames[slot] = self.open_frame(record, number, raw)
        return self.frames[slot]

    def open_frame(self, record, number, raw):
        r = Reader(raw)
        n, codec = r.u32(), r.u8()
        r.zeros(3)
        sealed = r.take(n)
        r.end()
        ad = (self.id + struct.pack("<IBBH", record.domain, record.kind, codec, 0)
              + record.salt + struct.pack("<I", number))
        p = Reader(unseal(self.seal_keys(record)[0], number, ad, sealed, "frame"))
        need(p.u8() == codec and p.u8() == 0, "a frame that contradicts itself")
        count = p.u16()
        need(1 <= count <= 8192, "too many slots")
        slots = [(p.u32(), p.take(8)) for _ in range(count)]
        total = sum(length for length, _ in slots)
        need(total <= 17 << 20, "a frame above its limit")
        body = p.rest()
        if codec == 1:
            body = zstandard.ZstdDecompressor(max_window_size=8 << 20).decompress(
                body, max_output_size=total)
        need(codec in (0, 1) and len(body) == total, "a frame of another length")
        out, at = [], 0
        for length, prefix in slots:
            need(1 <= length <= 16 << 20, "a slot above its limit")
            out.append((prefix, body[at:at + length]))
            at += length
        return out

    def chunk(self, record, number, offset, stored, slot, chunk_id):
        prefix, data = self.frame(record, number, offset, stored)[slot]
        need(prefix == chunk_id[:8] and self.chunk_id(record.domain, data) == chunk_id,
             "another chunk than the one named")
        return data

    def pack(self, pack_id):
        """Read a whole pack: its record, and for each frame its place and ids."""
        raw = self.load(self.pack_path(pack_id))
        need(blake(raw) == pack_id, "not the bytes it is named for")
        need(len(raw) == padme(len(raw)), "a pack that is not padded")
        r = Reader(raw)
        head = Head(r, self.id, "data", "meta")
        record = PackRecord.__new__(PackRecord)
        record.id, record.size = pack_id, len(raw)
        record.domain, record.writer, record.kind = head.domain, head.writer, head.kind
        record.run, record.salt, record.wrap = r.take(16), r.take(32), r.u8()
        r.zeros(7)
        record.wrapped, mac = r.take(80), r.take(32)
        need(mac == derive(self.writer_key(head.writer), "pack", raw[:168]), "a forged pack")
        t = Reader(raw[-24:])
        dir_off, dir_len, count = t.u64(), t.u64(), t.u32()
        need(t.take(4) == b"VTRE" and dir_off + dir_len + 24 == len(raw), "a bad trailer")
        d = Reader(unseal(self.seal_keys(record)[1], 0, raw[:80] + raw[-24:],
                          raw[dir_off:dir_off + dir_len], "directory"))
        frames = [(d.u32(), d.u32(), d.u8(), d.u16()) for _ in range(count)]
        ids = [[(d.id(), d.u32()) for _ in range(f[3])] for f in frames]
        d.end_zeros()
        at, places = 200, []
        for number, (stored, plain, codec, slots) in enumerate(frames):
            chunks = self.open_frame(record, number, raw[at:at + stored])
            need(raw[at + 4] == codec and len(chunks) == slots
                 and sum(len(c) for _, c in chunks) == plain, "a directory that lies")
            for (prefix, data), (cid, length) in zip(chunks, ids[number]):
                need(len(data) == length and prefix == cid[:8]
                     and self.chunk_id(record.domain, data) == cid, "a chunk that is another")
            places.append((at, stored, plain, ids[number]))
            at += stored
        need(at == dir_off, "bytes between frames and directory")
        return record, places

    # Tables.
    def table(self, name):
        raw = self.object("index", name)
        r = Reader(raw)
        head = Head(r, self.id, "table")
        run, salt = r.take(16), r.take(32)
        entries, fpages, epages, ipages = r.u64(), r.u32(), r.u32(), r.u32()
        packs, replaced = r.u32(), r.u32()
        r.zeros(12)
        need(r.take(32) == derive(self.writer_key(head.writer), "table", raw[:120]),
             "a forged table")
        total = fpages + epages + ipages
        need(total == padme(total), "a table that is not padded")
        key = derive(self.domain_key(head.domain, "table"), "pages", run + salt)
        page = [unseal(key, i, self.id + struct.pack("<I", head.domain) + salt
                       + struct.pack("<II", i, total), r.take(16384), "page")
                for i in range(total)]
        r.end()
        rows, left = [], entries
        for p in page[fpages:fpages + epages]:
            e = Reader(p)
            for _ in range(min(left, 511)):
                rows.append((e.take(20), e.u32(), e.u32(), e.u32()))
                left -= 1
            e.end_zeros()
        need(left == 0 and rows == sorted(rows, key=lambda x: x[0]), "a table out of order")
        info, records = Reader(b"".join(page[fpages + epages:])), []
        for _ in range(packs):
            record = PackRecord(info)
            records.append((record, [(info.u32(), info.u32(), info.u32())
                                     for _ in range(info.u32())]))
        gone = [info.id().hex() for _ in range(replaced)]
        info.end_zeros()
        for cid, _, _, _ in rows:
            bucket = int.from_bytes(cid[:8], "little") * 255 * fpages >> 64
            v = int.from_bytes(cid[8:16], "little")
            bits = page[bucket // 255][bucket % 255 * 64:][:64]
            for i in range(6):
                b = (v >> 9 * i) % 512
                need(bits[b // 8] >> b % 8 & 1, "an id that the filter denies")
        return head, rows, records, gone

    # Snapshots.
    def manifest(self, name, folder="snapshots"):
        head, content = self.sealed(self.object(folder, name), "manifest")
        return Manifest(head, Reader(content))

    def snapshots(self):
        return {name: self.manifest(name) for name in self.names("snapshots")}


class Manifest:
    def __init__(self, head, r):
        self.domain = head.domain
        self.host, self.user, self.program = r.string(), r.string(), r.string()
        self.time, self.ended = (r.i64(), r.u32()), (r.i64(), r.u32())
        self.lineage, self.sequence, self.previous = r.id(), r.u64(), r.id()
        self.header_digest, self.flags = r.id(), r.u32()
        self.roots, self.tags, self.excludes = r.strings(), r.strings(), r.strings()
        self.heads = [(r.id(), r.u64(), r.id()) for _ in range(r.limited(4096))]
        self.files, self.dirs, self.others, self.bytes = (r.u64() for _ in range(4))
        self.unread, self.new, self.added = (r.u64() for _ in range(3))
        self.size, self.levels = r.u64(), r.u8()
        need(self.size % 16384 == 0 and 1 <= self.levels <= 5, "a bad catalog root")
        self.root, self.since_key = MRef(r), r.u32()
        self.pages = [MRef(r) for _ in range(r.limited(65535))]
        self.tail = [PackRecord(r) for _ in range(r.limited(4096))]
        r.end()
        need(self.roots == sorted(set(self.roots)), "roots out of order")
        text = struct.pack("<I", head.writer) + struct.pack("<H", len(self.host)) + self.host
        text += struct.pack("<I", len(self.roots))
        for root in self.roots:
            text += struct.pack("<H", len(root)) + root
        need(self.lineage == blake(b"vitrine lineage" + text), "another lineage than it says")


class MRef:
    """A reference to a metadata chunk: the hash of what it gives, one or two places."""

    def __init__(self, r):
        self.hash, self.places = r.id(), []
        for _ in range(2):
            raw = r.take(18)
            if raw != b"\xff" * 18:
                self.places.append(struct.unpack("<IIIIH", raw))
        need(self.places, "a reference to nowhere")


class Catalog:
    """The SQLite file of a snapshot, put together from its blocks."""

    def __init__(self, repository, manifest):
        self.repo, self.m, self.packs = repository, manifest, {}
        for i, record in enumerate(manifest.tail):
            self.packs[32 * len(manifest.pages) + i] = record
        for page_number in reversed(range(len(manifest.pages))):
            # A page lies in packs of the rest or of other pages: the rest first.
            r = Reader(self.get(manifest.pages[page_number]))
            for i in range(32):
                self.packs[32 * page_number + i] = PackRecord(r)
            r.end()

    def raw(self, place):
        pack, number, offset, stored, slot = place
        need(pack in self.packs, "a place in a pack that is not listed")
        record = self.packs[pack]
        need(record.domain == self.m.domain, "a pack of another domain")
        return self.repo.frame(record, number, offset, stored)[slot][1]

    def get(self, ref, prefix=None):
        failure = None
        for place in ref.places:
            try:
                data = self.raw(place)
                if prefix is not None:
                    d = zstandard.ZstdCompressionDict(
                        prefix, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
                    data = zstandard.ZstdDecompressor(dict_data=d).decompress(
                        data, max_output_size=65536)
                need(self.repo.chunk_id(self.m.domain, data) == ref.hash,
                     "a metadata chunk that is another")
                return data
            except (Damage, OSError, IndexError) as e:
                failure = e
        raise failure

    def blocks(self, ref, level, count):
        r = Reader(self.get(ref))
        if level > 1:
            span = 128 ** (level - 1)
            while count > 0:
                yield from self.blocks(MRef(r), level - 1, min(count, span))
                count -= min(count, span)
        else:
            for _ in range(count):
                depth, block = r.u8(), None
                need(1 <= depth <= 3, "a chain that is too long")
                for _ in range(depth):
                    block = self.get(MRef(r), block)
                yield block
        r.end()

    def bytes(self):
        count = (self.m.size + 65535) // 65536
        need(count <= 128 ** self.m.levels, "a map that is too small")
        data = b"".join(self.blocks(self.m.root, self.m.levels, count))
        need(len(data) == self.m.size, "a catalog of another size")
        return data


class Tree:
    """What vitrine-catalog(5) says of the rows."""

    KINDS = {1: "file", 2: "dir", 3: "link", 4: "fifo", 5: "socket", 6: "char", 7: "block"}

    def __init__(self, repository, manifest):
        self.repo = repository
        self.db = sqlite3.connect(":memory:")
        data = Catalog(repository, manifest).bytes()
        if hasattr(self.db, "deserialize"):
            self.db.deserialize(data)
        else:
            import tempfile
            self.file = tempfile.NamedTemporaryFile()
            self.file.write(data)
            self.file.flush()
            self.db = sqlite3.connect(f"file:{self.file.name}?immutable=1", uri=True)
        self.db.row_factory = sqlite3.Row

    def node(self, ino):
        row = self.db.execute("SELECT * FROM node WHERE ino=?", (ino,)).fetchone()
        need(row is not None, "a name without a node")
        return row

    def walk(self, ino=1, path=b"", depth=0):
        rows = self.db.execute("SELECT name, ino FROM dirent WHERE parent=? ORDER BY name",
                               (ino,)).fetchall()
        for row in rows:
            name, node = bytes(row["name"]), self.node(row["ino"])
            need(name not in (b"", b".", b"..") and b"/" not in name and b"\0" not in name,
                 "a bad name")
            yield path + b"/" + name, node
            if node["kind"] == 2:
                yield from self.walk(node["ino"], path + b"/" + name, depth + 1)

    def record(self, no):
        row = self.db.execute("SELECT * FROM pack WHERE no=?", (no,)).fetchone()
        p = PackRecord.__new__(PackRecord)
        p.id, p.size, p.domain, p.writer = (bytes(row["id"]), row["size"], row["domain"],
                                            row["writer"])
        p.kind, p.run, p.salt = KIND["data"], bytes(row["run"]), bytes(row["salt"])
        p.wrap, p.wrapped = row["wrap_kind"], bytes(row["wrapped"] or bytes(80))
        return p

    def chunk(self, frame, slot, chunk_id, length):
        row = self.db.execute("SELECT * FROM frame WHERE no=?", (frame,)).fetchone()
        need(row is not None, "a frame without a row")
        data = self.repo.chunk(self.record(row["pack"]), row["no_in_pack"], row["off"],
                               row["stored"], slot, chunk_id)
        need(len(data) == length, "a chunk of another length")
        return data

    def content(self, node):
        """(offset, bytes) of a file's data; holes are left out."""
        blobs = []
        if node["chunks"] is not None:
            blobs.append((0, bytes(node["chunks"])))
        for row in self.db.execute("SELECT off, chunks FROM segment WHERE ino=? ORDER BY off",
                                   (node["ino"],)):
            blobs.append((row["off"], bytes(row["chunks"])))
        at = 0
        for off, blob in blobs:
            need(off == at, "a gap between segments")
            r = Reader(blob)
            while r.at < len(blob):
                kind = r.u8()
                need(kind in (1, 2), "an unknown extent")
                if kind == 2:
                    at += r.u64()
                    continue
                length, frame, slot, cid = r.u32(), r.u32(), r.u16(), r.id()
                yield at, self.chunk(frame, slot, cid, length)
                at += length
        need(at == node["size"], "extents that don't add up")

    def digest(self, node):
        if node["kind"] == 3:
            return blake(bytes(node["target"])).hex()[:16]
        if node["kind"] != 1:
            return "-"
        h = hashlib.blake2b(digest_size=32)
        at = 0
        for off, data in self.content(node):
            while at < off:
                n = min(off - at, 1 << 20)
                h.update(bytes(n))
                at += n
            h.update(data)
            at += len(data)
        while at < node["size"]:
            n = min(node["size"] - at, 1 << 20)
            h.update(bytes(n))
            at += n
        return h.hexdigest()[:16]

    def xattrs(self, number):
        if number == 0:
            return {}
        row = self.db.execute("SELECT * FROM xset WHERE no=?", (number,)).fetchone()
        need(row is not None, "an xattr set without a row")
        data = row["data"]
        if data is None:
            data = b"".join(bytes(r[0]) for r in self.db.execute(
                "SELECT data FROM xpart WHERE no >= ? AND no < ? ORDER BY no",
                (number << 13, number + 1 << 13)))
        data = bytes(data)
        need(len(data) == row["size"], "an xattr set of another size")
        r, found = Reader(data), {}
        for _ in range(r.u32()):
            name = r.take(r.u8())
            found[name] = r.take(r.u32())
        r.end()
        return found

    def line(self, path, n):
        x = self.xattrs(n["xset"])
        digest = blake(repr(sorted(x.items())).encode()).hex()[:8] if x else "-"
        return (f"{self.KINDS[n['kind']]} {n['mode']:04o} {n['uid']}:{n['gid']} {n['nlink']} "
                f"{n['size']} {n['mtime']}.{n['mtime_ns']:09d} "
                f"{n['rdev_major']},{n['rdev_minor']} {digest} {self.digest(n)} "
                + path.decode("utf-8", "backslashreplace"))

    def extract(self, target):
        made = {}
        for path, n in self.walk():
            out = os.path.join(os.fsencode(target), path[1:])
            if n["ino"] in made and n["kind"] != 2:
                os.link(made[n["ino"]], out, follow_symlinks=False)
                continue
            made[n["ino"]] = out
            if n["kind"] == 2:
                os.mkdir(out)
            elif n["kind"] == 3:
                os.symlink(bytes(n["target"]), out)
            elif n["kind"] == 1:
                with open(out, "xb") as f:
                    for off, data in self.content(n):
                        f.seek(off)
                        f.write(data)
                    f.truncate(n["size"])
            else:
                kind = {4: stat.S_IFIFO, 5: stat.S_IFSOCK, 6: stat.S_IFCHR, 7: stat.S_IFBLK}
                os.mknod(out, kind[n["kind"]] | 0o600,
                         os.makedev(n["rdev_major"], n["rdev_minor"]))


def verify(repo):
    """Every object, and that tables and packs agree."""
    places = {}
    for folder in repo.names("packs"):
        for name in repo.names("packs/" + folder):
            need(name[:2] == folder, "a pack in another folder")
            record, frames = repo.pack(bytes.fromhex(name))
            places[record.id] = frames
            print(f"pack {name[:8]} kind {record.kind}: {len(frames)} frames, "
                  f"{sum(len(f[3]) for f in frames)} chunks")
    for name in repo.names("index"):
        _, rows, records, gone = repo.table(name)
        for cid, pack, frame, slot in rows:
            record, frames = records[pack]
            at = places[record.id][frame]
            need(at[3][slot][0][:20] == cid and frames[frame] == at[:3], "a table that lies")
        print(f"table {name[:8]}: {len(rows)} entries, {len(records)} packs, replaces {len(gone)}")
    for folder in ("leases", "condemned", "damaged"):
        for name in repo.names(folder):
            raw = repo.load(f"{folder}/{name}")
            r = repo.plain(raw, {"leases": "lease"}.get(folder, folder))
            if folder == "leases":
                print("lease", name, "kind", r.u8(), "generation", r.u32(), r.string().decode())
                r.take(12)
            elif folder == "condemned":
                state = r.u8()
                leases = r.strings()
                packs = [r.id().hex()[:8] for _ in range(r.u32())]
                print("condemned", name[:8], "state", state, leases, packs)
            else:
                for _ in range(r.u32()):
                    pack, whole = r.id().hex()[:8], r.u8()
                    print("damaged", name[:8], pack, whole, [r.u32() for _ in range(r.u32())])
            r.end()
    for name in repo.names("forwards"):
        r = Reader(repo.sealed(repo.object("forwards", name), "forwards")[1])
        for _ in range(r.u32()):
            old, new = r.id(), PackRecord(r)
            moved = [tuple(r.u32() for _ in range(7)) for _ in range(r.u32())]
            print("forwards", name[:8], old.hex()[:8], "->", new.id.hex()[:8], moved)
        r.end()
    for name in repo.names("forgotten"):
        r = Reader(repo.sealed(repo.object("forgotten", name), "forgotten")[1])
        for _ in range(r.u32()):
            print("forgotten", name[:8], r.id().hex()[:8], "sequence", (r.id(), r.u64())[1])
            r.id(), r.i64(), r.u32()
        r.end()


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    with open(sys.argv[2], "rb") as f:
        passphrase = f.read().rstrip(b"\n")
    repo, what = Repository(sys.argv[1], passphrase), sys.argv[3]
    if what == "list":
        for name, m in repo.snapshots().items():
            need(m.header_digest == repo.header_digest, "another header")
            print(name[:8], m.time[0], m.host.decode(), m.sequence, m.files, m.bytes,
                  *[r.decode("utf-8", "backslashreplace") for r in m.roots])
        return
    if what == "verify":
        verify(repo)
        return
    (name,) = [n for n in repo.names("snapshots") if n.startswith(sys.argv[4])]
    manifest = repo.manifest(name)
    if what == "catalog":
        with open(sys.argv[5], "wb") as f:
            f.write(Catalog(repo, manifest).bytes())
        return
    tree = Tree(repo, manifest)
    if what == "extract":
        os.makedirs(sys.argv[5], exist_ok=True)
        tree.extract(sys.argv[5])
    elif what == "digest":
        for path, node in tree.walk():
            print(tree.line(path, node))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
