"""Read every object of a repository, say what is in it, and what is wrong."""
from catalog import Tree
from objects import Damage, Reader, Refused, need


class Verify:
    def __init__(self, repo):
        self.repo, self.bad, self.packs = repo, 0, {}
        self.snapshots, self.refused, self.forgotten = {}, set(), {}
        self.serials, self.tagged = {}, {}

    def wrong(self, what):
        self.bad += 1
        print("WRONG:", what)

    def each(self, folder, fn):
        for name in self.repo.names(folder):
            try:
                print(f"{folder} {name[:8]}:", fn(name))
            except Damage as e:
                self.wrong(f"{folder} {name[:8]}: {e}")

    def keys(self):
        for name, who, ids in self.repo.slots:
            text = f"writer {who.writer}, domain {who.domain}, host {who.host.decode()!r}, " \
                   f"label {who.label.decode()!r}" if who.role else \
                   f"full, label {who.label.decode()!r}"
            if ids is not None:
                text = f"revocation of {text}, but for {sorted(i.hex()[:8] for i in ids)}"
            print(f"keys {name[:8]}:", text)

    def pack(self, name):
        record, frames = self.repo.pack(bytes.fromhex(name))
        self.packs[record.id] = record, frames
        return (f"kind {record.kind}, writer {record.writer}, {len(frames)} frames, "
                f"{sum(len(f[3]) for f in frames)} chunks, {record.size} bytes")

    def table(self, name):
        t, absent = self.repo.table(name), 0
        for cid, pack, frame, slot in t.rows:
            record, frames = t.packs[pack]
            if record.id not in self.packs:
                absent += 1
                continue
            own, places = self.packs[record.id]
            need(own == record and [p[:3] for p in places] == frames,
                 "frames that are not the pack's")
            need(slot < len(places[frame][3]) and places[frame][3][slot][0][:20] == cid,
                 "an entry that lies")
        return (f"domain {t.head.domain}, {len(t.rows)} entries, {absent} of packs that are "
                f"gone, {len(t.packs)} packs, replaces {len(t.replaced)}")

    def lease(self, name):
        run, _, generation = name.partition("-")
        head, r = self.repo.plain(self.repo.load(f"leases/{name}"), "lease")
        role, number, host, _ = r.u8(), r.u32(), r.string(), r.stamp()
        r.end()
        need(role in (1, 2) and head.run.hex() == run and len(generation) == 8
             and int(generation) == number, "a lease that is not its name's")
        return f"role {role}, generation {number}, host {host.decode()!r}"

    def condemned(self, name):
        r = self.repo.plain(self.repo.object("condemned", name), "condemned")[1]
        state, leases, packs = r.u8(), r.many(r.string), r.many(r.id)
        r.end()
        need(state in (1, 2), "an unknown state")
        return f"state {state}, {[x.decode() for x in leases]}, {[p.hex()[:8] for p in packs]}"

    def damaged(self, name):
        r = self.repo.plain(self.repo.object("damaged", name), "damaged")[1]
        found = [(r.id().hex()[:8], r.u8(), r.many(r.u32)) for _ in range(r.count())]
        r.end()
        need(all(whole in (0, 1) and not (whole and frames) for _, whole, frames in found),
             "frames of what is damaged as a whole")
        return found

    def forwards(self, name):
        said = []
        for old, new, moves in self.repo.forwards(name):
            said.append(f"{old.hex()[:8]} -> {new.id.hex()[:8]}: {len(moves)} chunks")
            if new.id in self.packs:
                own, places = self.packs[new.id]
                need(own == new, "a pack record that is not the pack's")
                for _, _, frame, off, size, raw, slot in moves:
                    need(frame < len(places) and places[frame][:3] == (off, size, raw)
                         and slot < len(places[frame][3]), "a place that is not there")
        return ", ".join(said)

    def tombstones(self, name):
        r = Reader(self.repo.sealed(self.repo.object("forgotten", name), "forgotten")[1])
        found = [(r.id(), r.id(), r.u64(), r.id(), r.stamp()) for _ in range(r.count())]
        r.end()
        for mid, lineage, sequence, _, _ in found:
            self.forgotten[mid] = lineage, sequence
        return [(mid.hex()[:8], sequence) for mid, _, sequence, _, _ in found]

    def snapshot(self, name):
        try:
            m = self.repo.manifest(name)
        except Refused as e:
            self.refused.add(bytes.fromhex(name))
            return f"refused: {e}"
        self.snapshots[bytes.fromhex(name)] = m
        need(m.header_digest == self.repo.header_digest, "another header")
        tree = Tree(self.repo, m)
        for record in [*tree.catalog.packs.values()] + \
                [tree.record(r["no"]) for r in tree.all("SELECT no FROM pack")]:
            need(record.id not in self.packs or self.packs[record.id][0] == record,
                 "a pack record that is not the pack's")
        nodes, extents = tree.verify()
        c = tree.catalog
        return (f"{m.host.decode()} {m.sequence}, {nodes} nodes, {extents} data extents; map of "
                f"{m.levels} levels, {c.map_pages} pages; {len(m.pages)} pages and {len(m.tail)} "
                f"records of packs; blocks by depth {c.depths}")

    def tags(self, name):
        head, content = self.repo.sealed(self.repo.object("tags", name), "tags")
        r = Reader(content)
        mid, serial, tags = r.id(), r.u64(), r.strings()
        r.end()
        need(serial > 0, "a serial number of 0")
        need(tags == sorted(set(tags)), "tags out of order")
        need(head.writer or head.domain == 0, "a full key in a domain")
        counts = head.writer == 0 or (
            head.writer not in self.repo.allowed and mid in self.snapshots
            and self.snapshots[mid].writer == head.writer
            and self.repo.writers[head.writer][0] == head.domain)
        if counts and (serial, name) > self.serials.get(mid, (0, "")):
            self.serials[mid], self.tagged[mid] = (serial, name), tags
        text = f"{mid.hex()[:8]} {serial}: {[t.decode(errors='replace') for t in tags]}"
        return text if counts else text + ", by a writer who may not"

    def last_tags(self):
        for mid, tags in sorted(self.tagged.items()):
            if mid in self.snapshots:
                print(f"snapshot {mid.hex()[:8]} has the tags",
                      [t.decode(errors='replace') for t in tags])

    def pending(self, name):
        m = self.repo.manifest(name, "pending")
        return f"{m.host.decode()} {m.sequence}"

    def lies(self):
        """LYING STORES, as far as one look can tell."""
        lines, there = {}, set(self.snapshots) | set(self.forgotten) | self.refused
        for mid, m in self.snapshots.items():
            lines.setdefault(m.lineage, {}).setdefault(m.sequence, set()).add(mid)
            if m.previous != bytes(32) and m.previous not in there:
                self.wrong(f"{m.previous.hex()[:8]}, which came before {mid.hex()[:8]}, is missing")
            for _, sequence, head in m.heads if m.writer == 0 else ():
                if head not in there:
                    self.wrong(f"{head.hex()[:8]}, which {mid.hex()[:8]} saw, is missing")
        for mid, (lineage, sequence) in self.forgotten.items():
            lines.setdefault(lineage, {}).setdefault(sequence, set()).add(mid)
        for lineage, found in lines.items():
            for sequence, ids in found.items():
                if len(ids) > 1:
                    self.wrong(f"lineage {lineage.hex()[:8]} forks at {sequence}")
            for sequence in set(range(1, max(found))) - set(found):
                self.wrong(f"lineage {lineage.hex()[:8]} lacks {sequence}")


def verify(repo):
    v = Verify(repo)
    v.keys()
    for folder in repo.names("packs"):
        for name in repo.names("packs/" + folder):
            try:
                need(name[:2] == folder, "a pack in another folder")
                print(f"pack {name[:8]}:", v.pack(name))
            except Damage as e:
                v.wrong(f"pack {name[:8]}: {e}")
    for folder, fn in (("index", v.table), ("leases", v.lease), ("condemned", v.condemned),
                       ("damaged", v.damaged), ("forwards", v.forwards),
                       ("forgotten", v.tombstones), ("pending", v.pending),
                       ("snapshots", v.snapshot), ("tags", v.tags)):
        v.each(folder, fn)
    v.last_tags()
    v.lies()
    print(f"{v.bad} things are wrong" if v.bad else "nothing is wrong")
    return 4 if v.bad else 0
