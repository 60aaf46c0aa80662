#!/usr/bin/python3
"""Do lines of JSON say what vitrine-json(5) says?

    json_check.py lines FILE...	each line against json_schema.json; the last one
				is a summary or an error; exact bytes agree with
				the text that stands for them
    json_check.py page PAGE	the manual page has each type and member of the
				schema, and no other
"""
import base64
import json
import os
import re
import sys

import jsonschema

HERE = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(HERE, "json_schema.json")) as f:
    SCHEMA = json.load(f)
jsonschema.Draft7Validator.check_schema(SCHEMA)
ONE = {name: jsonschema.Draft7Validator(
    {"$defs": SCHEMA["$defs"], "$ref": "#/$defs/" + name})
    for name in SCHEMA["$defs"]}


def replaced(b64):
    if b64 is None:
        return None
    text = base64.b64decode(b64, validate=True).decode("utf-8",
                                                       "surrogateescape")
    return re.sub("[\udc80-\udcff]", "\ufffd", text)


def bytes_agree(obj):
    for key, value in obj.items():
        if not key.endswith("_base64"):
            continue
        plain = obj[key[:-len("_base64")]]
        got = [replaced(v) for v in value] if isinstance(value, list) \
            else replaced(value)
        assert got == plain, "%s: %r is not %r" % (key, got, plain)
        assert "\ufffd" in str(got), "%s: needless" % key


def once(pairs):
    obj = dict(pairs)
    assert len(obj) == len(pairs), "a member twice: %r" % pairs
    return obj


def line(text):
    """The object of a line, checked."""
    obj = json.loads(text, object_pairs_hook=once)
    assert obj.get("type") in ONE, "no such type: %s" % text
    ONE[obj["type"]].validate(obj)
    bytes_agree(obj)
    return obj


def lines(path, seen):
    with open(path, encoding="utf-8", newline="\n") as f:
        text = f.read()
    if not text.endswith("\n"):
        sys.exit("%s: not whole lines" % path)
    if re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", text):
        sys.exit("%s: control characters" % path)
    objects = []
    for one in text.splitlines():
        try:
            objects.append(line(one))
        except Exception as e:
            sys.exit("%s: %s\n%s" % (path, one, e))
    seen.update(o["type"] for o in objects)
    ends = [o for o in objects if o["type"] in ("summary", "error")]
    if ends != objects[-1:]:
        sys.exit("%s: the last object, and no other, must be the summary or "
                 "the error" % path)


def page(path):
    with open(path) as f:
        text = f.read()
    bad = False
    parts = re.split(r"^\.Ss (\S+)\n", text.split(".Sh EXAMPLES")[0],
                     flags=re.M)
    found = dict(zip(parts[1::2], parts[2::2]))
    for name in sorted(set(found) ^ set(SCHEMA["$defs"])):
        print("type %s: only in the %s" % (
            name, "page" if name in found else "schema"))
        bad = True
    for name in set(found) & set(SCHEMA["$defs"]):
        one = SCHEMA["$defs"][name]
        said = dict(re.findall(r"^\.It Sy (\S+)( \?)?$", found[name], re.M))
        real = {k: "" if k in one["required"] else " ?"
                for k in one["properties"] if k != "type"}
        for k in sorted(set(said) ^ set(real)):
            print("%s.%s: only in the %s" % (
                name, k, "page" if k in said else "schema"))
            bad = True
        for k in set(said) & set(real):
            if said[k] != real[k]:
                print("%s.%s: always there, or not?" % (name, k))
                bad = True
    sys.exit(bad)


if sys.argv[1] == "page":
    page(sys.argv[2])
types = set()
for arg in sys.argv[2:]:
    lines(arg, types)
print(" ".join(sorted(types)))
