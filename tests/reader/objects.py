"""The objects of a repository, as vitrine-format(5) describes them: keys, sealed
and plain objects, packs, tables, manifests, and the way from a chunk's place to
its bytes.  Everything that the page forbids is refused as Damage.
"""
import hashlib
import os
import struct

import nacl.bindings as sodium
import nacl.pwhash
import zstandard

MIB = 1 << 20
OBJECT_MAX = 64 * MIB
KIND = dict(header=1, slot=2, data=3, meta=4, table=5, manifest=6, lease=7,
            condemned=8, forwards=9, forgotten=10, damaged=11, revocation=12,
            tags=13)


class Damage(Exception):
    """Bytes that are not what the page says."""


class Refused(Damage):
    """Well made, but by a writer who may not."""


class Newer(Exception):
    """Made by a newer vitrine."""


def need(condition, what):
    if not condition:
        raise Damage(what)


def blake(data, key=b"", person=b""):
    return hashlib.blake2b(data, digest_size=32, key=key, person=person).digest()


def derive(key, label, message=b""):
    return blake(message, key=key, person=label.encode())


def u32(n):
    return struct.pack("<I", n)


def unseal(key, number, ad, sealed, what):
    try:
        return sodium.crypto_aead_chacha20poly1305_ietf_decrypt(
            sealed, ad, bytes(4) + struct.pack("<Q", number), key)
    except Exception as e:
        raise Damage(f"{what}: the seal does not hold") from e


def padme(size):
    if size < 2:
        return size
    e = size.bit_length() - 1
    unit = 1 << (e - e.bit_length())
    return (size + unit - 1) // unit * unit


def unzstd(data, most, prefix=None, window=8 * MIB):
    """One whole zstd frame of at most `most' bytes, nothing behind it."""
    try:
        p = zstandard.get_frame_parameters(data)
        need(p.dict_id == 0 and p.window_size <= max(window, 1024),
             "a zstd frame with a dictionary or too large a window")
        known = p.content_size
        need(known > 1 << 60 or known <= most, "a zstd frame above its limit")
        options = {"max_window_size": window}
        if prefix is not None:
            options["dict_data"] = zstandard.ZstdCompressionDict(
                prefix, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
        d = zstandard.ZstdDecompressor(**options).decompressobj()
        out = bytearray()
        for at in range(0, len(data), 1 << 16):
            need(not d.eof, "bytes behind a zstd frame")
            out += d.decompress(data[at:at + (1 << 16)])
            need(len(out) <= most, "a zstd frame above its limit")
        need(d.eof and not d.unused_data, "no single whole zstd frame")
        return bytes(out)
    except zstandard.ZstdError as e:
        raise Damage(f"zstd: {e}") from e


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
    def left(self): return len(self.data) - self.at
    def rest(self): return self.take(self.left())

    def stamp(self):
        at = self.i64(), self.u32()
        need(at[1] < 10**9, "nanoseconds of more than a second")
        return at

    def count(self, most=None):
        n = self.u32()
        need(n <= (self.left() if most is None else most), "a count above its limit")
        return n

    def many(self, read, most=None):
        return [read() for _ in range(self.count(most))]

    def strings(self):
        return self.many(self.string, 65535)

    def zeros(self, n):
        need(self.take(n) == bytes(n), "bytes that must be zero are not")

    def end(self):
        need(self.left() == 0, "bytes are left over")

    def end_zeros(self):
        need(not any(self.rest()), "bytes that must be zero are not")


class Head:
    def __init__(self, r, repo, *kinds):
        need(r.take(4) == b"VTRN", "no vitrine object")
        self.kind, version, generation = r.u8(), r.u8(), r.u16()
        if version != 1 or generation != 1:
            raise Newer("made by a newer vitrine")
        self.repo, self.domain, self.writer = r.take(16), r.u32(), r.u32()
        need(self.kind in [KIND[k] for k in kinds], "another kind of object")
        need(repo is None or self.repo == repo, "another repository's object")
        check_writer(self.writer, self.domain)


def check_writer(writer, domain):
    need(domain in (0, writer), "a writer in a domain that is not its own")


def check_wrap(writer, wrap, wrapped):
    need(wrap == (1 if writer == 0 else 2), "another wrap than the writer's")
    need(wrap == 2 or wrapped == bytes(80), "wrapped bytes that must be zero")


class PackRecord:
    FIELDS = ("id", "size", "domain", "writer", "kind", "run", "salt", "wrap", "wrapped")

    def __init__(self, *values):
        for name, value in zip(self.FIELDS, values):
            setattr(self, name, value)
        need(self.kind in (3, 4), "a pack of no known kind")
        need(224 <= self.size <= 256 * MIB, "a pack above its limit")
        check_writer(self.writer, self.domain)
        check_wrap(self.writer, self.wrap, self.wrapped)

    @classmethod
    def read(cls, r):
        v = [r.id(), r.u64(), r.u32(), r.u32(), r.u8(), r.take(16), r.take(32), r.u8()]
        return cls(*v, r.take(80) if v[-1] == 2 else bytes(80))

    def __eq__(self, other):
        return all(getattr(self, f) == getattr(other, f) for f in self.FIELDS)


class SlotRecord:
    """R: who a key slot is for."""

    def __init__(self, r):
        self.role, self.writer, self.domain = r.u8(), r.u32(), r.u32()
        self.time, self.host, self.label = r.stamp(), r.string(), r.string()
        need(self.role in (0, 1), "a slot of no known role")
        need(len(self.host) <= 255 and len(self.label) <= 255, "a string above its limit")
        need((self.role == 0) == (self.writer == 0), "a role that is not the writer's")
        need(self.role == 1 or self.host == b"", "a host in a full key's record")
        check_writer(self.writer, self.domain)


class Slot:
    def __init__(self, raw, repo):
        r = Reader(raw)
        head = Head(r, repo, "slot")
        need(head.domain == 0 and head.writer == 0, "a slot by a writer")
        self.kind, self.role = r.u8(), r.u8()
        need(self.kind in (1, 2) and self.role in (0, 1), "a slot of no known kind")
        r.zeros(2)
        self.passes, self.memory, self.salt = r.u32(), r.u64(), r.take(16)
        if self.kind == 1:
            need(1 <= self.passes <= 64 and self.memory % 1024 == 0
                 and 8 << 10 <= self.memory <= 4 << 30, "Argon2id beyond its limits")
        else:
            need(self.passes == 0 and self.memory == 0, "Argon2id for a key file")
        secrets, record = r.u32(), r.u32()
        need(secrets == 48 if self.role == 0 else 123 <= secrets <= 377,
             "secrets of another length")
        self.ad, self.secrets, self.record = raw[:72], r.take(secrets), r.take(record)
        r.end()

    def open(self, secret):
        if self.kind == 1:
            key = nacl.pwhash.argon2id.kdf(32, secret, self.salt, self.passes, self.memory)
        else:
            need(16 <= len(secret) <= 64 << 10, "a key file beyond its limits")
            key = derive(blake(secret), "key file", self.salt)
        return unseal(key, 0, self.ad, self.secrets, "slot")

    def who(self, registry_key):
        key = derive(registry_key, "record", self.salt + blake(self.secrets))
        r = Reader(unseal(key, 0, self.ad, self.record, "a slot's record"))
        who = SlotRecord(r)
        r.end()
        need(who.role == self.role, "a slot's record of another role")
        return who


class Repository:
    def __init__(self, path, secret, slot_kind):
        self.path = path
        raw = self.load("vitrine")
        self.header_digest = blake(raw)
        r = Reader(raw)
        head = Head(r, None, "header")
        need(head.domain == 0 and head.writer == 0, "a header by a writer")
        self.id = head.repo
        need(r.u32() >= 1, "a header without revision")
        r.zeros(4)
        read, _, _ = r.u64(), r.u64(), r.u64()
        if read & ~3:
            raise Newer(f"features {read & ~3:#x} are needed to read")
        self.extent_kind, self.extent_id = (3, 20) if read & 2 else (1, 32)
        self.name_pack = (lambda raw: hashlib.sha256(raw).digest()) if read & 1 else blake
        r.take(12), r.zeros(4)
        public = r.take(32)
        r.stamp(), r.zeros(4)
        mac = r.take(32)
        r.end()
        self.master = self.unlock(secret, slot_kind)
        need(mac == derive(derive(self.master, "header"), "header", raw[:128]),
             "the header is forged")
        self.wrap_key = derive(self.master, "wrap")
        self.x_secret = derive(self.master, "x25519")
        self.x_public = sodium.crypto_scalarmult_base(self.x_secret)
        need(public == self.x_public, "the header's public key is another")
        self.keys, self.frames, self.headers = {}, {}, {}
        self.read_registry()
        self.moved = self.known = None

    # The store.
    def load(self, name, offset=0, size=None):
        with open(os.path.join(self.path, name), "rb") as f:
            f.seek(offset)
            return f.read(size)

    def names(self, folder):
        top = os.path.join(self.path, folder)
        return sorted(os.listdir(top)) if os.path.isdir(top) else []

    def object(self, folder, name):
        raw = self.load(f"{folder}/{name}")
        need(blake(raw).hex() == name, f"{folder}/{name}: not the bytes it is named for")
        return raw

    # Keys.
    def unlock(self, secret, kind):
        put_only = False
        for name in self.names("keys"):
            raw = self.object("keys", name)
            if raw[4:5] == bytes([KIND["revocation"]]):
                continue
            slot = Slot(raw, self.id)
            if slot.kind != kind:
                continue
            try:
                plain = slot.open(secret)
            except Damage:
                continue
            if slot.role == 0:
                return plain
            put_only = True
        raise Damage("a put-only key reads nothing" if put_only else "no key slot opens")

    def read_registry(self):
        """Put-only writers: their hosts, and what revocations leave of them."""
        self.writers, self.allowed, self.slots = {}, {}, []
        registry_key = derive(self.master, "registry")
        for name in self.names("keys"):
            raw = self.object("keys", name)
            if raw[4:5] != bytes([KIND["revocation"]]):
                slot = Slot(raw, self.id)
                who, ids = slot.who(registry_key), None
            else:
                head, content = self.sealed(raw, "revocation")
                need(head.writer == 0, "a revocation by a put-only writer")
                r = Reader(content)
                who = SlotRecord(r)
                ids = set(r.many(r.id))
                r.end()
                need(who.role == 1, "a revocation of a full key")
                self.allowed[who.writer] = self.allowed.get(who.writer, ids) & ids
            self.slots.append((name, who, ids))
            if who.role == 1:
                need(self.writers.setdefault(who.writer, (who.domain, who.host))
                     == (who.domain, who.host), "two hosts of one writer")

    def key(self, *path):
        """derive() along labels, kept."""
        if path not in self.keys:
            (label, message), base = path[-1], self.master
            if len(path) > 1:
                base = self.key(*path[:-1])
            self.keys[path] = derive(base, label, message)
        return self.keys[path]

    def writer_key(self, writer):
        return self.key(("writer", u32(writer)))

    def domain_key(self, domain, label):
        return self.key(("domain", u32(domain)), (label, b""))

    def chunk_id(self, domain, data):
        return blake(data, key=self.domain_key(domain, "id"))

    def session_key(self, wrap, wrapped, run, salt):
        if wrap == 1:
            return derive(self.wrap_key, "session", run + salt)
        try:
            key = sodium.crypto_box_seal_open(wrapped, self.x_public, self.x_secret)
        except Exception as e:
            raise Damage("a wrapped key that does not open") from e
        need(len(key) == 32, "a session key of another length")
        return key

    def context(self, domain, kind, salt):
        return self.id + struct.pack("<IB", domain, kind) + salt

    # Sealed and plain objects.
    def sealed(self, raw, kind):
        need(len(raw) <= OBJECT_MAX, "an object above its limit")
        r = Reader(raw)
        head = Head(r, self.id, kind)
        run, salt, wrap = r.take(16), r.take(32), r.u8()
        r.zeros(7)
        wrapped, length, mac = r.take(80), r.u64(), r.take(32)
        body = r.take(length)
        r.end()
        check_wrap(head.writer, wrap, wrapped)
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
        need(len(raw) <= OBJECT_MAX, "an object above its limit")
        r = Reader(raw)
        head = Head(r, self.id, kind)
        head.run = r.take(16)
        content = r.take(r.u32())
        mac = r.take(32)
        r.end()
        need(mac == derive(self.writer_key(head.writer), "plain", raw[:-32]),
             "a forged object")
        return head, Reader(content)

    # Packs.
    def pack_path(self, pack_id):
        return f"packs/{pack_id.hex()[:2]}/{pack_id.hex()}"

    def seal_key(self, record, label):
        session = self.session_key(record.wrap, record.wrapped, record.run, record.salt)
        return derive(session, label, self.context(record.domain, record.kind, record.salt))

    def header(self, pack_id, raw, size):
        """A pack record out of the pack's own header."""
        r = Reader(raw)
        head = Head(r, self.id, "data", "meta")
        run, salt, wrap = r.take(16), r.take(32), r.u8()
        r.zeros(7)
        wrapped, mac = r.take(80), r.take(32)
        need(mac == derive(self.writer_key(head.writer), "pack", raw[:168]), "a forged pack")
        return PackRecord(pack_id, size, head.domain, head.writer, head.kind, run, salt,
                          wrap, wrapped)

    def frame(self, record, number, offset, stored):
        """A frame's chunks with the first bytes of their ids."""
        at = (record.id, number, offset, stored)
        if at in self.frames:
            return self.frames[at]
        path = self.pack_path(record.id)
        if record.writer != 0 and record.id not in self.headers:
            size = os.stat(os.path.join(self.path, path)).st_size
            own = self.header(record.id, self.load(path, 0, 200), size)
            need(own == record, "a pack record that is not the pack's")
            self.headers[record.id] = own
        need(number < 65536 and 200 <= offset and offset + stored <= record.size - 24,
             "a frame outside its pack")
        if len(self.frames) > 40:
            self.frames.clear()
        raw = self.load(path, offset, stored)
        self.frames[at] = self.open_frame(record, number, raw)
        return self.frames[at]

    def open_frame(self, record, number, raw):
        r = Reader(raw)
        n, codec = r.u32(), r.u8()
        r.zeros(3)
        sealed = r.take(n)
        r.end()
        need(codec in (0, 1), "an unknown codec")
        ad = (self.id + struct.pack("<IBBH", record.domain, record.kind, codec, 0)
              + record.salt + u32(number))
        p = Reader(unseal(self.seal_key(record, "frames"), number, ad, sealed, "frame"))
        need(p.u8() == codec and p.u8() == 0, "a frame that contradicts itself")
        count = p.u16()
        need(1 <= count <= 8192, "a number of slots beyond its limits")
        slots = [(p.u32(), p.take(8)) for _ in range(count)]
        need(all(1 <= length <= 16 * MIB for length, _ in slots), "a chunk beyond its limits")
        total = sum(length for length, _ in slots)
        need(total <= 17 * MIB, "a frame above its limit")
        body = p.rest()
        if codec == 1:
            body = unzstd(body, total)
        need(len(body) == total, "a frame of another length")
        out, at = [], 0
        for length, prefix in slots:
            out.append((prefix, body[at:at + length]))
            at += length
        return out

    def chunk_at(self, record, number, offset, stored, slot, chunk_id):
        chunks = self.frame(record, number, offset, stored)
        need(slot < len(chunks), "a slot that the frame does not have")
        prefix, data = chunks[slot]
        found = self.chunk_id(record.domain, data)
        need(prefix == chunk_id[:8] and found[:len(chunk_id)] == chunk_id,
             "another chunk than the one named")
        return data

    def pack(self, pack_id):
        """Read a whole pack: its record, and for each frame its place and ids."""
        raw = self.load(self.pack_path(pack_id))
        need(self.name_pack(raw) == pack_id, "not the bytes it is named for")
        need(len(raw) == padme(len(raw)), "a pack that is not padded")
        record = self.header(pack_id, raw[:200], len(raw))
        t = Reader(raw[-24:])
        dir_off, dir_len, count = t.u64(), t.u64(), t.u32()
        need(t.take(4) == b"VTRE" and 200 <= dir_off <= len(raw)
             and dir_off + dir_len + 24 == len(raw), "a bad trailer")
        need(count <= 65536 and dir_len <= 64 * MIB, "a directory above its limits")
        d = Reader(unseal(self.seal_key(record, "directory"), 0, raw[:80] + raw[-24:],
                          raw[dir_off:dir_off + dir_len], "directory"))
        frames = [(d.u32(), d.u32(), d.u8(), d.u16()) for _ in range(count)]
        ids = [[(d.id(), d.u32()) for _ in range(f[3])] for f in frames]
        d.end_zeros()
        at, places = 200, []
        for number, (stored, plain, codec, slots) in enumerate(frames):
            need(stored <= dir_off - at, "a directory that lies")
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

    # Where chunks are, when not at their place.
    def chunk(self, record, number, offset, stored, slot, chunk_id):
        """By the place; where that does not hold, by forwards, then by the tables."""
        failure = None
        ways = [(record, number, offset, stored, slot)]
        ways += self.forwarded(record.id, number, slot, set())
        for way in ways:
            try:
                return self.chunk_at(*way, chunk_id)
            except (Damage, OSError) as e:
                failure = failure or e
        for way in self.tables().get((record.domain, chunk_id[:20]), []):
            try:
                return self.chunk_at(*way, chunk_id)
            except (Damage, OSError):
                pass
        if isinstance(failure, OSError):
            raise Damage(f"pack {record.id.hex()[:8]}: {failure.strerror}") from failure
        raise failure

    def forwarded(self, pack_id, number, slot, seen):
        """Where forwards say that it went, and went from there."""
        if self.moved is None:
            self.moved = {}
            for name in self.names("forwards"):
                for old, new, moves in self.forwards(name):
                    for f, s, nf, off, size, _, ns in moves:
                        self.moved.setdefault((old, f, s), []).append((new, nf, off, size, ns))
        out = []
        for way in self.moved.get((pack_id, number, slot), []):
            if (way[0].id, way[1], way[4]) not in seen:
                seen.add((way[0].id, way[1], way[4]))
                out.append(way)
                out += self.forwarded(way[0].id, way[1], way[4], seen)
        return out

    def forwards(self, name):
        head, content = self.sealed(self.object("forwards", name), "forwards")
        need(head.writer == 0, "forwards by a put-only writer")
        r = Reader(content)
        out = [(r.id(), PackRecord.read(r),
                r.many(lambda: tuple(r.u32() for _ in range(7))))
               for _ in range(r.count())]
        r.end()
        return out

    def tables(self):
        """(domain, 20 bytes of an id) -> its places, of the tables that count."""
        if self.known is None:
            all_tables, self.known = {}, {}
            for name in self.names("index"):
                try:
                    all_tables[name] = self.table(name)
                except Damage:
                    pass
            gone = {(t.head.domain, n) for t in all_tables.values() for n in t.replaced}
            for name, t in all_tables.items():
                if (t.head.domain, name) in gone:
                    continue
                for cid, pack, frame, slot in t.rows:
                    record, frames = t.packs[pack]
                    self.known.setdefault((t.head.domain, cid), []).append(
                        (record, frame, *frames[frame][:2], slot))
        return self.known

    def table(self, name):
        return Table(self, self.object("index", name))

    # Snapshots.
    def manifest(self, name, folder="snapshots"):
        head, content = self.sealed(self.object(folder, name), "manifest")
        m = Manifest(head, Reader(content))
        if head.writer != 0:
            if head.writer not in self.writers:
                raise Refused("by a writer that nobody has registered")
            domain, host = self.writers[head.writer]
            if m.host != host or head.domain != domain:
                raise Refused(f"for {m.host.decode('utf-8', 'replace')}, by another's key")
            if bytes.fromhex(name) not in self.allowed.get(head.writer, {bytes.fromhex(name)}):
                raise Refused("by a writer that was revoked before")
        return m


class Table:
    def __init__(self, repo, raw):
        r = Reader(raw)
        self.head = Head(r, repo.id, "table")
        run, salt = r.take(16), r.take(32)
        entries, fpages, epages, ipages = r.u64(), r.u32(), r.u32(), r.u32()
        packs, replaced = r.u32(), r.u32()
        r.zeros(12)
        need(r.take(32) == derive(repo.writer_key(self.head.writer), "table", raw[:120]),
             "a forged table")
        total = fpages + epages + ipages
        need(len(raw) == 152 + 16384 * total, "a table of another size")
        need(total == padme(total), "a table that is not padded")
        need(epages == -(-entries // 511), "another number of entry pages")
        need(fpages == max(1, -(-entries * 10 // 130560)), "another number of filter pages")
        key = derive(repo.domain_key(self.head.domain, "table"), "pages", run + salt)
        page = [unseal(key, i, repo.id + u32(self.head.domain) + salt + u32(i) + u32(total),
                       r.take(16384), "page") for i in range(total)]
        self.rows, left = [], entries
        for p in page[fpages:fpages + epages]:
            e = Reader(p)
            for _ in range(min(left, 511)):
                self.rows.append((e.take(20), e.u32(), e.u32(), e.u32()))
                left -= 1
            e.end_zeros()
        info = Reader(b"".join(page[fpages + epages:]))
        self.packs = []
        for _ in range(packs):
            record = PackRecord.read(info)
            need(record.domain == self.head.domain and record.kind == KIND["data"],
                 "a pack that is not for this table")
            frames = info.many(lambda: (info.u32(), info.u32(), info.u32()), 65536)
            self.packs.append((record, frames))
        self.replaced = [info.id().hex() for _ in range(replaced)]
        info.end_zeros()
        before = b""
        for cid, pack, frame, slot in self.rows:
            need(before <= cid, "a table out of order")
            need(pack < packs and frame < len(self.packs[pack][1]) and slot < 8192,
                 "a place outside the table's packs")
            before = cid
        self.check_filter(page[:fpages])

    def check_filter(self, pages):
        want = [bytearray(16368) for _ in pages]
        for cid, _, _, _ in self.rows:
            bucket = int.from_bytes(cid[:8], "little") * 255 * len(pages) >> 64
            v = int.from_bytes(cid[8:16], "little")
            for i in range(6):
                b = (v >> 9 * i) % 512
                want[bucket // 255][bucket % 255 * 64 + b // 8] |= 1 << b % 8
        need([bytes(w) for w in want] == pages, "a filter that is not its entries'")


class MRef:
    """A reference to a metadata chunk: the id of what it gives, one or two places."""
    NOWHERE = b"\xff" * 18

    def __init__(self, r):
        self.id, first, second = r.id(), r.take(18), r.take(18)
        need(first != self.NOWHERE, "a reference to nowhere")
        self.places = [struct.unpack("<IIIIH", p) for p in (first, second)
                       if p != self.NOWHERE]
        need(len({p[0] for p in self.places}) == len(self.places), "both places in one pack")


class Manifest:
    def __init__(self, head, r):
        self.domain, self.writer = head.domain, head.writer
        self.host, self.user, self.program = r.string(), r.string(), r.string()
        self.time, self.ended = r.stamp(), r.stamp()
        self.lineage, self.sequence, self.previous = r.id(), r.u64(), r.id()
        self.header_digest, self.flags = r.id(), r.u32()
        need(self.sequence >= 1 and self.flags <= 3, "a sequence or flag out of range")
        self.roots, self.tags = r.strings(), r.strings()
        self.name = r.string() if self.flags & 2 else b""
        need(self.flags & 2 == 0 or self.name, "an empty name")
        self.excludes = r.strings()
        self.heads = r.many(lambda: (r.id(), r.u64(), r.id()), 4096)
        self.files, self.dirs, self.others = r.u64(), r.u64(), r.u64()
        self.bytes, self.unread, self.new, self.added = (r.u64() for _ in range(4))
        self.size, self.levels = r.u64(), r.u8()
        need(self.size > 0 and self.size % 16384 == 0 and 1 <= self.levels <= 5,
             "a bad catalog root")
        self.root, self.age = MRef(r), r.u32()
        self.pages = r.many(lambda: MRef(r))
        self.tail = r.many(lambda: PackRecord.read(r), 4096)
        r.end()
        need(self.roots == sorted(set(self.roots)) and all(x[:1] == b"/" for x in self.roots),
             "roots that are not absolute, sorted, distinct")
        text = b"vitrine lineage" + u32(head.writer)
        text += struct.pack("<H", len(self.host)) + self.host + u32(len(self.roots))
        for root in self.roots:
            text += struct.pack("<H", len(root)) + root
        if self.name:
            text += struct.pack("<H", len(self.name)) + self.name
        need(self.lineage == blake(text), "another lineage than it says")
