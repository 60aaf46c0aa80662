"""A snapshot's catalog: the SQLite file put together from its blocks
(vitrine-format(5), CATALOG BLOCKS), and what its rows mean (vitrine-catalog(5)).
"""
import re
import sqlite3

from objects import (KIND, MIB, Damage, MRef, PackRecord, Reader, blake, need, unzstd)

SCHEMA = """
CREATE TABLE dirent(parent INTEGER NOT NULL, name BLOB NOT NULL,
  ino INTEGER NOT NULL, PRIMARY KEY(parent, name)) WITHOUT ROWID
CREATE TABLE node(ino INTEGER PRIMARY KEY, kind INTEGER NOT NULL,
  flags INTEGER NOT NULL, mode INTEGER NOT NULL, uid INTEGER NOT NULL,
  gid INTEGER NOT NULL, size INTEGER NOT NULL, mtime INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL, ctime INTEGER NOT NULL,
  ctime_ns INTEGER NOT NULL, nlink INTEGER NOT NULL,
  rdev_major INTEGER NOT NULL, rdev_minor INTEGER NOT NULL,
  parent INTEGER NOT NULL, xset INTEGER NOT NULL,
  src_dev INTEGER NOT NULL, src_ino INTEGER NOT NULL, target BLOB,
  chunks BLOB)
CREATE TABLE segment(ino INTEGER NOT NULL, off INTEGER NOT NULL,
  chunks BLOB NOT NULL, PRIMARY KEY(ino, off)) WITHOUT ROWID
CREATE TABLE xset(no INTEGER PRIMARY KEY, hash BLOB NOT NULL,
  size INTEGER NOT NULL, data BLOB)
CREATE TABLE xpart(no INTEGER PRIMARY KEY, data BLOB NOT NULL)
CREATE TABLE owner(is_group INTEGER NOT NULL, id INTEGER NOT NULL,
  name BLOB NOT NULL, PRIMARY KEY(is_group, id)) WITHOUT ROWID
CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL)
  WITHOUT ROWID
CREATE TABLE frame(no INTEGER PRIMARY KEY, pack INTEGER NOT NULL,
  no_in_pack INTEGER NOT NULL, off INTEGER NOT NULL,
  stored INTEGER NOT NULL, raw INTEGER NOT NULL,
  refs INTEGER NOT NULL)
CREATE TABLE pack(no INTEGER PRIMARY KEY, id BLOB NOT NULL,
  size INTEGER NOT NULL, domain INTEGER NOT NULL,
  writer INTEGER NOT NULL, run BLOB NOT NULL, salt BLOB NOT NULL,
  wrap_kind INTEGER NOT NULL, wrapped BLOB)
CREATE INDEX node_source ON node(src_ino, src_dev) WHERE kind=2
CREATE INDEX node_orphan ON node(ino) WHERE nlink=0
CREATE INDEX xset_hash ON xset(hash)
CREATE UNIQUE INDEX frame_place ON frame(pack, no_in_pack)
CREATE INDEX frame_dead ON frame(no) WHERE refs=0
CREATE UNIQUE INDEX pack_id ON pack(id)
"""
STATEMENTS = re.sub(r"\n  +", " ", SCHEMA).strip().split("\n")
BLOCK = 65536
FILE, DIRECTORY, SYMLINK, CHAR, BLOCKDEV = 1, 2, 3, 6, 7


class Catalog:
    """The SQLite file of a snapshot; counts the steps of its blocks' chains."""

    def __init__(self, repository, manifest):
        self.repo, self.m, self.packs = repository, manifest, {}
        self.depths, self.map_pages = [0, 0, 0], 0
        for i, record in enumerate(manifest.tail):
            self.packs[32 * len(manifest.pages) + i] = record
        for number in reversed(range(len(manifest.pages))):
            r = Reader(self.get(manifest.pages[number]))
            for i in range(32):
                self.packs[32 * number + i] = PackRecord.read(r)
            r.end()
        for record in self.packs.values():
            need(record.domain == manifest.domain and record.kind == KIND["meta"],
                 "a pack that a catalog can't lie in")

    def get(self, ref, base=None, size=None):
        failure = None
        for pack, number, offset, stored, slot in ref.places:
            try:
                need(pack in self.packs, "a place in a pack that is not listed")
                chunks = self.repo.frame(self.packs[pack], number, offset, stored)
                need(slot < len(chunks), "a slot that the frame does not have")
                prefix, data = chunks[slot]
                need(self.repo.chunk_id(self.m.domain, data)[:8] == prefix,
                     "a chunk that is not the frame's")
                if base is not None:
                    data = unzstd(data, BLOCK, base)
                need(self.repo.chunk_id(self.m.domain, data) == ref.id,
                     "another metadata chunk than the one named")
                return data
            except (Damage, OSError) as e:
                failure = e
        if isinstance(failure, OSError):
            raise Damage("a metadata chunk's pack is not there") from failure
        raise failure

    def blocks(self, ref, level, first, count):
        """The blocks from number `first' that this page of the map is for."""
        self.map_pages += 1
        r = Reader(self.get(ref))
        span = 128 ** (level - 1)
        end = min(first + 128 * span, count)
        for at in range(first, end, span):
            if level > 1:
                yield from self.blocks(MRef(r), level - 1, at, count)
            else:
                yield self.block(r, at)
        r.end()

    def block(self, r, number):
        depth, block = r.u8(), None
        need(1 <= depth <= 3, "a chain beyond its limits")
        self.depths[depth - 1] += 1
        for _ in range(depth):
            block = self.get(MRef(r), block)
        need(len(block) == min(BLOCK, self.m.size - BLOCK * number), "a block of another size")
        return block

    def bytes(self):
        count = -(-self.m.size // BLOCK)
        need(count <= 128 ** self.m.levels, "a map that is too small")
        return b"".join(self.blocks(self.m.root, self.m.levels, 0, count))


class Tree:
    """The rows."""
    KINDS = {1: "file", 2: "dir", 3: "link", 4: "fifo", 5: "socket", 6: "char", 7: "block"}

    def __init__(self, repository, manifest):
        self.repo, self.domain = repository, manifest.domain
        self.catalog = Catalog(repository, manifest)
        data = self.catalog.bytes()
        need(data[:16] == b"SQLite format 3\0" and data[18:20] == b"\1\1",
             "no SQLite file without a log")
        self.db = sqlite3.connect(":memory:")
        self.db.row_factory = sqlite3.Row
        self.db.execute("PRAGMA trusted_schema=0")
        self.db.deserialize(data)
        self.check_schema()
        self.records, self.places = {}, {}

    def all(self, sql, *values):
        try:
            return self.db.execute(sql, values).fetchall()
        except sqlite3.Error as e:
            raise Damage(f"SQLite: {e}") from e

    def one(self, what, sql, *values):
        rows = self.all(sql, *values)
        need(len(rows) == 1, what)
        return rows[0]

    def check_schema(self):
        def pragma(name):
            return self.one("a pragma without answer", f"PRAGMA {name}")[0]
        need(pragma("user_version") <= 1, "made by a newer vitrine")
        need((pragma("application_id"), pragma("page_size"), pragma("auto_vacuum"),
              pragma("user_version")) == (0x76747263, 16384, 0, 1), "another kind of database")
        found = [r[0] for r in self.all(
            "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid")]
        need(found == STATEMENTS, "another schema")
        need(pragma("integrity_check") == "ok", "a database that is damaged")

    def node(self, ino):
        n = self.one("a name without a node", "SELECT * FROM node WHERE ino=?", ino)
        self.check_node(n)
        return n

    def check_node(self, n):
        kind = n["kind"]
        need(kind in self.KINDS and 0 <= n["flags"] <= 31 and 0 <= n["mode"] <= 0o7777,
             "a node out of range")
        for name in ("uid", "gid", "rdev_major", "rdev_minor"):
            need(0 <= n[name] < 1 << 32, f"{name} out of range")
        for name in ("mtime_ns", "ctime_ns"):
            need(0 <= n[name] < 10**9, f"{name} out of range")
        need(n["size"] >= 0 and (kind == FILE or n["size"] == 0), "a size out of range")
        need(kind in (CHAR, BLOCKDEV) or n["rdev_major"] == n["rdev_minor"] == 0,
             "device numbers of what is none")
        need(n["nlink"] >= 1 and (kind != DIRECTORY or n["nlink"] == 1), "a link count")
        need(kind == DIRECTORY or n["parent"] == 0, "a parent of what is no directory")
        need((n["ino"] == 1) == (kind == DIRECTORY and n["parent"] == 0), "a second root")
        target = n["target"]
        if kind == SYMLINK:
            need(target is not None and 1 <= len(target) <= 4095 and b"\0" not in target,
                 "a link's target")
        elif kind == DIRECTORY:
            need(target is not None and (n["ino"] != 1 or target == b""), "a directory's name")
        else:
            need(target is None, "a target of what has none")
        need(kind == FILE or n["chunks"] is None, "chunks of what is no file")

    def names(self, ino):
        for row in self.all("SELECT name, ino FROM dirent WHERE parent=? ORDER BY name", ino):
            name = row["name"]
            need(isinstance(name, bytes) and 1 <= len(name) <= 255
                 and name not in (b".", b"..") and b"/" not in name and b"\0" not in name,
                 "a bad name")
            node = self.node(row["ino"])
            if node["kind"] == DIRECTORY:
                need(node["parent"] == ino and node["target"] == name,
                     "a directory by another name than its own")
            yield name, node

    def walk(self):
        stack = [(b"", iter(list(self.names(1))))]
        while stack:
            path, rows = stack[-1]
            for name, node in rows:
                yield path + b"/" + name, node
                if node["kind"] == DIRECTORY:
                    stack.append((path + b"/" + name, iter(list(self.names(node["ino"])))))
                    break
            else:
                stack.pop()

    # Files.
    def record(self, no):
        if no not in self.records:
            row = self.one("a frame without a pack", "SELECT * FROM pack WHERE no=?", no)
            need((row["wrapped"] is None) == (row["wrap_kind"] == 1), "a wrapped key")
            p = PackRecord(row["id"], row["size"], row["domain"], row["writer"], KIND["data"],
                           row["run"], row["salt"], row["wrap_kind"],
                           row["wrapped"] or bytes(80))
            need([len(x) for x in (p.id, p.run, p.salt, p.wrapped)] == [32, 16, 32, 80],
                 "a pack record of other lengths")
            need(p.domain == self.domain, "a pack of another domain")
            self.records[no] = p
        return self.records[no]

    def place(self, no):
        if no not in self.places:
            row = self.one("a frame without a row", "SELECT * FROM frame WHERE no=?", no)
            self.places[no] = (self.record(row["pack"]), row["no_in_pack"], row["off"],
                               row["stored"])
        return self.places[no]

    def extents(self, node):
        """(offset, length, frame, slot, id); the last three None for a hole."""
        rows = self.all("SELECT off, chunks FROM segment WHERE ino=? ORDER BY off", node["ino"])
        blobs, most = [(r["off"], r["chunks"]) for r in rows], 64
        if node["chunks"] is not None:
            need(not blobs, "extents in two places")
            blobs, most = [(0, node["chunks"])], 16
        at = total = 0
        for off, blob in blobs:
            need(off == at, "a gap between segments")
            r, n, hole = Reader(blob), 0, False
            while r.left():
                kind = r.u8()
                need(kind in (2, self.repo.extent_kind), "an unknown extent")
                if kind == 2:
                    length, rest = r.u64(), (None, None, None)
                    need(length >= 1 and not hole, "a hole after a hole, or of nothing")
                else:
                    length, rest = r.u32(), (r.u32(), r.u16(), r.take(self.repo.extent_id))
                    need(1 <= length <= 16 * MIB, "a chunk beyond its limits")
                hole = kind == 2
                yield (at, length, *rest)
                at, n = at + length, n + 1
            need(n <= most and (most == 16 or n > 0), "too many extents in a row")
            total += n
        need(node["chunks"] is not None or total > 16, "few extents, and not in the node")
        need(at == node["size"], "extents that don't add up")

    def content(self, node):
        """(offset, bytes) of a file's data; holes are left out."""
        for at, length, frame, slot, cid in self.extents(node):
            if cid is not None:
                data = self.repo.chunk(*self.place(frame), slot, cid)
                need(len(data) == length, "a chunk of another length")
                yield at, data

    def digest(self, node):
        if node["kind"] == SYMLINK:
            return blake(node["target"]).hex()[:16]
        if node["kind"] != FILE:
            return "-"
        h, at, zeros = blake2b(), 0, bytes(1 << 20)
        for off, data in [*self.content(node), (node["size"], b"")]:
            while at < off:
                n = min(off - at, len(zeros))
                h.update(zeros[:n])
                at += n
            h.update(data)
            at += len(data)
        return h.hexdigest()[:16]

    # Extended attributes.
    def xattrs(self, number):
        if number == 0:
            return {}
        row = self.one("an xattr set without a row", "SELECT * FROM xset WHERE no=?", number)
        data = row["data"]
        parts = self.all("SELECT no, data FROM xpart WHERE no >= ? AND no < ? ORDER BY no",
                         number << 13, number + 1 << 13)
        need(0 <= row["size"] <= 16 * MIB, "an xattr set above its limit")
        need((data is None) == (row["size"] > 12288), "an xattr set in the wrong place")
        if data is None:
            need([p["no"] for p in parts] == [(number << 13) + i for i in range(len(parts))]
                 and all(len(p["data"]) == 12288 for p in parts[:-1]), "parts of a set")
            data = b"".join(p["data"] for p in parts)
        else:
            need(not parts, "parts of a small set")
        need(len(data) == row["size"] and blake(data) == row["hash"], "another xattr set")
        r, found = Reader(data), []
        for _ in range(r.count(65535)):
            found.append((r.take(r.u8()), r.take(r.u32())))
        r.end()
        names = [name for name, _ in found]
        need(names == sorted(set(names)) and all(n and b"\0" not in n for n in names),
             "names of attributes out of order")
        return dict(found)

    def verify(self):
        """All the rules that go beyond one row; reads every chunk too."""
        links, refs, seen = {}, {}, {1}
        self.check_node(self.node(1))
        for _, n in self.walk():
            links[n["ino"]] = links.get(n["ino"], 0) + 1
            if n["ino"] in seen:
                continue
            seen.add(n["ino"])
            self.xattrs(n["xset"])
            if n["kind"] != FILE:
                continue
            for _, _, frame, _, cid in self.extents(n):
                if cid is not None:
                    refs[frame] = refs.get(frame, 0) + 1
            for _ in self.content(n):
                pass
        self.xattrs(self.node(1)["xset"])
        rows = self.all("SELECT ino, nlink FROM node")
        need({r["ino"] for r in rows} == seen, "nodes that no name leads to")
        need(all(r["nlink"] == links.get(r["ino"], 1) for r in rows), "wrong link counts")
        frames = self.all("SELECT no, pack, refs FROM frame")
        need({f["no"]: f["refs"] for f in frames} == refs, "wrong counts of references")
        packs = {p["no"] for p in self.all("SELECT no FROM pack")}
        need({f["pack"] for f in frames} == packs, "packs without frames")
        need(all(1 <= no < 1 << 32 for no in packs.union(refs)), "a number out of range")
        files = {n["ino"] for n in self.all("SELECT ino FROM node WHERE kind=1")}
        need({s["ino"] for s in self.all("SELECT DISTINCT ino FROM segment")} <= files,
             "segments of no file")
        ((key, after),) = self.all("SELECT key, value FROM meta")
        need(key == "next_ino" and after > max(seen), "an inode number to be used again")
        for row in self.all("SELECT * FROM owner"):
            need(row["is_group"] in (0, 1) and 0 <= row["id"] < 1 << 32
                 and isinstance(row["name"], bytes), "an owner out of range")
        return len(seen), sum(refs.values())


def blake2b():
    import hashlib
    return hashlib.blake2b(digest_size=32)
