#!/usr/bin/python3
"""Ways to a bucket: a session token that the server itself gave, by environment and by profile,
and the bucket as a part of the host's name; each for all that is done with a repository."""
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))
os.environ["VITRINE_TEST_STORE"] = "s3"
from harness import Repo, compare, fail, passed, path, start_server, write  # noqa: E402
from client import Client  # noqa: E402
from proxy import Proxy  # noqa: E402

if "VITRINE_TEST_S3_URL" not in os.environ:
    os.environ.update(start_server()[1])
HTTP = os.environ["VITRINE_TEST_S3_HTTP"]
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
proxy = Proxy(HTTP)
tree = path("tree")
for i in range(5):
    write(f"{tree}/f{i}", os.urandom(300000))


def session():
    """Credentials for an hour, with the token that goes with them."""
    c = Client.of_env()
    allow = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sts:GetSessionToken", "Resource": "*"}]}
    for service, words in (("iam", {"Action": "PutUserPolicy", "PolicyName": "p",
                                    "UserName": "user0", "PolicyDocument": json.dumps(allow),
                                    "Version": "2010-05-08"}),
                           ("sts", {"Action": "GetSessionToken", "Version": "2011-06-15"})):
        text = c.ask(service, words).decode()
    return {k: re.search(f"<{name}>(.*?)</{name}>", text)[1]
            for k, name in zip(KEYS, ("AccessKeyId", "SecretAccessKey", "SessionToken"))}


def all_of_it(what, name, env, where=lambda s: s, *options):
    repo = Repo(name)
    repo.use_key_file()
    env = dict(env, VITRINE_REPOSITORY=where(repo.where))
    for args in (["init"], ["backup", tree], ["backup", tree], ["check", "--read-data"],
                 ["restore", "latest:" + tree, "--target", path(name + ".out")]):
        repo.run(*options, *args, env=env)
    compare(tree, path(name + ".out"))
    passed(what)
    return repo


given = session()
repo = all_of_it("a token, by the environment", "token", given)
for lie in ("garbage", ""):
    r = repo.run("snapshots", env=dict(given, AWS_SESSION_TOKEN=lie), expect=1)
    if "vitrine-s3(5), POLICY" not in r.text:
        fail(f"no advice for a token that is none:\n{r.text}")
passed("no token, no way in")

write(path("credentials"), ("[of-a-session]\n" + "".join(
    f"{k.lower()} = {given[k]}\n" for k in KEYS)).encode())
all_of_it("a token, by a profile", "profile", dict(
    dict.fromkeys(KEYS, ""), AWS_PROFILE="of-a-session",
    AWS_SHARED_CREDENTIALS_FILE=path("credentials")))

# libcurl finds everything below localhost on this machine.
by_name = proxy.url.replace("127.0.0.1", "localhost")
all_of_it("the bucket in the host's name", "named", {},
          lambda s: s.replace(HTTP, by_name), "--s3-style", "host")
bucket = os.environ["VITRINE_TEST_S3_BUCKET"]
hosts = {e["host"] for e in proxy.requests()}
if {h.rpartition(":")[0] for h in hosts} != {bucket + ".localhost"}:
    fail(f"asked {hosts}")
r = repo.run("--s3-style", "host", "snapshots", expect=2)
if "is an address" not in r.text:
    fail(f"nothing of the address:\n{r.text}")
passed("an address has no names below it")
