#!/usr/bin/python3
"""What the completions of bash, zsh and fish make of the tab key.

Run by completion.sh, in its environment: completion.py SHELL DIRECTORY
CASES: the directory of the completion scripts, and a file whose lines are a
beginning, a tab, and the command line that it must become.
"""
import os
import pty
import select
import subprocess
import sys
import time

shell, scripts, cases = sys.argv[1:]
SECONDS = {"": 180, "address": 600, "thread": 1200}[os.environ.get("SAN", "")]
CASES = [line.rstrip("\n").split("\t") for line in open(cases)]
ENV = dict(os.environ, PS1="first> ", PS2="", TERM="dumb", HISTFILE="")


class Shell:
    """An interactive shell, after setup without a prompt; its output as it comes."""

    def __init__(self, argv, setup):
        self.seen = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], argv, ENV)
        self.wait(b"first> ")
        self.type("PS1=; " + setup + "; stty -echo; echo rea''dy\n")
        self.wait(b"ready\r\n")

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait(self, text):
        until = time.monotonic() + SECONDS
        while text not in self.seen:
            if not select.select([self.fd], [], [], 0.2)[0]:
                if time.monotonic() > until:
                    sys.exit("FAILED: %s: no %r in %r" % (shell, text, self.seen))
                continue
            self.seen += os.read(self.fd, 65536)
        before, self.seen = self.seen.split(text, 1)
        return before.decode()

    def completed(self, begun):
        """The words that the line has become, as the shell then splits it."""
        self.type(begun + "\t")
        # What the shell does with the tab, it has done when it takes more.
        self.type("\x01args \x05 END\n")
        self.wait(b"<args>")
        return [w[1:-1] for w in self.wait(b"<END>").split("\r\n") if w]


ARGS = "args() { echo '<args>'; printf '<%s>\\n' \"$@\"; }"
if shell == "bash":
    run = Shell(["bash", "--noprofile", "--norc", "-i"],
                "bind 'set bell-style none'; bind 'set show-all-if-ambiguous off'"
                "; . %s/vitrine.bash; %s" % (scripts, ARGS))
    become = run.completed
elif shell == "zsh":
    run = Shell(["zsh", "-f", "-i"],
                "unsetopt beep prompt_sp zle_bracketed_paste 2>/dev/null; "
                "bindkey -e; fpath=(%s $fpath); autoload -Uz compinit; "
                "compinit -u -D; %s" % (scripts, ARGS))
    become = run.completed
else:
    def become(begun):
        """fish tells without a terminal; one candidate is what tab inserts."""
        out = subprocess.run(
            ["fish", "--no-config", "-c", "source %s/vitrine.fish; "
             "complete -C $argv[1]" % scripts, begun], env=ENV, check=True,
            stdout=subprocess.PIPE, timeout=SECONDS).stdout.decode()
        got = [line.split("\t")[0] for line in out.splitlines()]
        if len(got) != 1:
            return ["several:"] + got
        return begun.rpartition(" ")[0].split() + got

for begun, wanted in CASES:
    got = become(begun)
    got = [w for w in got if w != ""]
    # zsh takes the slash behind a directory away when the line goes on.
    if " ".join(got).rstrip("/") != wanted.rstrip("/"):
        sys.exit("FAILED: %s: %r became %r, not %r" %
                 (shell, begun, " ".join(got), wanted))
    print("%s: %s" % (shell, wanted))
