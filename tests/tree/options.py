#!/usr/bin/python3
"""Every option of every command is in a scenario test and in its manual page, and
the pages have no others.  The option tables are those that the command itself
gives: vitrine help --json.

An option that several commands share (the same name and help) may be tested with
any of them.
"""
import glob
import json
import os
import re
import subprocess
import sys

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
VITRINE = os.environ.get("VITRINE", "build/vitrine")
env = {k: v for k, v in os.environ.items() if not k.startswith("VITRINE_")}
env["XDG_CONFIG_HOME"] = "/nonexistent"
out = subprocess.run([VITRINE, "help", "--json"], env=env, check=True,
                     capture_output=True, text=True).stdout
objects = [json.loads(line) for line in out.splitlines()]
commands = [o["name"] for o in objects if o["type"] == "command"]
options = [o for o in objects if o["type"] == "option"]
bad = 0


def wrong(text):
    global bad
    bad += 1
    print(text)


def logical_lines():
    """The lines of the scenario tests, with continued ones and, of Python, the
    lists of a call, joined."""
    for path in sorted(glob.glob("tests/scenario/*.sh") +
                       glob.glob("tests/scenario/*.py") +
                       glob.glob("tests/system/*.py") +
                       glob.glob("tests/s3/*.py")):
        with open(path, encoding="utf-8", errors="replace") as f:
            text = f.read().replace("\\\n", " ")
        if path.endswith(".py"):
            text = re.sub(r'",\s*"', " ", text)
        yield from text.splitlines()


LINES = [line for line in logical_lines() if not line.lstrip().startswith("#")]


def is_mentioned(option, names):
    word = r"(^|[\s\"'])--(no-)?" + re.escape(option["name"]) + r"(?![\w-])"
    if "letter" in option:
        word += r"|(^|[\s\"'])-[a-zA-Z]*" + option["letter"]
    for line in LINES:
        if re.search(word, line) and (names is None or any(
                re.search(r"(^|[\s\"'])" + n + r"(?![\w-])", line)
                for n in names)):
            return True
    return False


def page_options(path):
    """Those that have a paragraph of their own: names, and letters with the name
    behind."""
    names, letters = set(), {}
    with open(path) as f:
        for line in f:
            # "[no-]name" is the name.
            line = line.replace("Ns Oo Ns no- Ns Oc Ns ", "")
            if not line.startswith(".It Fl"):
                continue
            found = re.findall(r"Fl (-?[\w-]+)", line)
            for i, one in enumerate(found):
                if one.startswith("-"):
                    names.add(one[1:])
                elif i + 1 < len(found):
                    letters[one] = found[i + 1].lstrip("-")
    return names, letters


def page_of(command):
    if command is None:
        return "tools/vitrine.1"
    return "tools/cmd/vitrine-%s.1" % command.split()[0]


# Tests.
for o in options:
    if o["command"] is None:
        names = None
    else:
        names = [x["command"] for x in options if x["command"] is not None and
                 (x["name"], x["help"]) == (o["name"], o["help"])]
    if not is_mentioned(o, names):
        wrong("no scenario test has %s --%s" % (o["command"] or "", o["name"]))

# Pages.
for page in sorted({page_of(c) for c in commands} | {page_of(None)}):
    if not os.path.exists(page):
        wrong("there is no " + page)
        continue
    names, letters = page_options(page)
    real = [o for o in options if page_of(o["command"]) == page]
    for o in real:
        if o["name"] not in names:
            wrong("%s: lacks --%s" % (page, o["name"]))
        if "letter" in o and letters.get(o["letter"]) != o["name"]:
            wrong("%s: lacks -%s" % (page, o["letter"]))
    for name in sorted(names - {o["name"] for o in real}):
        wrong("%s: has --%s, which is no option" % (page, name))
    for letter in sorted(set(letters) - {o.get("letter") for o in real}):
        wrong("%s: has -%s, which is no option" % (page, letter))
for c in commands:
    with open("tools/vitrine.1") as f:
        if ".It Xr vitrine-%s 1\n" % c.split()[0] not in f.read() and \
                c != "complete":
            wrong("tools/vitrine.1: lacks " + c)
print("%d options of %d commands, %d wrong" % (len(options), len(commands), bad))
sys.exit(bad > 0)
