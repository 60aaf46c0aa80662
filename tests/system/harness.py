"""What the system tests share: a scratch directory, the command, expectations.

A test is a program: exit 0 passed, 77 skipped (the reason on standard error),
anything else failed.  VITRINE names the command (the test build, which honours
VITRINE_TEST_FAULTS, VITRINE_TEST_SEED and VITRINE_TEST_TIME).
"""
import atexit
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
VITRINE = os.path.abspath(os.environ.get("VITRINE", os.path.join(TOP, "build-test/vitrine")))
TOOLS = os.path.join(TOP, "tests/tools")
PYTHON = "/usr/bin/python3"

tmp = tempfile.mkdtemp(prefix="vitrine-test-", dir=os.environ.get("TMPDIR", "/var/tmp"))
mounts = []


def cleanup():
    for m in reversed(mounts):
        subprocess.run(["umount", "-l", m], stderr=subprocess.DEVNULL)
    subprocess.run(["rm", "-rf", tmp])


atexit.register(cleanup)


def skip(why):
    print(f"skipped: {why}", file=sys.stderr)
    sys.exit(77)


def fail(text):
    raise SystemExit(f"FAILED: {text}")


def path(*parts):
    return os.path.join(tmp, *parts)


class Result:
    def __init__(self, p):
        self.status, self.out, self.err = p.returncode, p.stdout, p.stderr
        self.text = (self.out + self.err).decode(errors="replace")


class Repo:
    """A repository and the environment to use it; caches are its own."""

    def __init__(self, name="repo", password="correct horse", **env):
        self.dir = path(name)
        self.env = dict(os.environ, VITRINE_REPOSITORY=self.dir, VITRINE_PASSWORD=password,
                        HOME=path(name + ".home"), XDG_CACHE_HOME=path(name + ".cache"),
                        XDG_STATE_HOME=path(name + ".state"), TZ="UTC", **env)
        os.makedirs(self.env["HOME"], exist_ok=True)

    def run(self, *args, env=None, expect=0, timeout=600):
        e = dict(self.env, **(env or {}))
        p = subprocess.run([VITRINE, *args], env=e, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout)
        r = Result(p)
        allowed = expect if isinstance(expect, (tuple, list, set)) else (expect,)
        if expect is not None and r.status not in allowed:
            fail(f"vitrine {' '.join(map(str, args))}: exit {r.status}, expected {expect}\n{r.text}")
        return r

    def start(self, *args, env=None):
        return subprocess.Popen([VITRINE, *args], env=dict(self.env, **(env or {})),
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE)

    def init(self):
        self.run("init")

    def use_key_file(self):
        """A key file instead of a passphrase: no Argon2 at each of many runs."""
        key = path(os.path.basename(self.dir) + ".key")
        write(key, os.urandom(32))
        del self.env["VITRINE_PASSWORD"]
        self.env["VITRINE_KEY_FILE"] = key

    def ids(self):
        d = os.path.join(self.dir, "snapshots")
        return set(os.listdir(d)) if os.path.isdir(d) else set()

    def backup(self, *args, **kw):
        """Back up and give the new snapshot's id."""
        before = self.ids()
        self.run("backup", *args, **kw)
        new = self.ids() - before
        if len(new) != 1:
            fail(f"backup made {len(new)} snapshots")
        return new.pop()

    def mount(self, *args):
        point = tempfile.mkdtemp(prefix="mnt-", dir=tmp)
        self.run("mount", *args, point)
        mounts.append(point)
        return point

    def umount(self, point):
        self.run("umount", point)
        mounts.remove(point)

    def restore(self, what, name="restored", expect=0, env=None):
        target = path(name)
        subprocess.run(["rm", "-rf", target])
        r = self.run("restore", what, "--target", target, expect=expect, env=env)
        r.target = target
        return r

    def objects(self):
        """Every object's name, tmp/ left out."""
        for d, dirs, files in os.walk(self.dir):
            if d == self.dir and "tmp" in dirs:
                dirs.remove("tmp")
            for f in sorted(files):
                yield os.path.relpath(os.path.join(d, f), self.dir)

    def copy_to(self, name):
        shutil.copytree(self.dir, path(name))


def make_tree(name, seed, *options):
    d = path(name)
    subprocess.run([PYTHON, f"{TOOLS}/maketree.py", d, str(seed), *options],
                   check=True, stderr=subprocess.DEVNULL)
    return d


def compare(a, b, *options):
    p = subprocess.run([PYTHON, f"{TOOLS}/comparetree.py", *options, a, b],
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    text = p.stdout.decode(errors="replace")
    if p.returncode != 0:
        fail(f"{a} and {b} differ:\n" + "\n".join(text.splitlines()[:30] + text.splitlines()[-1:]))
    return text


def write(p, data):
    os.makedirs(os.path.dirname(p), exist_ok=True)
    with open(p, "wb") as f:
        f.write(data)


def passed(text):
    print(text)
