#!/usr/bin/python3
"""A metadata service for tests: metadata.py PORTFILE ACCESS SECRET SECONDS.  Answers
as an instance's (with a token first) and as a container's; what it was asked goes
to PORTFILE.log.  The keys end after so many seconds."""
import datetime
import http.server
import json
import os
import sys

portfile, access, secret, seconds = sys.argv[1:]


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, text, status=200):
        with open(portfile + ".log", "a") as f:
            f.write(self.command + " " + self.path + "\n")
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def document(self):
        end = datetime.datetime.now(datetime.timezone.utc) + \
            datetime.timedelta(seconds=float(seconds))
        return json.dumps({"Code": "Success", "AccessKeyId": access,
                           "SecretAccessKey": secret,
                           "Expiration": end.strftime("%Y-%m-%dT%H:%M:%SZ")})

    def do_PUT(self):
        if "X-aws-ec2-metadata-token-ttl-seconds" not in self.headers:
            return self.answer("", 400)
        return self.answer("token-1")

    def do_GET(self):
        if self.path == "/container":
            if self.headers.get("Authorization") != "pass-1":
                return self.answer("", 403)
            return self.answer(self.document())
        if self.headers.get("X-aws-ec2-metadata-token") != "token-1":
            return self.answer("", 401)
        where = "/latest/meta-data/iam/security-credentials/"
        if self.path == where:
            return self.answer("some-role\n")
        if self.path == where + "some-role":
            return self.answer(self.document())
        return self.answer("", 404)

    def log_message(self, *args):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
with open(portfile + ".new", "w") as f:
    f.write(str(server.server_port))
os.rename(portfile + ".new", portfile)
server.serve_forever()
