#!/usr/bin/python3
"""An independent reader of vitrine repositories, written from vitrine-format(5)
and vitrine-catalog(5) alone.  It shares no code with vitrine: where the two
disagree, one of them (or the page) is wrong.

    vitrine_reader.py [--key-file] REPOSITORY SECRET-FILE list
    vitrine_reader.py [--key-file] REPOSITORY SECRET-FILE digest SNAPSHOT
    vitrine_reader.py [--key-file] REPOSITORY SECRET-FILE extract SNAPSHOT DIRECTORY
    vitrine_reader.py [--key-file] REPOSITORY SECRET-FILE catalog SNAPSHOT FILE
    vitrine_reader.py [--key-file] REPOSITORY SECRET-FILE verify

The secret file holds a passphrase (one newline at its end is left out), or is a
key file.  `list' names the snapshots; `digest' prints one line an entry with a
hash of its content; `extract' writes out everything, owners too when run by
root; `catalog' writes out the SQLite file; `verify' reads every object, says what
is in it and what is wrong, and ends with 4 where something is.
"""
import sys

from catalog import Tree
from extract import extract
from objects import Damage, Refused, Repository, blake
from verify import verify


def escaped(raw):
    return "".join(chr(c) if 33 <= c < 127 and c != 92 else f"\\x{c:02x}" for c in raw)


def line(tree, path, n):
    x = tree.xattrs(n["xset"])
    digest = blake(repr(sorted(x.items())).encode()).hex()[:8] if x else "-"
    return (f"{tree.KINDS[n['kind']]} {n['mode']:04o} {n['uid']}:{n['gid']} {n['nlink']} "
            f"{n['size']} {n['mtime']}.{n['mtime_ns']:09d} {n['flags']} "
            f"{n['rdev_major']},{n['rdev_minor']} {digest} {tree.digest(n)} " + escaped(path))


def show_list(repo):
    for name in repo.names("snapshots"):
        try:
            m = repo.manifest(name)
        except Refused as e:
            print(name[:8], "refused:", e)
            continue
        print(name[:8], m.time[0], m.host.decode(), m.sequence, m.files, m.dirs, m.others,
              m.bytes, *[escaped(x) for x in m.roots + m.tags])


def main(argv):
    kind = 1
    if argv[:1] == ["--key-file"]:
        kind, argv = 2, argv[1:]
    wanted = {"list": 3, "verify": 3, "digest": 4, "extract": 5, "catalog": 5}
    if len(argv) < 3 or len(argv) != wanted.get(argv[2]):
        sys.exit(__doc__)
    with open(argv[1], "rb") as f:
        secret = f.read()
    if kind == 1 and secret.endswith(b"\n"):
        secret = secret[:-1]
    repo, what = Repository(argv[0], secret, kind), argv[2]
    if what == "list":
        return show_list(repo)
    if what == "verify":
        return verify(repo)
    found = [n for n in repo.names("snapshots") if n.startswith(argv[3])]
    if len(found) != 1:
        sys.exit(f"{argv[3]}: {len(found)} snapshots")
    tree = Tree(repo, repo.manifest(found[0]))
    if what == "catalog":
        with open(argv[4], "wb") as f:
            f.write(tree.catalog.bytes())
    elif what == "extract":
        extract(tree, argv[4])
    else:
        for path, node in tree.walk():
            print(line(tree, path, node))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Damage as e:
        print(f"vitrine_reader: {e}", file=sys.stderr)
        sys.exit(4)
