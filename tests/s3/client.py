"""A small S3 client for the tests: enough to make buckets and to read, write,
flip, list and remove objects behind vitrine's back.  Standard library only;
path-style addresses; signature version 4, bodies signed.

It shares no code with the store that it tests, and it repeats nothing: an
answer that isn't the expected one raises Refused.
"""
import datetime
import hashlib
import hmac
import http.client
import os
import ssl
import urllib.parse
import xml.etree.ElementTree as ET

EMPTY = hashlib.sha256(b"").hexdigest()


class Refused(Exception):
    def __init__(self, what, status, body):
        super().__init__("%s: %d %s" % (what, status, body[:300].decode(errors="replace")))
        self.status = status


def quote(s, safe="-_.~"):
    return urllib.parse.quote(s, safe=safe)


class Client:
    """Confined to one thread: it holds one connection."""

    def __init__(self, endpoint, key, secret, region="us-east-1", ca=None, token=None,
                 timeout=60):
        u = urllib.parse.urlsplit(endpoint)
        self.host, self.netloc = u.hostname, u.netloc
        self.port = u.port or (443 if u.scheme == "https" else 80)
        self.key, self.secret, self.region, self.token = key, secret, region, token
        self.tls = None
        if u.scheme == "https":
            self.tls = ssl.create_default_context(cafile=ca)
        self.timeout, self.conn = timeout, None
        self.requests = 0

    @classmethod
    def of_env(cls, env=os.environ):
        return cls(env["AWS_ENDPOINT_URL"], env["AWS_ACCESS_KEY_ID"],
                   env["AWS_SECRET_ACCESS_KEY"], env.get("AWS_REGION", "us-east-1"),
                   env.get("AWS_CA_BUNDLE"))

    def _connect(self):
        if self.tls:
            return http.client.HTTPSConnection(self.host, self.port, timeout=self.timeout,
                                               context=self.tls)
        return http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)

    def _sign(self, method, path, query, headers, body_hash, service="s3"):
        now = datetime.datetime.now(datetime.timezone.utc)
        stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
        headers["host"] = self.netloc
        headers["x-amz-date"] = stamp
        headers["x-amz-content-sha256"] = body_hash
        if self.token:
            headers["x-amz-security-token"] = self.token
        names = sorted(headers)
        signed = ";".join(names)
        canonical = "\n".join(
            [method, path, query] +
            ["%s:%s" % (n, " ".join(headers[n].split())) for n in names] +
            ["", signed, body_hash])
        scope = "%s/%s/%s/aws4_request" % (day, self.region, service)
        headers["authorization"] = "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, " \
            "Signature=%s" % (self.key, scope, signed,
                              self._signature(day, stamp, scope, canonical, service))

    def _signature(self, day, stamp, scope, canonical, service="s3"):
        to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, scope,
                             hashlib.sha256(canonical.encode()).hexdigest()])
        k = ("AWS4" + self.secret).encode()
        for part in (day, self.region, service, "aws4_request", to_sign):
            k = hmac.new(k, part.encode(), hashlib.sha256).digest()
        return k.hex()

    def call(self, method, bucket, key="", query=None, body=b"", headers=None,
             expect=(200, 204, 206)):
        """One request: its status, headers and body."""
        path = "/" + quote(bucket) + ("/" + quote(key, "/-_.~") if key else "")
        q = "&".join("%s=%s" % (quote(k), quote(str(v)))
                     for k, v in sorted((query or {}).items()))
        h = {k.lower(): v for k, v in (headers or {}).items()}
        self._sign(method, path, q, h, hashlib.sha256(body).hexdigest() if body else EMPTY)
        url = path + ("?" + q if q else "")
        del h["host"]
        self.requests += 1
        for again in (True, False):
            kept = self.conn is not None
            if not kept:
                self.conn = self._connect()
            try:
                self.conn.request(method, url, body=body or None, headers=h)
                r = self.conn.getresponse()
                data = r.read()
                break
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                # A kept connection that the server had closed.
                self.conn.close()
                self.conn = None
                if not (kept and again):
                    raise
            except Exception:
                self.conn.close()
                self.conn = None
                raise
        if r.will_close:
            self.conn.close()
            self.conn = None
        if expect is not None and r.status not in expect:
            raise Refused("%s %s" % (method, url), r.status, data)
        return r.status, dict(r.getheaders()), data

    def ask(self, service, words):
        """An action of another service at this address: the answer's body."""
        body = urllib.parse.urlencode(words).encode()
        h = {"content-type": "application/x-www-form-urlencoded"}
        self._sign("POST", "/", "", h, hashlib.sha256(body).hexdigest(), service)
        del h["host"]
        conn = self._connect()
        try:
            conn.request("POST", "/", body=body, headers=h)
            r = conn.getresponse()
            data = r.read()
        finally:
            conn.close()
        if r.status != 200:
            raise Refused("%s %s" % (service, words.get("Action")), r.status, data)
        return data

    def presigned(self, method, bucket, key, seconds=3600):
        """A URL that lets whoever has it do this."""
        now = datetime.datetime.now(datetime.timezone.utc)
        stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
        scope = "%s/%s/s3/aws4_request" % (day, self.region)
        query = "&".join("%s=%s" % (k, quote(v)) for k, v in (
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", self.key + "/" + scope), ("X-Amz-Date", stamp),
            ("X-Amz-Expires", str(seconds)), ("X-Amz-SignedHeaders", "host")))
        path = "/" + quote(bucket) + "/" + quote(key, "/-_.~")
        canonical = "\n".join([method, path, query, "host:" + self.netloc, "", "host",
                               "UNSIGNED-PAYLOAD"])
        return "%s://%s%s?%s&X-Amz-Signature=%s" % (
            "https" if self.tls else "http", self.netloc, path, query,
            self._signature(day, stamp, scope, canonical))

    def make_bucket(self, bucket):
        self.call("PUT", bucket)

    def put(self, bucket, key, body, **headers):
        self.call("PUT", bucket, key, body=body, headers=headers)

    def get(self, bucket, key):
        return self.call("GET", bucket, key)[2]

    def remove(self, bucket, key):
        self.call("DELETE", bucket, key)

    def list(self, bucket, prefix=""):
        """(key, size, ETag, last modified) of every object whose key begins so."""
        out, token = [], None
        while True:
            query = {"list-type": 2, "encoding-type": "url", "prefix": prefix}
            if token:
                query["continuation-token"] = token
            root = ET.fromstring(self.call("GET", bucket, query=query)[2])
            ns = root.tag[:root.tag.index("}") + 1] if root.tag.startswith("{") else ""
            for c in root.findall(ns + "Contents"):
                out.append((urllib.parse.unquote_plus(c.findtext(ns + "Key")),
                            int(c.findtext(ns + "Size")),
                            c.findtext(ns + "ETag").strip('"'),
                            c.findtext(ns + "LastModified")))
            if root.findtext(ns + "IsTruncated") != "true":
                return out
            token = root.findtext(ns + "NextContinuationToken")
