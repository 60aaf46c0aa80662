"""The 1 % edit of a corpus, and its undoing.

What an edit replaces is moved aside into CORPUS.undo and listed there before
anything is changed, so that the next run begins with the same corpus even after
one that was killed.
"""
import json
import os
import random
import shutil

import corpus as c
from content import Maker

# Of S's files; and in L at scale 1.
S_SHARE = 0.0085
L_INSERTS, L_PAGES, L_APPEND, L_ADD = 200, 10000, 4 * 10**6, 10 * 10**6


class Journal:
    def __init__(self, top):
        self.top, self.dir = top, top + ".undo"
        os.makedirs(self.dir)
        self.moved, self.added, self.patched = [], [], []

    def write(self):
        with open(os.path.join(self.dir, "journal"), "w") as f:
            json.dump([self.moved, self.added, self.patched], f)
            f.flush()
            os.fsync(f.fileno())

    def aside(self, path):
        """The old file, under the name that it now has."""
        old = os.path.join(self.dir, str(self.moved.index(path)))
        os.rename(os.path.join(self.top, path), old)
        return old


def undo(top):
    """Back to the corpus as it was made; nothing to do is fine."""
    journal = os.path.join(top + ".undo", "journal")
    if os.path.exists(journal):
        with open(journal) as f:
            moved, added, patched = json.load(f)
        for i, path in enumerate(moved):
            old = os.path.join(top + ".undo", str(i))
            if os.path.exists(old):
                os.rename(old, os.path.join(top, path))
        for path in added:
            if os.path.exists(os.path.join(top, path)):
                os.unlink(os.path.join(top, path))
        for path, size in patched:
            pages = os.path.join(top + ".undo", path + ".pages")
            with open(os.path.join(top, path), "r+b") as f:
                f.truncate(size)
                if os.path.exists(pages):
                    with open(pages, "rb") as p:
                        while head := p.read(8):
                            f.seek(int.from_bytes(head, "little"))
                            f.write(p.read(c.PAGE))
    shutil.rmtree(top + ".undo", ignore_errors=True)


def edit_small(top, scale):
    """Of every ten files touched by the edit: four rewritten in part, two
    longer, one with another time only, two new, one removed."""
    _, files = c.plan_small(scale)
    m = Maker(c.SEED + "edit S")
    count = int(len(files) * S_SHARE)
    paths = [f[0] for f in m.rng.sample(files, count)]
    j = Journal(top)
    j.moved = [p for i, p in enumerate(paths) if i % 10 not in (6, 7, 8)]
    j.added = [p + ".new" for i, p in enumerate(paths) if i % 10 in (7, 8)]
    j.write()
    for i, path in enumerate(paths):
        full, what = os.path.join(top, path), i % 10
        if what == 6:
            os.utime(full)
        elif what in (7, 8):
            with open(full + ".new", "wb") as f:
                f.write(m.text(c.small_sizes(m.rng, 1)[0]))
        else:
            with open(j.aside(path), "rb") as f:
                data = f.read()
            at = m.rng.randrange(len(data) + 1)
            if what < 4:
                data = data[:at] + m.text(60) + data[at + 60:]
            elif what < 6:
                data += m.text(200)
            if what != 9:
                with open(full, "wb") as f:
                    f.write(data)


def edit_large(top, scale):
    m = Maker(c.SEED + "edit L")
    image, log = os.path.join(top, "image"), os.path.join(top, "log")
    pages = os.path.getsize(image) // c.PAGE
    # Half of the pages that a guest rewrites lie together.
    count, chosen = max(1, int(L_PAGES * scale)), set()
    while len(chosen) < count:
        at = m.rng.randrange(pages)
        chosen.update(range(at, min(at + m.rng.choice((1, 1, 1, 64)), pages)))
    chosen = sorted(chosen)[:count]
    j = Journal(top)
    j.moved = ["libraries.tar"]
    j.added = ["media/new.mp4"]
    j.patched = [("image", pages * c.PAGE), ("log", os.path.getsize(log))]
    with open(image, "rb") as f, open(os.path.join(j.dir, "image.pages"), "wb") as old:
        for page in chosen:
            f.seek(page * c.PAGE)
            old.write((page * c.PAGE).to_bytes(8, "little") + f.read(c.PAGE))
    j.write()
    with open(image, "r+b") as f:
        for page in chosen:
            f.seek(page * c.PAGE)
            f.write(m.text(c.PAGE))
    with open(log, "ab") as f:
        f.write(m.log(max(1000, int(L_APPEND * scale)), 10**6))
    with open(os.path.join(top, "media/new.mp4"), "wb") as f:
        f.write(m.media(max(1000, int(L_ADD * scale))))
    _insert(m, j.aside("libraries.tar"), os.path.join(top, "libraries.tar"),
            max(1, int(L_INSERTS * scale)))


def _insert(m, old, new, count):
    size = os.path.getsize(old)
    at = 0
    with open(old, "rb") as f, open(new, "wb") as g:
        for stop in sorted(m.rng.sample(range(size), count)) + [size]:
            while at < stop:
                data = f.read(min(c.MIB, stop - at))
                g.write(data)
                at += len(data)
            if stop < size:
                g.write(m.code(m.rng.randint(1, 4000)))


def edit(top, which, scale):
    (edit_small if which == "S" else edit_large)(top, scale)
    os.sync()
