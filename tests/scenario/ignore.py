#!/usr/bin/python3
"""Ignore files against git.

    ignore.py make DIR SEED N     N trees DIR/0 ..., with .gitignore files and the
                                  same as .vitrineignore
    ignore.py compare DIR COPY    COPY (restored) must have what git check-ignore
                                  leaves of DIR, and nothing else
"""
import os
import random
import subprocess
import sys

RULES = b".gitignore", b".vitrineignore"
NAMES = (b"a", b"b", b"c", b"ab", b"abc", b"x.o", b"y.o", b"a.c", b"foo", b"bar",
         b"build", b"a b", b"a ", b" a", b"#a", b"!a", b"a\\", b"[a]", b"*", b"?",
         b"**", b"\xc3\xa4", b"\xff", b"A", b"a-b", b"]", b"^", b".a", b"a\tb",
         b"a\r")
PIECES = (b"*", b"*", b"**", b"***", b"?", b"[ab]", b"[a-c]", b"[!a]", b"[^b]", b"[]]",
          b"[]-a]", b"[!]a]", b"[a", b"[[:alpha:]]", b"[[:upper:]x]", b"[[:bad:]]",
          b"[[:space:]]", b"[[:punct:]]", b"[a\\]]", b"[\\a-\\c]", b"[c-a]", b"[a-]",
          b"[[:]", b"[[:a]", b"\\*", b"\\a", b"\\", b"\\ ", b"\\[", b"/", b"/", b"/",
          b"//", b"/**/", b"**/", b"/**", b"a", b"b", b"c", b".o", b"o", b" ", b"#",
          b"!", b"\t", b"\xc3\xa4", b"\xff", b"-", b".")


def pattern(rng):
    kind = rng.random()
    if kind < 0.35:
        text = b"".join(rng.choice(PIECES) for _ in range(rng.randint(1, 5)))
    elif kind < 0.7:
        parts = []
        for _ in range(rng.randint(1, 3)):
            part = rng.choice(NAMES + (b"*", b"**", b"*", b"a*", b"*.o", b"?"))
            if rng.random() < 0.3:
                part += rng.choice(PIECES)
            parts.append(part)
        text = b"/".join(parts)
    else:
        text = rng.choice(NAMES)
    if rng.random() < 0.2:
        text = b"/" + text
    if rng.random() < 0.25:
        text += b"/"
    if rng.random() < 0.3:
        text = b"!" + text
    if rng.random() < 0.05:
        text = b"#" + text
    if rng.random() < 0.1:
        text += b" " * rng.randint(1, 3)
    return text


def rules(rng):
    lines = [pattern(rng) for _ in range(rng.randint(0, 8))]
    if rng.random() < 0.3:
        lines.insert(0, b"*")
    if rng.random() < 0.1:
        lines.insert(0, b"")
    end = b"\r\n" if rng.random() < 0.1 else b"\n"
    text = end.join(lines)
    if rng.random() < 0.8:
        text += end
    if rng.random() < 0.1:
        text = b"\xef\xbb\xbf" + text
    return text


def fill(rng, path, depth):
    for name in rng.sample(NAMES, rng.randint(2, 9)):
        entry = os.path.join(path, name)
        kind = rng.random()
        if kind < 0.45 and depth < 4:
            os.mkdir(entry)
            fill(rng, entry, depth + 1)
        elif kind < 0.52:
            os.symlink(b"a", entry)
        else:
            open(entry, "wb").close()
    if depth == 0 or rng.random() < 0.3:
        text = rules(rng)
        for name in RULES:
            with open(os.path.join(path, name), "wb") as f:
                f.write(text)


def make(top, seed, count):
    rng = random.Random(seed)
    for i in range(count):
        path = os.path.join(top, b"%d" % i)
        os.mkdir(path)
        fill(rng, path, 0)


def entries(top):
    found = set()
    for path, dirs, files in os.walk(top):
        for name in dirs + files:
            if name not in RULES:
                found.add(os.path.relpath(os.path.join(path, name), top))
    return found


def git(path, git_dir, *args, **more):
    env = dict(os.environ, GIT_CONFIG_NOSYSTEM="1", HOME="/nonexistent",
               GIT_CONFIG_GLOBAL="/dev/null")
    return subprocess.run(["git", "--git-dir", git_dir, "--work-tree", path, *args],
                          cwd=path, env=env, stdout=subprocess.PIPE, **more)


def ignored(path, git_dir, names):
    names = sorted(names)
    done = git(path, git_dir, "check-ignore", "--no-index", "-z", "--stdin",
               input=b"\0".join(names) + b"\0")
    if done.returncode not in (0, 1):
        sys.exit("git check-ignore: status %d" % done.returncode)
    return set(done.stdout.split(b"\0")) - {b""}


def compare(top, copy):
    git_dir = os.path.join(top, b"..", b"git")
    git(top, git_dir, "init", "-q", check=True)
    bad = out = total = 0
    for case in sorted(os.listdir(top), key=int):
        there = entries(os.path.join(top, case))
        gone = ignored(os.path.join(top, case), git_dir, there)
        want = there - gone
        got = entries(os.path.join(copy, case))
        total += len(there)
        out += len(gone)
        for name in sorted(want ^ got):
            print("%s/%s: git %s it" % (case.decode(), name,
                                        "keeps" if name in want else "ignores"))
            bad += 1
    print("%d entries, %d of them ignored by git, %d differences" % (total, out, bad))
    if not out or out == total:
        sys.exit("nothing was compared")
    sys.exit(bad > 0)


if sys.argv[1] == "make":
    make(os.fsencode(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
else:
    compare(os.fsencode(sys.argv[2]), os.fsencode(sys.argv[3]))
