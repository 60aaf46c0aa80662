"""What the system tests share: a scratch directory, the command, expectations.

A test is a program: exit 0 passed, 77 skipped (the reason on standard error),
anything else failed.  VITRINE names the command (the test build, which honours
VITRINE_TEST_FAULTS, VITRINE_TEST_SEED and VITRINE_TEST_TIME).

With VITRINE_TEST_STORE=s3 a Repo lies in a bucket: of the server that the environment
names, else of one of the test's own.  So tests reach objects by Repo.read, write, remove,
names, save and load, not through Repo.dir, unless they say "store=dir" (see tests/run).
"""
import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../s3"))
from objects import open_objects  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
VITRINE = os.path.abspath(os.environ.get("VITRINE", os.path.join(TOP, "build-test/vitrine")))
STORE = os.environ.get("VITRINE_TEST_STORE", "dir")
RADOSGW = os.path.join(TOP, "tests/s3/radosgw")
TOOLS = os.path.join(TOP, "tests/tools")
PYTHON = "/usr/bin/python3"

tmp = tempfile.mkdtemp(prefix="vitrine-test-", dir=os.environ.get("TMPDIR", "/var/tmp"))
mounts = []
servers = []
repos = {}


def cleanup():
    for m in reversed(mounts):
        subprocess.run(["umount", "-l", m], stderr=subprocess.DEVNULL)
    if servers:
        for d in servers:
            subprocess.run([RADOSGW, "stop", d])
    elif STORE == "s3":
        for r in repos.values():
            r.drop()
    subprocess.run(["rm", "-rf", tmp])


atexit.register(cleanup)
# Who is told to end cleans up as well.
signal.signal(signal.SIGTERM, lambda *_: sys.exit("FAILED: told to end"))


def skip(why):
    print(f"skipped: {why}", file=sys.stderr)
    sys.exit(77)


def fail(text):
    raise SystemExit(f"FAILED: {text}")


def path(*parts):
    return os.path.join(tmp, *parts)


def start_server(*options, name="s3"):
    """A server of this test's own, which ends with it: its directory and environment."""
    d = path(name)
    p = subprocess.run([RADOSGW, "start", d, "--owner", str(os.getpid()), *options],
                       stderr=subprocess.PIPE)
    if p.returncode != 0:
        fail(p.stderr.decode(errors="replace"))
    servers.append(d)
    return d, server_env(d)


def server_env(d, *options):
    text = subprocess.run([RADOSGW, "env", d, *options], check=True,
                          stdout=subprocess.PIPE).stdout.decode()
    lines = [line.removeprefix("export ").partition("=") for line in text.splitlines()]
    return {k: v.strip("'") for k, _, v in lines}


class Result:
    def __init__(self, p):
        self.status, self.out, self.err = p.returncode, p.stdout, p.stderr
        self.text = (self.out + self.err).decode(errors="replace")


class Repo:
    """A repository and the environment to use it; caches are its own.  `where' is its
    place, if not the usual: a directory, or a bucket and prefix."""

    def __init__(self, name="repo", password="correct horse", where=None, **env):
        self.dir = path(name)       # also the stem of its other places
        if STORE == "s3" and where is None:
            if "VITRINE_TEST_S3_URL" not in os.environ:
                os.environ.update(start_server()[1])
            where = "%s/%s" % (os.environ["VITRINE_TEST_S3_URL"], self.dir.lstrip("/"))
        self.where = where or self.dir
        repos[self.where] = self
        self.env = dict(os.environ, VITRINE_REPOSITORY=self.where, VITRINE_PASSWORD=password,
                        HOME=path(name + ".home"), XDG_CACHE_HOME=path(name + ".cache"),
                        XDG_STATE_HOME=path(name + ".state"), TZ="UTC", **env)
        os.makedirs(self.env["HOME"], exist_ok=True)
        self.store = open_objects(self.where, self.env)

    def run(self, *args, env=None, expect=0, timeout=1800):
        e = dict(self.env, **(env or {}))
        try:
            p = subprocess.run([VITRINE, *args], env=e, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout)
        except subprocess.TimeoutExpired as x:
            said = (x.stdout or b"") + (x.stderr or b"")
            fail(f"vitrine {' '.join(map(str, args))}: goes on for {timeout} s\n"
                 + said.decode(errors="replace"))
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
        return {n.removeprefix("snapshots/") for n in self.names("snapshots/")}

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

    def names(self, prefix=""):
        """Every object's name, tmp/ left out."""
        return list(self.store.names(prefix))

    def read(self, name):
        return self.store.read(name)

    def write(self, name, data):
        self.store.write(name, data)

    def remove(self, name):
        self.store.remove(name)

    def save(self, name):
        """Copy all objects to a directory of that name."""
        self.store.pull(path(name))

    def load(self, name):
        """Be as that directory is."""
        self.store.push(path(name))

    def drop(self):
        if os.path.isdir(self.where) or self.where.startswith("s3:"):
            for n in self.names():
                self.remove(n)

    def forget(self, *what):
        """Lose the cache, the state, or both."""
        for w in what or ("cache", "state"):
            shutil.rmtree(self.dir + "." + w, ignore_errors=True)


def make_tree(name, seed, *options):
    d = path(name)
    subprocess.run([PYTHON, f"{TOOLS}/maketree.py", d, str(seed), *options],
                   check=True, stderr=subprocess.DEVNULL)
    return d


def eight_files(repo, mib):
    """A repository with a snapshot of eight files, restored as "first": its tree and id."""
    repo.use_key_file()
    repo.init()
    tree = path("tree")
    for i in range(8):
        write(f"{tree}/f{i}", os.urandom(mib << 20))
    first = repo.backup(tree)
    repo.restore(first + ":" + tree, "first")
    return tree, first


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
