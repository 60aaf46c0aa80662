#!/usr/bin/python3
# run: timeout=300
"""The independent reader on repositories made now: random trees, changed once or
twice, with several chunk sizes, by all kinds of keys; what it extracts is what
was backed up."""
import os
import random
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VITRINE = os.environ.get("VITRINE", os.path.join(TOP, "build/vitrine"))
PYTHON = "/usr/bin/python3"
READER = [PYTHON, f"{TOP}/tests/reader/vitrine_reader.py"]


def run(*argv, **env):
    p = subprocess.run(argv, env=dict(os.environ, **env), stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    text = p.stdout.decode(errors="replace")
    if p.returncode != 0:
        sys.exit(f"FAILED: {argv}: {p.returncode}\n{text[-3000:]}")
    return text


def large(path, rnd, size):
    """Half of it compresses."""
    with open(path, "wb") as f:
        while f.tell() < size:
            f.write(rnd.randbytes(70000))
            f.write(b"line %d\n" % rnd.randrange(1000) * 9000)


def change(tree, rnd):
    """Some of what happens between two backups."""
    for i in range(20):
        with open(f"{tree}/new-{rnd.randrange(40)}", "wb") as f:
            f.write(rnd.randbytes(rnd.choice([0, 10, 5000])))
    with open(f"{tree}/large", "r+b") as f:
        f.seek(rnd.randrange(1 << 20))
        f.write(rnd.randbytes(1000))
    os.mkdir(f"{tree}/dir-{rnd.randrange(10**6)}")
    gone = sorted(n for n in os.listdir(tree) if n.startswith("new-"))[0]
    os.unlink(f"{tree}/{gone}")


def one(tmp, seed, maketree, init, put_only, name=()):
    rnd, t = random.Random(seed), f"{tmp}/{seed}"
    tree, repo, state = f"{t}/tree", f"{t}/repo", {}
    os.makedirs(t)
    subprocess.run([PYTHON, f"{TOP}/tests/tools/maketree.py", tree, str(seed), *maketree],
                   check=True, stderr=subprocess.DEVNULL)
    large(f"{tree}/large", rnd, 2 << 20 if seed < 3 else 20 << 20)
    with open(f"{t}/password", "w") as f:
        f.write("a pass phrase\n")
    for name in ("full.key", "put.key"):
        with open(f"{t}/{name}", "wb") as f:
            f.write(rnd.randbytes(64))
    env = dict(HOME=t, XDG_CACHE_HOME=f"{t}/cache", XDG_STATE_HOME=f"{t}/state",
               VITRINE_REPOSITORY=repo, VITRINE_PASSWORD_FILE=f"{t}/password")
    run(VITRINE, "init", *init, **env)
    run(VITRINE, "key", "add", "--new-key-file", f"{t}/full.key", **env)
    key = []
    if put_only:
        key = ["--key-file", f"{t}/put.key"]
        run(VITRINE, "key", "add", "--new-key-file", f"{t}/put.key", "--put-only",
            "--host", "there", *put_only, **env)
    before = set()
    for i in range(3):
        run(VITRINE, *key, "backup", "--host", "there", *name, tree, **env)
        (new,) = set(os.listdir(f"{repo}/snapshots")) - before
        before.add(new)
        secret = [[repo, f"{t}/password"], ["--key-file", repo, f"{t}/full.key"]][i % 2]
        run(*READER, *secret, "extract", new, f"{t}/out")
        run(PYTHON, f"{TOP}/tests/tools/comparetree.py", tree, f"{t}/out{tree}")
        shutil.rmtree(f"{t}/out")
        change(tree, rnd)
    text = run(*READER, repo, f"{t}/password", "verify")
    print(seed, maketree, init, put_only, text.splitlines()[-1])
    shutil.rmtree(t)


def main():
    if os.geteuid() != 0:
        # What another user can't make or chown, he can't compare.
        print("not root", file=sys.stderr)
        sys.exit(77)
    tmp = tempfile.mkdtemp(prefix="vitrine-reader-", dir=os.environ.get("TMPDIR", "/var/tmp"))
    try:
        one(tmp, 1, ["--deep", "25", "--entries", "500"], [], None)
        one(tmp, 2, ["--count", "60"], ["--chunk-size", "4K"], [],
            ["--name", "n\u00e4me 2"])
        one(tmp, 3, ["--count", "20"], ["--chunk-size", "8M"], ["--share"])
    finally:
        subprocess.run(["rm", "-rf", tmp])


main()
