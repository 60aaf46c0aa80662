"""What the tests of buckets beside the repository's share: a server with two users, a
repository of the first's, a proxy in front of the second's buckets, one of which ("odd") has
keys of all kinds."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))
os.environ["VITRINE_TEST_STORE"] = "dir"
from harness import fail, server_env, start_server  # noqa: E402
from client import Client  # noqa: E402
from proxy import Proxy  # noqa: E402

d, env = start_server("--users", "2", "--tls", name="server")
other = server_env(d, "--user", "1")
tls, ca = env["VITRINE_TEST_S3_HTTPS"], env["VITRINE_TEST_S3_CA"]
proxy = Proxy(other["AWS_ENDPOINT_URL"])
client = Client.of_env(other)
KEYS = {"VITRINE_BUCKET_ACCESS_KEY_ID": other["AWS_ACCESS_KEY_ID"],
        "VITRINE_BUCKET_SECRET_ACCESS_KEY": other["AWS_SECRET_ACCESS_KEY"]}
BIG = 21 << 20
ODD = ["plain", "a/b/c", "a//b", "/lead", "a/", "a", "a/%=", "%", "%0", "%%x", ".", "..",
       "a/../b", "./x", "sp ace", "plus+", "tilde~", "ümläut", "ctl\x01\x1f", "nl\nx",
       "back\\slash", "L" * 1024, "%" * 300, "m/" + "n" * 300 + "/o", "dir/", "both/",
       "deep/" + "/".join("d%d" % i for i in range(60)), "empty", "%+x/y", "q?&=#", "foobar/x",
       "foo/y", "foo/", "//", "\xff\xfe"]
HEADERS = {"content-type": "text/x-odd", "cache-control": "no-store",
           "content-disposition": 'attachment; filename="x y"', "content-language": "de",
           "x-amz-meta-Colour": "deep blue"}


def is_marker(key, body):
    return key.endswith("/") and not body


def part(p):
    """What stands between two slashes, as names."""
    out = []
    while True:
        name = "%0" if p == b"" else b"%" + p if p in (b".", b"..") or p[:1] == b"%" else p
        if name == "%0":
            return out + [b"%0"]
        if len(name) <= 255:
            return out + [name]
        out.append(b"%+" + p[:253])
        p = p[253:]


def places(objects):
    """Where each object is to be: path -> key."""
    raw, dirs = {}, set()
    for key, body in objects.items():
        k = key.encode()
        names = [n for p in (k[:-1] if is_marker(key, body) else k).split(b"/")
                 for n in part(p)]
        raw[key] = b"/".join(names)
        dirs.update(b"/".join(names[:i]) for i in range(1, len(names)))
        if is_marker(key, body):
            dirs.add(raw[key])
    return {p + (b"/%=" if p in dirs and not is_marker(k, objects[k]) else b""): k
            for k, p in raw.items()}


def check_tree(top, objects):
    """The mounted tree is the bucket."""
    want = places(objects)
    found = set()
    for at, dirs, files in os.walk(os.fsencode(top)):
        for f in files:
            p = os.path.relpath(os.path.join(at, f), os.fsencode(top))
            if p not in want:
                fail(f"{p!r} is nobody's place")
            with open(os.path.join(at, f), "rb") as x:
                if x.read() != objects[want[p]]:
                    fail(f"{p!r} has not what {want[p]!r} has")
            found.add(want[p])
    for p, k in want.items():
        if is_marker(k, objects[k]):
            if not os.path.isdir(os.path.join(os.fsencode(top), p)):
                fail(f"{k!r} is no directory")
            found.add(k)
    if found != set(objects):
        fail(f"missing: {sorted(set(objects) - found)[:5]}")


def attribute(p, name):
    try:
        return os.getxattr(p, name).decode()
    except OSError:
        return None


def count(method, what=None):
    """Requests of the source that passed the proxy; `what': listings or objects."""
    def fits(e):
        listing = "list-type" in e["query"]
        return e["method"] == method and (what is None or listing == (what == "listing"))
    return sum(1 for e in proxy.requests() if fits(e))


def need(what, got, wanted):
    if got != wanted:
        fail(f"{what}: {got}, not {wanted}")


objects = {}        # of "odd": key -> body


def put(bucket, key, body, **headers):
    client.put(bucket, key, body, **headers)
    objects[key] = body


def fill():
    client.make_bucket("odd")
    for i, key in enumerate(ODD):
        body = b"" if key in ("dir/", "both/", "foo/", "//", "empty") else b"body %d" % i
        put("odd", key, body, **HEADERS)
    put("odd", "both/below", b"x")
    put("odd", "both", b"y")
    put("odd", "big/one", os.urandom(BIG))
