#!/usr/bin/python3
"""find over many snapshots says what a walk of each of them says.

    find_many.py edit DIR STEP SEED
    find_many.py compare ARGUMENT...

Snapshot I of lineage NAME has the tags NAME-I and NAME-(I+1), so that --tag NAME-I
leaves it and the one before it: of so few both are walked.  What the pairs say of
their latter one, pair after pair, is what all together have to say, with the same
end.  Prints the number of lines.
"""
import json
import os
import random
import subprocess
import sys

ODD = (b"a", b"a!", b"a b", b"a.b", b"a-", b"A", b"z\xff", b"\xff", b"n\nl", b"%s", b"*",
       b"[", b" ", b"\x01", b"\xc3\xa4", b"x" * 255)


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def odd(top, rnd):
    """Names that sort around the '/', in directories of the same names."""
    for name in ODD:
        os.makedirs(os.path.join(top, b"odd", name), exist_ok=True)
        for inner in rnd.sample(ODD, 4):
            path = os.path.join(top, b"odd", name, inner)
            if not os.path.isdir(path):
                write(path, rnd.randbytes(rnd.choice((0, 3, 70000))))


def links(top, rnd, step):
    os.makedirs(top + b"/links", exist_ok=True)
    first = top + b"/links/first"
    if step == 0:
        write(first, b"linked")
    os.link(first, top + b"/links/l%d" % step)
    if step % 3 == 2:
        os.unlink(top + b"/links/l%d" % (step - 1))
    if step % 4 == 3:
        write(first, b"other %d" % step)        # all its names are news


def renames(top, step):
    """Directories that move with all that is in them, deep ones and shallow ones,
    one into another, and back where one was before."""
    mv = top + b"/mv"
    if step == 0:
        for d in b"a/b/c/d", b"e/f", b"g":
            os.makedirs(mv + b"/" + d)
            write(mv + b"/" + d + b"/moved", d)
            write(mv + b"/" + d + b"/a!", d)
    elif step == 1:
        os.rename(mv + b"/a/b", mv + b"/a/bb")
    elif step == 2:
        os.rename(mv + b"/e", mv + b"/a/bb/c/e")
        os.rename(mv + b"/a", mv + b"/h")
    elif step == 3:
        os.rename(mv + b"/g", mv + b"/a")
        os.mkdir(mv + b"/new")
        os.rename(mv + b"/h/bb/c", mv + b"/new/c")
    elif step == 4:
        os.rename(mv + b"/new", mv + b"/g")
        os.rename(mv + b"/h", mv + b"/new")
    elif step == 5:
        # Two change places.
        os.rename(mv + b"/g", mv + b"/x")
        os.rename(mv + b"/new", mv + b"/g")
        os.rename(mv + b"/x", mv + b"/new")


def kinds(top, step):
    path = top + b"/kind"
    if os.path.isdir(path) and not os.path.islink(path):
        os.unlink(path + b"/in")
        os.rmdir(path)
    elif os.path.lexists(path):
        os.unlink(path)
    if step % 4 == 0:
        write(path, b"file")
    elif step % 4 == 1:
        os.mkdir(path)
        write(path + b"/in", b"in")
    elif step % 4 == 2:
        os.symlink("somewhere", path)


def edit(top, step, seed):
    rnd = random.Random(f"{seed} {step}")
    top = os.fsencode(top)
    if step == 0 or step % 2 == 1:
        odd(top, rnd)
    links(top, rnd, step)
    renames(top, step)
    kinds(top, step)
    if step == 0:
        write(top + b"/long", rnd.randbytes(9 << 20))
        os.makedirs(top + b"/many")
        for i in range(3000):
            write(top + b"/many/f%04d" % i, b"%d" % i)
    elif step == 3:
        with open(top + b"/long", "r+b") as f:
            f.seek(4 << 20)
            f.write(b"changed")
    elif step == 4:
        st = os.stat(top + b"/many/f0100")
        write(top + b"/many/f0100", b"new")
        os.utime(top + b"/many/f0100", ns=(st.st_atime_ns, st.st_mtime_ns))
        os.chmod(top + b"/many/f0200", 0o600)
        try:
            os.setxattr(top + b"/many/f0300", "user.a", b"v")
            os.setxattr(top + b"/many", "user.b", b"v" * 60)
        except OSError:
            pass
    for name in rnd.sample(range(3000), 5):
        path = top + b"/many/f%04d" % name
        if os.path.exists(path) and rnd.random() < 0.5:
            os.unlink(path)
        else:
            write(path, b"written in %d" % step)


def find(args):
    done = subprocess.run(["vitrine", "find", *args], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    return done.returncode, done.stdout, done.stderr


def why(out, err):
    """What failed: as objects that stands among the others."""
    return [line for line in err.splitlines() if not line.endswith(b" found")] + \
        [line for line in out.splitlines() if line.startswith(b'{"type":"error"')]


def of(line, ids):
    """The number of the snapshot that a line is about, or None."""
    if line.startswith(b'{"type":"entry"'):
        return ids[json.loads(line)["snapshot"][:8]]
    first = line.split(b"  ", 1)[0].decode(errors="replace")
    return ids.get(first[:8])


def snapshots():
    """(own tag, id) in the order of lineages."""
    listing = subprocess.run(["vitrine", "snapshots", "--json"], stdout=subprocess.PIPE,
                             check=True).stdout
    all_ = [o for o in map(json.loads, listing.splitlines()) if o["type"] == "snapshot"]
    all_.sort(key=lambda o: (o["lineage"], o["sequence"]))
    return [(min(o["tags"], key=lambda t: int(t.split("-")[1])), o["id"]) for o in all_]


def entries(out, args):
    """Without what is said at the end."""
    if "--json" not in args:
        return out
    return b"".join(line for line in out.splitlines(keepends=True)
                    if line.startswith(b'{"type":"entry"'))


def compare(args):
    """The wanted end is that of the first pair that has a bad one."""
    snaps = snapshots()
    ids = {snap[:8]: i for i, (_, snap) in enumerate(snaps)}
    want, status, err = b"", 0, []
    for i, (tag, _) in enumerate(snaps):
        status, out, said = find([*args, "--tag", tag])
        keep = False
        for line in entries(out, args).splitlines(keepends=True):
            at = of(line, ids)
            if at is not None:
                keep = at == i
            if keep:
                want += line
        if status != 0:
            err = why(out, said)
            break
    got_status, got, said = find(args)
    got_err = why(got, said)
    got = entries(got, args)
    if (status, want) == (got_status, got) and (status == 0 or err == got_err):
        return got.count(b"\n")
    for name, data in ("want", want), ("got", got):
        with open(os.path.join(os.environ.get("T", "/tmp"), name), "wb") as f:
            f.write(data)
    sys.exit(f"find {args}: status {status} and {got_status}\n{err}\n{got_err}\n")


def main():
    if sys.argv[1] == "edit":
        edit(sys.argv[2], int(sys.argv[3]), sys.argv[4])
    else:
        print(compare(sys.argv[2:]))


main()
