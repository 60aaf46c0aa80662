#!/usr/bin/python3
"""What is said when something is wrong with the key, the clock, the region or the bucket: the
server's code, its words, the number of the request, and what to do about it.  And how long is
waited when a server says how long.

Key, clock and bucket are a real server's refusals; that of the region is made up, since this
server knows none."""
import email.utils
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))
os.environ["VITRINE_TEST_STORE"] = "s3"
from harness import Repo, fail, passed, path, start_server, write  # noqa: E402
from proxy import Proxy  # noqa: E402

if "VITRINE_TEST_S3_URL" not in os.environ:
    os.environ.update(start_server()[1])
UPSTREAM = os.environ["VITRINE_TEST_S3_HTTP"]
repo = Repo()
repo.use_key_file()
repo.init()
proxy = Proxy(UPSTREAM)
through = {"VITRINE_REPOSITORY": repo.where.replace(UPSTREAM, proxy.url)}


def told(what, r, *words):
    missing = [w for w in words if w not in r.text]
    if missing or not r.err.strip():
        fail(f"{what}: nothing of {missing}:\n{r.text}")
    passed(f"{what}: {r.err.decode().strip().splitlines()[0]}")


def preloaded_clock(seconds):
    """A library that moves the clock of whoever loads it."""
    write(path("skew.c"), b"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
time_t time(time_t *out)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += %d;
	if (out)
		*out = t.tv_sec;
	return t.tv_sec;
}
""" % seconds)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", path("skew.so"), path("skew.c")], check=True)
    return {"LD_PRELOAD": path("skew.so")}


told("a wrong secret", repo.run("snapshots", env={"AWS_SECRET_ACCESS_KEY": "wrong"}, expect=1),
     "AccessDenied", "status 403", "request tx", "credentials are wrong here")
told("an unknown key", repo.run("snapshots", env={"AWS_ACCESS_KEY_ID": "NOBODY"}, expect=1),
     "status 403", "request tx", "credentials are wrong here")
told("a bucket that isn't", repo.run("-r", f"s3:{UPSTREAM}/no-such-bucket/x", "snapshots",
                                     expect=10), "NoSuchBucket", "make the bucket first")
told("no credentials", repo.run("--s3-anonymous", "snapshots", expect=1),
     "AccessDenied", "--s3-anonymous sends no credentials")
told("none for a source", repo.run("backup", "--bucket-anonymous", f"s3:{UPSTREAM}/vitrine/a",
                                   expect=1), "--bucket-anonymous sends no credentials")
garbage = {"AWS_SESSION_TOKEN": "garbage"}
told("a token that is none", repo.run("snapshots", env=garbage, expect=1), "AccessDenied",
     "the session token (AWS_SESSION_TOKEN, the profile's or the role's) are wrong here")
# Other servers are plainer.
for code, words in (("InvalidToken", "is not accepted"), ("ExpiredToken", "has ended")):
    proxy.plan({"fault": "answer", "status": 400, "code": code})
    told("elsewhere", repo.run("snapshots", env=dict(through, **garbage), expect=1), code,
         "the session token (AWS_SESSION_TOKEN, the profile's or the role's) " + words)
r = repo.run("snapshots", env={"AWS_SECRET_ACCESS_KEY": "wrong"}, expect=1)
if "token" in r.text:
    fail(f"a token that was not sent:\n{r.text}")
write(path("tree/one"), b"1" * 3000000)
told("an unknown class", repo.run("--s3-class", "NO_SUCH", "backup", path("tree"), expect=1),
     "InvalidArgument", "the request named the storage class NO_SUCH (--s3-class)")
# Nothing but a pack has a class.
proxy.plan({"fault": "answer", "status": 400, "code": "InvalidArgument"})
r = repo.run("--s3-class", "NO_SUCH", "snapshots", env=through, expect=1)
if "class" in r.text:
    fail(f"advice on what was not asked:\n{r.text}")
# Whole minutes, of which the answer's way takes its part: most of one is there for it.
for seconds, words in ((3601, "60 minutes ahead of"), (-7259, "120 minutes behind")):
    told("a wrong clock", repo.run("snapshots", env=preloaded_clock(seconds), expect=1),
         "RequestTimeTooSkewed", words, "timedatectl")

# This server says AccessDenied to both; others are plainer.
for code, words in (("SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY"),
                    ("InvalidAccessKeyId", "AWS_PROFILE")):
    proxy.plan({"fault": "answer", "status": 403, "code": code})
    told("elsewhere", repo.run("snapshots", env=through, expect=1), code, words)
proxy.plan({"fault": "answer", "status": 400, "code": "AuthorizationHeaderMalformed",
            "xml": "<Region>eu-west-7</Region>"})
told("a wrong region", repo.run("snapshots", env=through, expect=1),
     "AuthorizationHeaderMalformed", "the bucket is in the region eu-west-7",
     "--s3-region eu-west-7")
proxy.plan({"fault": "answer", "status": 301, "code": "PermanentRedirect",
            "headers": {"x_amz_bucket_region": "ap-east-9"}})
told("a wrong region, by a header", repo.run("snapshots", env=through, expect=1),
     "PermanentRedirect", "--s3-region ap-east-9")

proxy.plan({"fault": "answer", "status": 307, "code": "TemporaryRedirect",
            "xml": "<Endpoint>elsewhere.test</Endpoint>"})
told("elsewhere", repo.run("snapshots", env=through, expect=1), "TemporaryRedirect",
     "the bucket is at elsewhere.test")
# A bucket beside the repository has options of its own.
proxy.plan({"fault": "answer", "status": 400, "code": "AuthorizationHeaderMalformed",
            "xml": "<Region>eu-west-7</Region>"})
told("a wrong region of a source", repo.run("backup", f"s3:{proxy.url}/some", expect=1),
     "--bucket-region eu-west-7")
told("no resolver", repo.run("-r", "s3:http://no-such-host.invalid/some", "snapshots", expect=1),
     "esolve")

# A locked bucket wants a digest that others, in the open, do without.
proxy.plan({"fault": "answer", "status": 400, "code": "InvalidRequest", "lacks": "content-md5",
            "method": "PUT", "message": "Content-MD5 OR x-amz-checksum- HTTP header is required "
            "for Put Object requests with Object Lock parameters"})
repo.run("backup", path("tree"), env=through)
passed(f"a locked bucket: {proxy.hits()} of {proxy.count('PUT')} PUTs refused")
if proxy.hits() > 3:
    fail("the digest is left out again and again")

# The server knows best when it will have time: in seconds, or at a date (which has no
# fractions of them).  Who would not look at what it says waits a fifth of a second.
for form in ("3", None):
    began = time.monotonic()
    proxy.plan({"fault": "503", "at": 2, "retry_after": form or
                email.utils.formatdate(time.time() + 4, usegmt=True)})
    repo.run("snapshots", env=through)
    took = time.monotonic() - began
    if proxy.hits() != 1 or took < 2.5:
        fail(f"Retry-After {form}: {proxy.hits()} hits, {took:.1f} s")
    passed(f"Retry-After {form or 'as a date'}: waited {took:.1f} s")
