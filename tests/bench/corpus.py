"""The corpora: S, many small files, and L, a few large ones.

A corpus lies in a directory of its own with a stamp beside it; it is made again
when the stamp doesn't fit.  All depends on the seed and the scale alone, but
for the inode numbers and the times of change.
"""
import json
import multiprocessing
import os
import random
import shutil

from content import Maker

VERSION = 7
SEED = "vitrine bench"
MIB = 1 << 20
PAGE = 4096
PART = 128 << 10        # what is alike in a library

# At scale 1.
S_FILES = 130000
L_SIZES = {"image": 1024 * MIB, "libraries.tar": 1200 * 10**6, "log": 850 * 10**6,
           "media": 850 * 10**6}


def small_sizes(rng, count):
    """Mean about 5.4 kB, as in a tree of sources, scripts and small programs."""
    return [min(int(rng.lognormvariate(7.75, 1.25)), 400000) for _ in range(count)]


def plan_small(scale):
    """Every directory and file of S: (path, size, kind, seed, project)."""
    rng = random.Random(SEED + "S")
    count = int(S_FILES * scale)
    dirs, project = [""], {"": 0}
    words = ["src", "lib", "doc", "test", "include", "share", "locale", "module", "core",
             "util", "data", "build", "python", "kernel", "drivers", "net", "gui"]
    while len(dirs) < count // 14 + 1:
        parent = dirs[int(len(dirs) * rng.random() ** 1.3)]
        if parent.count("/") < 9:
            dirs.append(f"{parent}{rng.choice(words)}{len(dirs):x}/")
            project[dirs[-1]] = project[parent] if rng.random() < 0.6 else len(dirs)
    files = []
    for i, size in enumerate(small_sizes(rng, count)):
        d = dirs[rng.randrange(len(dirs))]
        kind = rng.choices(("text", "code", "media"), (78, 18, 4))[0]
        end = {"text": rng.choice((".c", ".h", ".py", ".txt", ".conf", "")),
               "code": rng.choice((".o", ".so", ".pyc", "")), "media": ".png"}[kind]
        # One in twenty is a copy of an earlier one: licences, headers, icons.
        seed = rng.randrange(i) if i > 100 and rng.random() < 0.05 else i
        if seed != i:
            _, size, kind, seed, near = files[seed]
        else:
            near = project[d]
        files.append((f"{d}{rng.choice(words)}-{i:05x}{end}", size, kind, seed, near))
    files.sort()
    return dirs, files


def _small_part(args):
    top, files, part, parts = args
    for path, size, kind, seed, near in files[len(files) * part // parts:
                                             len(files) * (part + 1) // parts]:
        with open(os.path.join(top, path), "wb") as f:
            f.write(getattr(Maker(f"{SEED}S{seed}"), kind)(size, near) if size else b"")
        os.chmod(os.path.join(top, path), 0o755 if kind == "code" else 0o644)
        os.utime(os.path.join(top, path), ns=(10**18 + seed * 10**9,) * 2)


def make_small(top, scale):
    dirs, files = plan_small(scale)
    for d in dirs:
        os.makedirs(os.path.join(top, d), exist_ok=True)
    parts = 16
    with multiprocessing.Pool() as pool:
        pool.map(_small_part, [(top, files, i, parts) for i in range(parts)], 1)
    rng = random.Random(SEED + "links")
    for i in range(len(files) // 60):
        path = rng.choice(files)[0]
        name = os.path.join(top, os.path.dirname(path), f"link{i:04x}")
        if i % 8 == 0:
            os.link(os.path.join(top, path), name)
        else:
            os.symlink(os.path.basename(path), name)


def _write_parts(path, parts):
    with open(path, "wb") as f:
        for p in parts:
            f.write(p)


def _image(path, size):
    """A quarter holes, a quarter pages that stand elsewhere too, in runs as a
    file system lays its files; the rest text and code."""
    m = Maker(SEED + "image")
    runs = []
    with open(path, "wb") as f:
        while f.tell() < size:
            n = m.rng.randint(1, 256) * PAGE
            what = m.rng.random()
            if what < 0.25:
                f.seek(n, os.SEEK_CUR)
            elif what < 0.5 and runs:
                f.write(m.rng.choice(runs))
            else:
                near = f.tell() >> 19
                data = m.text(n, near) if what < 0.75 else m.code(n, near)
                f.write(data)
                if len(runs) < 64 or m.rng.random() < 0.05:
                    runs = runs[-255:] + [data]
        f.truncate(size)


def _libraries(path, size):
    """A tar in its form: headers, contents, padding."""
    m = Maker(SEED + "libraries")

    def members():
        have, i = 0, 0
        while have < size:
            n = min(int(m.rng.lognormvariate(12, 1.4)), 40 * MIB)
            head = f"usr/lib/lib{i:05d}.so".encode().ljust(124, b"\0") + b"%011o\0" % n
            yield head.ljust(512, b"\0")
            for at in range(0, n, PART):
                yield m.code(min(PART, n - at), (i, at))
            yield bytes(-n % 512)
            have += 512 + n + -n % 512
            i += 1
    _write_parts(path, members())
    os.truncate(path, size)


def _log(path, size):
    m = Maker(SEED + "log")
    _write_parts(path, (m.log(min(4 * MIB, size - at), at // 40)
                        for at in range(0, size, 4 * MIB)))


def _media(path, size):
    m = Maker(SEED + "media")
    os.mkdir(path)
    at = i = 0
    while at < size:
        n = min(m.rng.randint(2 * MIB, 60 * MIB), size - at)
        with open(f"{path}/film{i:03d}.mp4", "wb") as f:
            for off in range(0, n, MIB):
                f.write(m.media(min(MIB, n - off)))
        at += n
        i += 1


MAKERS = {"image": _image, "libraries.tar": _libraries, "log": _log, "media": _media}


def _large_part(args):
    top, name, size = args
    MAKERS[name](os.path.join(top, name), size)


def make_large(top, scale):
    os.makedirs(top)
    with multiprocessing.Pool() as pool:
        pool.map(_large_part, [(top, name, int(size * scale) // PAGE * PAGE)
                               for name, size in L_SIZES.items()], 1)


def corpus(base, which, scale, say):
    """The directory of a corpus, made when it isn't there."""
    top = os.path.join(base, f"{which}-{scale:g}")
    stamp = top + ".json"
    want = {"version": VERSION, "seed": SEED, "scale": scale}
    try:
        with open(stamp) as f:
            if json.load(f) == want and os.path.isdir(top):
                return top
    except (OSError, ValueError):
        pass
    say(f"making corpus {which} at scale {scale:g} in {top}")
    shutil.rmtree(top, ignore_errors=True)
    shutil.rmtree(top + ".undo", ignore_errors=True)
    (make_small if which == "S" else make_large)(top, scale)
    with open(stamp, "w") as f:
        json.dump(want, f)
    os.sync()
    return top
