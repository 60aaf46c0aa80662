#!/usr/bin/python3
"""vitrine on a terminal: prompts, Ctrl-C, the progress line, hostile names.

Run by tty.sh, in its environment; the arguments are its directory $T and
"mount" where a mount can be tried.
"""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
import unicodedata

T = sys.argv[1]
SECRET = "correct horse"
SLOW = {"": 180, "address": 600, "thread": 1200}[os.environ.get("SAN", "")]
ENV = {k: v for k, v in os.environ.items() if k != "VITRINE_PASSWORD"}
# A name that would set the title, ring, clear the screen, and end the line; and
# one of wide characters.
ENV["TERM"] = "xterm"
ENV.pop("NO_COLOR", None)
EVIL = b"evil\033]0;owned\007\033[2J\n\rx\302\233y\233z"
WIDE = ("\u4e16\u754c" * 40).encode()


class Term:
    """A command on a pseudo-terminal of its own."""

    def __init__(self, *argv, columns=80, locale="C.UTF-8"):
        self.argv = argv
        self.seen = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ,
                        struct.pack("HHHH", 24, columns, 0, 0))
            env = dict(ENV, LC_ALL=locale)
            os.execvpe(argv[0], argv, env)

    def die(self, why):
        sys.exit("FAILED: %s: %s; so far: %r" % (" ".join(self.argv), why,
                                                 self.seen[-2000:]))

    def more(self, until):
        left = until - time.monotonic()
        if left <= 0:
            self.die("nothing more is said")
        if not select.select([self.fd], [], [], left)[0]:
            return True
        try:
            got = os.read(self.fd, 65536)
        except OSError:
            return False
        self.seen += got
        return bool(got)

    def expect(self, text):
        """Wait until text is said; what was said up to there is used up."""
        until = time.monotonic() + SLOW
        while text.encode() not in self.seen:
            if not self.more(until):
                self.die("ended without %r" % text)
        before, self.seen = self.seen.split(text.encode(), 1)
        return before

    def echoes(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def prompt(self, text, answer):
        """A question without echo, and our answer."""
        self.expect(text)
        if self.echoes():
            self.die("the terminal echoes at %r" % text)
        os.write(self.fd, answer.encode())

    def end(self, status):
        """To the end, with this status (None: any): all that was said."""
        until = time.monotonic() + SLOW
        while self.more(until):
            pass
        _, got = os.waitpid(self.pid, 0)
        got = os.waitstatus_to_exitcode(got)
        if got != status and (status is not None or got < 0):
            self.die("status %d, not %d" % (got, status))
        os.close(self.fd)
        if SECRET.encode() in self.seen:
            self.die("the passphrase was echoed")
        return self.seen


def check(what, term, why):
    if not what:
        term.die(why)


def interrupt(term):
    """Ctrl-C at a prompt: echo is back, status 130.  The terminal is held by
    our own descriptor, so it can be asked after the end."""
    os.write(term.fd, b"half a pass\003")
    until = time.monotonic() + SLOW
    while not term.echoes():
        if time.monotonic() > until:
            term.die("echo was not restored")
        time.sleep(0.02)
    term.end(130)


def init():
    print("== init: twice, without echo")
    t = Term("vitrine", "init")
    t.prompt("Passphrase for the new repository: ", SECRET + "\n")
    t.prompt("The same again: ", "something else\n")
    t.expect("differ")
    t.end(2)
    t = Term("vitrine", "init")
    t.prompt("Passphrase for the new repository: ", "\n")
    t.expect("empty")
    t.end(2)
    t = Term("vitrine", "init")
    t.expect("Passphrase for the new repository: ")
    interrupt(t)
    t = Term("vitrine", "init")
    t.prompt("Passphrase for the new repository: ", SECRET + "\n")
    t.expect("The same again: ")
    interrupt(t)
    if os.path.exists(ENV["VITRINE_REPOSITORY"]):
        sys.exit("FAILED: a refused passphrase left a directory")
    t = Term("vitrine", "init")
    t.prompt("Passphrase for the new repository: ", SECRET + "\n")
    t.prompt("The same again: ", SECRET + "\n")
    t.expect("Repository made")
    t.end(0)


def attempts():
    print("== three attempts")
    t = Term("vitrine", "snapshots")
    t.prompt("Passphrase for", "wrong\n")
    t.prompt("Passphrase for", "\n")
    t.prompt("Passphrase for", "wrong again\n")
    said = t.end(12)
    check(b"Passphrase" not in said, t, "asked a fourth time")
    t = Term("vitrine", "snapshots")
    t.prompt("Passphrase for", "wrong\n")
    t.prompt("Passphrase for", SECRET + "\n")
    t.expect("No snapshots.")
    t.end(0)
    t = Term("vitrine", "snapshots")
    t.expect("Passphrase for")
    interrupt(t)
    # The end of the input is no passphrase, and no reason to ask again.
    t = Term("vitrine", "snapshots")
    t.prompt("Passphrase for", "\004")
    t.expect("no passphrase")
    t.end(2)


def change():
    print("== key change: the old one, then the new one twice")
    t = Term("vitrine", "key", "change")
    t.prompt("Passphrase for", SECRET + "\n")
    t.prompt("New passphrase: ", SECRET + "\n")
    t.prompt("The same again: ", SECRET + "\n")
    t.expect("replaces")
    t.end(0)


def width(text):
    """Columns of a line of ours."""
    n = 0
    for c in text:
        n += 2 if unicodedata.east_asian_width(c) in "WF" else 1
    return n


def tame(t, said):
    """Nothing of a name drives the terminal."""
    rest = re.sub(rb"\033\[(0|2|3[123])m", b"", said)
    for ours in b"\033[K", b"\r", b"\n", b"\t":
        rest = rest.replace(ours, b"")
    bad = re.search(rb"[\x00-\x1f\x7f]|\302[\200-\237]", rest)
    check(bad is None, t, "raw bytes reach the terminal")


def progress():
    print("== the progress line: its width, its end, hostile names in it")
    src = T.encode() + b"/many"
    os.makedirs(src + b"/" + EVIL + b"/" + WIDE)
    for i in range(60):
        with open(src + b"/" + EVIL + b"/" + WIDE + b"/%d" % i, "wb") as f:
            f.write(os.urandom(1 << 20))
    ENV["VITRINE_PASSWORD"] = SECRET
    for columns in 40, 80, 200:
        # Slowly, or a fast machine has nothing to show.
        t = Term("vitrine", "backup", "--host", "w%d" % columns,
                 "--limit-rate", "40M", os.fsdecode(src), columns=columns)
        said = t.end(0)
        lines = re.findall(rb"\r([^\r\n]+?)\033\[K", said)
        check(lines, t, "no progress line")
        for line in lines:
            n = width(line.decode("utf-8"))
            check(n < columns, t, "%d columns of %d" % (n, columns))
        check(any(width(x.decode()) > columns - 4 for x in lines), t,
              "no line filled %d columns" % columns)
        # The last one is taken away before the sentence at the end.
        last = said.rsplit(b"\033[K", 1)
        check(last[0].endswith(b"\r"), t, "the last line stayed")
        check(b"Snapshot" in last[1], t, "no sentence at the end")
        tame(t, said)
        # Of a path that is too long its end is shown.
        check(any(re.search(r"  (\.\.\.)?\S*/\d+$", x.decode())
                  for x in lines), t, "no file was named")
        check(any(re.search(r"  \.\.\.", x.decode()) for x in lines), t,
              "no path was cut")
    out = subprocess.run(["vitrine", "backup", os.fsdecode(src)], env=ENV,
                         capture_output=True, check=True)
    if b"\033" in out.stdout + out.stderr or b"\r" in out.stdout + out.stderr:
        sys.exit("FAILED: a progress line in a pipe: %r" % out.stderr)
    t = Term("vitrine", "-q", "backup", os.fsdecode(src))
    check(t.end(0) == b"", t, "-q says something")


def names():
    print("== names, tags, errors")
    src = os.fsdecode(T.encode() + b"/many")
    evil = os.fsdecode(EVIL)
    t = Term("vitrine", "backup", "--tag", evil, "--host", evil, src)
    tame(t, t.end(0))
    os.symlink(evil, os.path.join(src, "leads"))
    t = Term("vitrine", "backup", "--tag", evil, src, src + "/" + evil)
    tame(t, t.end(0))
    for locale in "C", "C.UTF-8":
        for argv in (
                ["snapshots"],
                ["snapshots", "--tag", evil],
                ["ls", "-l", "latest:" + src],
                ["ls", "-R", "latest:" + src],
                ["ls", "latest:" + src + "/" + evil + "/none"],
                ["cat", "latest:" + src + "/" + evil],
                ["restore", "latest:/" + evil, "--target", T + "/x"],
                ["-v", "restore", "latest:" + src, "--target",
                 T + "/" + evil + locale],
                ["sql", "latest", "SELECT path FROM files"],
                ["sql", "latest", "SELECT * FROM files"],
                ["sql", "latest", "SELECT '\033[2J' AS \"\033]0;x\007\""],
                ["sql", "latest", "SELECT \033[2J"],
                ["key", "list"],
                ["find", "*"],
                ["find", "--regex", "\033["],
                ["diff", "latest", "--live"],
                ["diff", "latest", "latest", "/" + evil],
                ["history", src + "/" + evil],
                ["history", src + "/none" + evil],
                ["stats", "--fast"],
                ["stats", "--tag", evil + "x"],
                ["tag", "add", "latest", evil],
                ["tag", "set", "latest:" + evil],
                ["--json", "snapshots"],
                ["--json", "ls", "-R", "latest:" + src],
                ["backup", "/none/" + evil],
                ["-r", T + "/" + evil, "snapshots"],
                ["mount", T + "/" + evil],
                ["umount", T + "/" + evil],
                ["\033[2Jcommand"],
                ["ls", "--\033[2Joption"],
                ["--memory", "\033[2J", "snapshots"],
                ["ls", "\033[2J"],
                ["key", "remove", "\033[2J"],
                ["check"]):
            t = Term("vitrine", *argv, locale=locale)
            tame(t, t.end(None))
    # Its prompt names the repository.
    del ENV["VITRINE_PASSWORD"]
    link = T + "/l" + evil
    os.symlink(ENV["VITRINE_REPOSITORY"], link)
    t = Term("vitrine", "-r", link, "snapshots")
    before = t.expect(": ")
    tame(t, before)
    interrupt(t)
    t = Term("vitrine", "key", "add", "--label", evil)
    t.prompt("Passphrase for", SECRET + "\n")
    t.prompt("New passphrase: ", "another\n")
    t.prompt("The same again: ", "another\n")
    tame(t, t.end(0))
    t = Term("vitrine", "key", "list")
    t.prompt("Passphrase for", "another\n")
    tame(t, t.end(0))


def tables():
    print("== tables: folded to the width, colours where they are wanted")
    for columns in 40, 80, 200:
        t = Term("vitrine", "snapshots", "--host", "w80", columns=columns)
        said = t.end(0).decode()
        check("\033[2m" in said, t, "the id is not dim")
        plain = re.sub("\033\\[[0-9]+m", "", said)
        lines = plain.split("\r\n")
        check(all(width(x) <= columns for x in lines), t,
              "wider than %d columns" % columns)
        for word in "ID", "TIME", "w80", "60 MiB", T + "/many":
            check(word in plain, t, "%s is missing" % word)
        check("TAGS" not in plain, t, "an empty column")
        # The heading, a row, the sentence, the last line's end.
        check((len(lines) == 4) == (columns > 40), t, "folded, or not?")
        if columns > 40:
            check(lines[0].index("HOST") == lines[1].index("w80"), t,
                  "not aligned")
    for name, value in ("NO_COLOR", "1"), ("TERM", "dumb"):
        was, ENV[name] = ENV.get(name), value
        t = Term("vitrine", "snapshots")
        check(b"\033" not in t.end(0), t, "colours in spite of " + name)
        ENV[name] = was or ""
    ENV["NO_COLOR"] = ""
    ENV["TERM"] = "xterm"
    out = subprocess.run(["vitrine", "snapshots"], env=ENV,
                         capture_output=True, check=True).stdout
    if b"\033" in out:
        sys.exit("FAILED: colours in a pipe")


def interrupted_job():
    print("== Ctrl-C in a backup")
    src = os.fsdecode(T.encode() + b"/many")
    with open(src + "/long", "wb") as f:
        for _ in range(200):
            f.write(os.urandom(1 << 20))
    ENV["VITRINE_PASSWORD"] = SECRET
    t = Term("vitrine", "backup", "--limit-rate", "2M", src)
    t.expect("/s")
    os.write(t.fd, b"\003")
    said = t.end(130)
    check(said.rsplit(b"\033[K", 1)[0].endswith(b"\r"), t,
          "the progress line stayed")
    del ENV["VITRINE_PASSWORD"]


def mount():
    print("== mount: the prompt in the daemon")
    at = T + "/mnt"
    os.mkdir(at)
    t = Term("vitrine", "mount", at)
    t.expect("Passphrase for")
    interrupt(t)
    if os.path.ismount(at):
        sys.exit("FAILED: mounted after Ctrl-C")
    t = Term("vitrine", "mount", at)
    t.prompt("Passphrase for", "wrong\n")
    t.prompt("Passphrase for", "wrong\n")
    t.prompt("Passphrase for", "wrong\n")
    t.end(12)
    t = Term("vitrine", "mount", at)
    t.prompt("Passphrase for", "wrong\n")
    t.prompt("Passphrase for", SECRET + "\n")
    t.end(0)
    # The terminal has gone, and with it a SIGHUP: the mount stands.
    if not os.path.ismount(at) or "latest" not in os.listdir(at):
        sys.exit("FAILED: no mount")
    subprocess.run(["vitrine", "umount", at], env=ENV, check=True)


signal.alarm(SLOW * 12)
init()
attempts()
change()
progress()
tables()
names()
interrupted_job()
if "mount" in sys.argv[2:]:
    mount()
