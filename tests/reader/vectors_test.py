#!/usr/bin/python3
# run: timeout=600
"""The repositories of test vectors: the independent reader finds in them what it
did when they were made, from a copy that can't be written; and so does vitrine,
for which a version of the format is never too old."""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VITRINE = os.environ.get("VITRINE", os.path.join(TOP, "build/vitrine"))
PYTHON = "/usr/bin/python3"


def fail(text):
    sys.exit("FAILED: " + text)


def run(argv, status=0, **env):
    p = subprocess.run(argv, env=dict(os.environ, LC_ALL="C", TZ="UTC", **env),
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if p.returncode not in (status if isinstance(status, tuple) else (status,)):
        fail(f"{argv}: {p.returncode}\n{(p.stdout + p.stderr).decode(errors='replace')[-3000:]}")
    return p.stdout.decode(errors="surrogateescape"), p.stderr.decode(errors="surrogateescape")


def expected(vector, name):
    with open(f"{vector}/expected/{name}", errors="surrogateescape") as f:
        return f.read()


def same(what, found, wanted):
    if found != wanted:
        a, b = set(found.splitlines()), set(wanted.splitlines())
        fail(f"{what}: found {sorted(a - b)[:5]}, expected {sorted(b - a)[:5]}")


def reader(repo, *args):
    argv = [repo, *args]
    if args[0] == "--key-file":
        argv = [args[0], repo, *args[1:]]
    return run([PYTHON, "-B", f"{TOP}/tests/reader/vitrine_reader.py", *argv])[0]


def read_only(top, on):
    for d, _, files in os.walk(top):
        for f in files:
            os.chmod(os.path.join(d, f), 0o400 if on else 0o600)
        os.chmod(d, 0o500 if on else 0o700)


def by_reader(vector, repo):
    """The lists and digests; by both of the full keys."""
    password = f"{vector}/password"
    same("list", reader(repo, password, "list"), expected(vector, "list"))
    same("verify", reader(repo, "--key-file", f"{vector}/full.key", "verify"),
         expected(vector, "verify"))
    lines, digests = {}, {}
    for line in expected(vector, "list").splitlines():
        if " refused: " not in line:
            text = reader(repo, "--key-file", f"{vector}/full.key", "digest", line.split()[0])
            digests[line.split()[0]] = text.splitlines()
            for entry in text.splitlines():
                lines[entry] = lines.get(entry, 0) + 1
    same("digests", "".join(f"{n} {line}\n" for line, n in sorted(lines.items())),
         "".join(sorted(expected(vector, "digests").splitlines(True),
                        key=lambda s: s.split(" ", 1)[1])))
    return digests


def restored(vector, repo, tmp, snapshot, root, env):
    """vitrine's copy and the reader's are the same."""
    a, b = f"{tmp}/vitrine", f"{tmp}/reader"
    run([VITRINE, "restore", f"{snapshot}:{root}", "--target", a], **env)
    reader(repo, f"{vector}/password", "extract", snapshot, b)
    text, _ = run([PYTHON, f"{TOP}/tests/tools/comparetree.py", b + root, a], (0, 1))
    if not text.endswith(" 0 differences\n"):
        fail(f"{snapshot}: {text[-2000:]}")
    for d in (a, b):
        subprocess.run(["rm", "-rf", d])


def by_vitrine(vector, repo, tmp, digests):
    env = dict(VITRINE_REPOSITORY=repo, VITRINE_PASSWORD_FILE=f"{vector}/password", HOME=tmp,
               XDG_CACHE_HOME=f"{tmp}/cache", XDG_STATE_HOME=f"{tmp}/state")
    lines = expected(vector, "list").splitlines()
    good = {x.split()[0]: x.split() for x in lines if " refused: " not in x}
    refused = {x.split()[0] for x in lines} - set(good)
    out, err = run([VITRINE, "snapshots"], (0, 4), **env)
    same("snapshots", "\n".join(sorted(set(re.findall(r"^[0-9a-f]{8}\b", out, re.M)))),
         "\n".join(sorted(good)))
    for name in refused:
        if f"snapshot {name}" not in err:
            fail(f"vitrine does not say that it refuses {name}")
    for snapshot, words in good.items():
        root = words[8]
        entries = digests[snapshot]
        count, _ = run([VITRINE, "sql", snapshot, "select count(*), sum(size) from files"], **env)
        # The root has no name.
        if re.findall(r"\d+", count)[-2:] != \
                [str(len(entries) + 1), str(sum(int(e.split()[4]) for e in entries))]:
            fail(f"{snapshot}: {count!r}, not {len(entries)} entries")
        listed, _ = run([VITRINE, "ls", "-R", f"{snapshot}:{root}"], **env)
        if root + "/" not in "".join(entries) or not listed:
            fail(f"{snapshot}: nothing in {root}")
    seen = set()
    for snapshot, words in sorted(good.items(), key=lambda x: int(x[1][3])):
        # Of a lineage the first, the last, and one between them.
        lineage = words[2], words[8]
        last = max(int(w[3]) for w in good.values() if (w[2], w[8]) == lineage)
        if int(words[3]) in (1, last // 2, last) and (lineage, words[3]) not in seen:
            seen.add((lineage, words[3]))
            restored(vector, repo, tmp, snapshot, words[8], env)
    for argv in (["check"], ["check", "--read-data"]):
        out, err = run([VITRINE, *argv], 4, **env)
        # What is refused is found, and nothing else.
        if "Damage: 1 finding in" not in out or "missing" in err or "lost" in err:
            fail(f"{argv}: {out}{err[:3000]}")


def added_to(vector, tmp):
    """A backup goes on by the rules of the repository that it finds."""
    repo, src = f"{tmp}/repo", f"{tmp}/src"
    shutil.copytree(f"{vector}repository", repo)
    os.mkdir(src)
    with open(f"{src}/random", "wb") as f:
        f.write(os.urandom(3000000))
    env = dict(VITRINE_REPOSITORY=repo, VITRINE_PASSWORD_FILE=f"{vector}/password", HOME=tmp,
               XDG_CACHE_HOME=f"{tmp}/cache2", XDG_STATE_HOME=f"{tmp}/state2")
    run([VITRINE, "backup", src], **env)
    text = reader(repo, f"{vector}/password", "verify")
    if text.count("WRONG") != expected(vector, "verify").count("WRONG") or \
            text.count("\npack ") <= expected(vector, "verify").count("\npack "):
        fail(f"what was added: {text[-3000:]}")
    out, err = run([VITRINE, "check", "--read-data"], 4, **env)
    if "Damage: 1 finding in" not in out:
        fail(f"what was added: {out}{err[:3000]}")
    for d in (repo, src):
        subprocess.run(["rm", "-rf", d])


def main():
    if os.geteuid() != 0:
        print("not root, which alone can restore all that the vectors hold", file=sys.stderr)
        sys.exit(77)
    # Attributes as large as some there are only a tmpfs takes.
    if not os.path.ismount("/dev/shm"):
        print("no tmpfs at /dev/shm", file=sys.stderr)
        sys.exit(77)
    tmp = tempfile.mkdtemp(prefix="vitrine-vectors-", dir="/dev/shm")
    vectors = sorted(glob.glob(f"{TOP}/tests/vectors/v*/"))
    if not vectors:
        fail("no vectors")
    try:
        for vector in vectors:
            # They are of one id: what is known of one is none of another's.
            subprocess.run(["rm", "-rf", *glob.glob(f"{tmp}/cache*"),
                            *glob.glob(f"{tmp}/state*")])
            repo = f"{tmp}/repo"
            shutil.copytree(f"{vector}repository", repo)
            read_only(repo, True)
            before = run(["find", repo, "-ls"])[0]
            by_vitrine(vector, repo, tmp, by_reader(vector, repo))
            if run(["find", repo, "-ls"])[0] != before:
                fail("reading changed the repository")
            subprocess.run(["rm", "-rf", repo])
            added_to(vector, tmp)
    finally:
        subprocess.run(["rm", "-rf", tmp])


main()
