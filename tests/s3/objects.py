#!/usr/bin/python3
"""A repository's objects, behind vitrine's back: in a directory or in a bucket.

    objects.py pull URL DIR     make DIR as the bucket is
    objects.py push DIR URL     make the bucket as DIR is
    objects.py ls URL [PREFIX]  sizes and names
    objects.py rm URL           all of them

So a test looks at, flips, moves and removes files in DIR whatever the store; what is the
same already is not sent again.  open_objects() gives the same to Python.
"""
import datetime
import hashlib
import os
import shutil
import sys
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from client import Client, Refused  # noqa: E402


class Directory:
    def __init__(self, where):
        self.where = where

    def names(self, prefix=""):
        """Every object's name, tmp/ left out."""
        for d, dirs, files in os.walk(self.where):
            if d == self.where and "tmp" in dirs:
                dirs.remove("tmp")
            for f in sorted(files):
                name = os.path.relpath(os.path.join(d, f), self.where)
                if name.startswith(prefix):
                    yield name

    def sizes(self, prefix=""):
        for name in self.names(prefix):
            try:
                yield name, os.path.getsize(os.path.join(self.where, name))
            except FileNotFoundError:
                pass            # removed meanwhile

    def read(self, name):
        with open(os.path.join(self.where, name), "rb") as f:
            return f.read()

    def write(self, name, data):
        p = os.path.join(self.where, name)
        os.makedirs(os.path.dirname(p), exist_ok=True)
        with open(p + ".new", "wb") as f:
            f.write(data)
        os.rename(p + ".new", p)

    def remove(self, name):
        os.unlink(os.path.join(self.where, name))

    def pull(self, d):
        """Make directory d as this is."""
        shutil.rmtree(d, ignore_errors=True)
        shutil.copytree(self.where, d)

    def push(self, d):
        """Make this as directory d is."""
        shutil.rmtree(self.where, ignore_errors=True)
        shutil.copytree(d, self.where)


class Bucket:
    def __init__(self, url, env=os.environ):
        u = urllib.parse.urlsplit(url.removeprefix("s3:"))
        endpoint = "%s://%s" % (u.scheme, u.netloc)
        self.client = Client.of_env(dict(env, AWS_ENDPOINT_URL=endpoint))
        self.bucket, _, prefix = u.path.lstrip("/").partition("/")
        self.prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""

    def _list(self, prefix=""):
        skip = len(self.prefix)
        return [(k[skip:], *rest) for k, *rest in
                self.client.list(self.bucket, self.prefix + prefix)]

    def names(self, prefix=""):
        return [e[0] for e in self._list(prefix)]

    def sizes(self, prefix=""):
        return [e[:2] for e in self._list(prefix)]

    def read(self, name):
        return self.client.get(self.bucket, self.prefix + name)

    def write(self, name, data):
        self.client.put(self.bucket, self.prefix + name, data)

    def remove(self, name):
        self.client.remove(self.bucket, self.prefix + name)

    def pull(self, d):
        have = Directory(d)
        gone = set(have.names()) if os.path.isdir(d) else set()
        for name, size, etag, when in self._list():
            if name not in gone or hashlib.md5(have.read(name)).hexdigest() != etag:
                have.write(name, self.read(name))
            gone.discard(name)
            t = datetime.datetime.fromisoformat(when.replace("Z", "+00:00")).timestamp()
            os.utime(os.path.join(d, name), (t, t))
        for name in gone:
            have.remove(name)
        for at, dirs, files in os.walk(d, topdown=False):
            if at != d and not os.listdir(at):
                os.rmdir(at)

    def push(self, d):
        there = {name: etag for name, size, etag, when in self._list()}
        have = Directory(d)
        for name in have.names() if os.path.isdir(d) else ():
            data = have.read(name)
            if hashlib.md5(data).hexdigest() != there.pop(name, None):
                self.write(name, data)
        for name in there:
            self.remove(name)


def open_objects(where, env=os.environ):
    return Bucket(where, env) if where.startswith("s3:") else Directory(where)


def main():
    verb, args = sys.argv[1], sys.argv[2:]
    if verb == "pull":
        open_objects(args[0]).pull(args[1])
    elif verb == "push":
        open_objects(args[1]).push(args[0])
    elif verb == "ls":
        for name, size in sorted(open_objects(args[0]).sizes(*args[1:])):
            print(size, name)
    elif verb == "rm":
        there = open_objects(args[0])
        for name in there.names():
            there.remove(name)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main()
    except (OSError, Refused) as e:
        sys.exit("objects: %s" % e)
