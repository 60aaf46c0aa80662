"""The programs that are compared: how each is told to do a step.

Every backup program encrypts and compresses with zstd's default level, and
works with the passphrase, as a user would.  A program takes part where it is on
PATH.  Its repository, caches and home lie in one directory of its own.
"""
import json
import os
import shutil
import subprocess

from measure import Failed, Mount, run

PASSWORD = "correct horse battery"


def stored_bytes(top):
    total = 0
    for d, _, files in os.walk(top):
        for f in files:
            total += os.lstat(os.path.join(d, f)).st_size
    return total


class Tool:
    """One program and its directory; steps return what measure.run does."""
    name = program = ""
    version_of = "--version"

    def __init__(self, work, source):
        self.dir = os.path.join(work, self.name)
        self.repo = os.path.join(self.dir, "repo")
        self.source = source
        self.env = dict(os.environ, HOME=self.dir, XDG_CACHE_HOME=self.dir + "/cache",
                        XDG_STATE_HOME=self.dir + "/state", XDG_CONFIG_HOME=self.dir + "/config",
                        LC_ALL="C.UTF-8", **self.settings())
        os.makedirs(self.dir)

    def settings(self):
        return {}

    @classmethod
    def found(cls):
        return shutil.which(cls.program)

    @classmethod
    def version(cls):
        p = subprocess.run([cls.program, cls.version_of], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True)
        return p.stdout.splitlines()[0].strip() if p.stdout else "?"

    def run(self, *argv, **kw):
        return run([self.program, *argv], env=self.env, **kw)

    def quiet(self, *argv, **kw):
        self.run(*argv, **kw)

    def get(self, *argv):
        return subprocess.run([self.program, *argv], env=self.env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True,
                              text=True).stdout

    def init(self):
        pass

    def backup(self, nth):
        raise NotImplementedError

    def restore(self, target):
        raise NotImplementedError

    def check(self):
        raise NotImplementedError

    def mount(self):
        """A Mount whose `top' shows the source's files."""
        raise NotImplementedError

    def stored(self):
        return stored_bytes(self.repo)

    def under(self, point):
        """Where the source's files are below a mount, when they are there."""
        def see():
            for d in (point, *(os.path.join(point, s) for s in ("latest", "snapshots/latest"))):
                for top in (d + self.source, d):
                    if all(os.path.lexists(os.path.join(top, n)) for n in self.landmarks()):
                        return top
            return None
        return see

    def landmarks(self):
        return sorted(os.listdir(self.source))[:3]


class Floor(Tool):
    """The plainest tools that do the step, without dedup or encryption."""
    name, program = "floor", "tar"

    @classmethod
    def version(cls):
        return "tar | zstd -3 -T2, synced; find -printf; cp -a; zstd -t; cp -r"

    @property
    def archive(self):
        return os.path.join(self.dir, "archive.tar.zst")

    def backup(self, nth):
        if nth == 0:
            return self._sh('tar -C "$1" -cf - . | zstd -q -3 -T2 -o "$2" && sync "$2"')
        return run(["find", self.source, "-printf",
                    "%p %i %D %m %n %U %G %s %T@ %C@ %A@ %y %l\\n"], env=self.env)

    def _sh(self, script, *more):
        return run(["sh", "-c", script, "sh", self.source, self.archive, *more], env=self.env)

    def restore(self, target):
        return run(["cp", "-a", self.source, target], env=self.env)

    def check(self):
        return run(["zstd", "-q", "-t", self.archive], env=self.env)

    def mount(self):
        """Not a mount: the source itself."""
        return Plain(self.source)

    def stored(self):
        return os.path.getsize(self.archive)


class Plain:
    ready = None

    def __init__(self, top):
        self.top = top

    def run(self, argv, out=None):
        return run(argv, out=out)

    def close(self):
        pass


class Vitrine(Tool):
    name, program = "vitrine", os.environ.get("VITRINE", "vitrine")

    @classmethod
    def found(cls):
        return shutil.which(cls.program) or os.path.exists(cls.program)

    def settings(self):
        return {"VITRINE_REPOSITORY": self.repo, "VITRINE_PASSWORD": PASSWORD}

    def init(self):
        self.quiet("init")

    def backup(self, nth, *options):
        return self.run("backup", "-q", *options, self.source)

    def restore(self, target, *options):
        return self.run("restore", "-q", *options, "latest:" + self.source, "--target", target)

    def check(self, *options):
        return self.run("check", "-q", "--read-data", *options)

    def mount(self):
        point = self.dir + "/mnt"
        return Mount([self.program, "mount", "-f", point], point, self.env, self.under(point))


class Restic(Tool):
    name = program = "restic"
    version_of = "version"

    def settings(self):
        return {"RESTIC_REPOSITORY": self.repo, "RESTIC_PASSWORD": PASSWORD}

    def init(self):
        self.quiet("init", "--repository-version", "2")

    def backup(self, nth):
        return self.run("backup", "-q", self.source)

    def restore(self, target):
        return self.run("restore", "-q", "latest", "--target", target)

    def check(self):
        return self.run("check", "-q", "--read-data")

    def mount(self):
        point = self.dir + "/mnt"
        return Mount([self.program, "mount", point], point, self.env, self.under(point))


class Borg(Tool):
    name = program = "borg"

    def settings(self):
        return {"BORG_REPO": self.repo, "BORG_PASSPHRASE": PASSWORD, "BORG_BASE_DIR": self.dir}

    def init(self):
        self.quiet("init", "-e", "repokey-blake2")

    def backup(self, nth):
        self.last = f"::a{nth}"
        return self.run("create", "--compression", "zstd,3", self.last, self.source)

    def restore(self, target):
        os.mkdir(target)
        return self.run("extract", self.last, cwd=target)

    def check(self):
        return self.run("check", "--verify-data")

    def mount(self):
        point = self.dir + "/mnt"
        return Mount([self.program, "mount", "-f", self.last, point], point, self.env,
                     self.under(point))


class Rustic(Tool):
    name = program = "rustic"

    def settings(self):
        return {"RUSTIC_REPOSITORY": self.repo, "RUSTIC_PASSWORD": PASSWORD,
                "RUSTIC_NO_PROGRESS": "true", "RUSTIC_LOG_LEVEL": "warn"}

    def init(self):
        self.quiet("init")

    def backup(self, nth):
        return self.run("backup", self.source)

    def restore(self, target):
        return self.run("restore", "latest:" + self.source, target)

    def check(self):
        return self.run("check", "--read-data")

    def mount(self):
        point = self.dir + "/mnt"
        return Mount([self.program, "mount", point, "latest:" + self.source], point, self.env,
                     self.under(point))


class Kopia(Tool):
    name = program = "kopia"

    def settings(self):
        return {"KOPIA_PASSWORD": PASSWORD, "KOPIA_CHECK_FOR_UPDATES": "false",
                "KOPIA_CONFIG_PATH": self.dir + "/kopia.config"}

    def init(self):
        self.quiet("repository", "create", "filesystem", "--path", self.repo)
        self.compress()

    def compress(self):
        self.quiet("policy", "set", "--global", "--compression", "zstd")

    def backup(self, nth):
        return self.run("snapshot", "create", "--no-progress", self.source)

    def _last(self):
        return json.loads(self.get("snapshot", "list", "--json", self.source))[-1]

    def restore(self, target):
        return self.run("snapshot", "restore", self._last()["rootEntry"]["obj"], target)

    def check(self):
        return self.run("snapshot", "verify", "--verify-files-percent=100")

    def mount(self):
        point = self.dir + "/mnt"
        return Mount([self.program, "mount", self._last()["rootEntry"]["obj"], point], point,
                     self.env, self.under(point))


class Plakar(Tool):
    name = program = "plakar"
    version_of = "version"

    def settings(self):
        return {"PLAKAR_PASSPHRASE": PASSWORD}

    def _at(self, *argv, **kw):
        return self.run("at", self.repo, *argv, **kw)

    def init(self):
        self._at("create")

    def backup(self, nth):
        return self._at("backup", self.source)

    def _last(self):
        words = self.get("at", self.repo, "ls").splitlines()[0].split()
        return f"{words[1]}:{self.source}"

    def restore(self, target):
        return self._at("restore", "-to", target, self._last())

    def check(self):
        return self._at("check")

    def mount(self):
        raise Failed("mounts are not compared: its layout is by snapshot only")


ALL = (Floor, Vitrine, Restic, Borg, Rustic, Kopia, Plakar)
