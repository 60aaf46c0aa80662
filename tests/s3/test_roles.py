#!/usr/bin/python3
"""Credentials of a role: the service that gives them is out, slow to come up, or has none newer;
they end amid a job.  The server is a real one, which knows one key; that a token has ended is
what the proxy says."""
import datetime
import http.server
import json
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))
os.environ["VITRINE_TEST_STORE"] = "s3"
from harness import Repo, fail, passed, path, start_server, write  # noqa: E402
from client import Client  # noqa: E402
from proxy import Proxy  # noqa: E402

if "VITRINE_TEST_S3_URL" not in os.environ:
    os.environ.update(start_server()[1])
UPSTREAM = os.environ["VITRINE_TEST_S3_HTTP"]
ROLE = "/latest/meta-data/iam/security-credentials/"


class Metadata(http.server.BaseHTTPRequestHandler):
    """`faults' is a list of what becomes of the requests to come: a status, or None to close
    without an answer; what is left is answered.  `later' are those after the first credentials
    were given; `given' counts these."""
    faults, later, given, seconds = [], [], 0, 3600

    def log_message(self, *args):
        pass

    def answer(self, text, status=200):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def any(self):
        if Metadata.faults:
            status = Metadata.faults.pop(0)
            if status is None:
                self.close_connection = True
            else:
                self.answer("", status)
        elif self.command == "PUT":
            self.answer("token")
        elif self.path == ROLE:
            self.answer("some-role")
        else:
            Metadata.given += 1
            Metadata.faults, Metadata.later = Metadata.later, []
            if Metadata.given == 2 and proxy.rules and "from" in proxy.rules[0]:
                proxy.plan()            # with these all is well
            end = datetime.datetime.now(datetime.timezone.utc) + \
                datetime.timedelta(seconds=Metadata.seconds)
            self.answer(json.dumps({
                "AccessKeyId": os.environ["AWS_ACCESS_KEY_ID"],
                "SecretAccessKey": os.environ["AWS_SECRET_ACCESS_KEY"],
                "Expiration": end.strftime("%Y-%m-%dT%H:%M:%SZ")}))

    do_GET = do_PUT = any


service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
threading.Thread(target=service.serve_forever, args=(0.05,), daemon=True).start()
at = "http://127.0.0.1:%d" % service.server_port
proxy = Proxy(UPSTREAM)
repo = Repo()
repo.use_key_file()
repo.init()
tree = path("tree")
for i in range(20):
    write(f"{tree}/f{i}", os.urandom(200000))
INSTANCE = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": at}
CONTAINER = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "",
             "AWS_CONTAINER_CREDENTIALS_FULL_URI": at + "/given"}


def case(what, env, rule=None, faults=(), later=(), seconds=3600, expect=0, given=(1, 1), words=(),
         command=("backup", "--force", tree)):
    Metadata.faults, Metadata.later = list(faults), list(later)
    Metadata.given, Metadata.seconds = 0, seconds
    proxy.plan(*([rule] if rule else []))
    began = time.monotonic()
    r = repo.run(*command, expect=expect, timeout=300, env=dict(
        env, VITRINE_REPOSITORY=repo.where.replace(UPSTREAM, proxy.url),
        XDG_CACHE_HOME=path("cache")))
    if rule and proxy.rules and proxy.hits() == 0:
        fail(f"{what}: met nothing")
    if not given[0] <= Metadata.given <= given[1]:
        fail(f"{what}: asked {Metadata.given} times:\n{r.text}")
    for w in words:
        if w not in r.text:
            fail(f"{what}: nothing of {w}:\n{r.text}")
    passed(f"{what}: status {r.status}, credentials {Metadata.given} times, "
           f"{time.monotonic() - began:.1f} s")


EXPIRED = {"fault": "answer", "status": 400, "code": "ExpiredToken"}
for who, env in (("instance", INSTANCE), ("container", CONTAINER)):
    case(f"{who}, good", env)
    case(f"{who}, comes up late", env, faults=(503, None))
    case(f"{who}, out", env, faults=(500,) * 50, expect=1, given=(0, 0),
         words=("role: ", at, "status 500"))
    # Its own clock or ours is wrong, or it has none newer: the server knows.
    case(f"{who}, with none newer", env, seconds=-600, given=(1, 10))
    case(f"{who}, they end", env, dict(EXPIRED, at=9), given=(2, 2))
    # And the service is out for a while, longer than it is asked at one time.
    case(f"{who}, they end, others late", env, dict(EXPIRED, **{"from": 9}),
         later=[500] * 9, given=(2, 40))

# An answer to HEAD has no words.
client = Client.of_env()
bucket = "roles%d" % os.getpid()
client.make_bucket(bucket)
case("HEAD is a bad request", CONTAINER, {"fault": "answer", "status": 400, "code": "x",
                                          "method": "HEAD", "at": 2}, given=(3, 3),
     command=("restore", "latest:" + tree, "--target", f"s3:{proxy.url}/{bucket}"))
