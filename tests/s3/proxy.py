#!/usr/bin/python3
"""An HTTP proxy that counts, delays and breaks what passes between a client and an S3 server.

    proxy.py UPSTREAM [PORT]        UPSTREAM: http://HOST:PORT

It passes requests as they came, Host included, so that signatures hold.  Python tests use class
Proxy in their own process.  For others it prints two lines, its URL and that of its control
port, which takes
    POST /plan      JSON: {"rules": [RULE ...], "latency": SECONDS}; the counts begin anew
    GET /log        JSON: a list of what passed since

RULE is an object; the first that fits a request counts:
    fault           one of FAULTS below
    method, key, query      regular expressions that must be found (method and key as a whole)
    at              the how-manieth request that fits those is hit, from 1 (default: each)
    from            each from that one on
    for             only those that come within so many seconds of the first that was hit
    seconds         of hang, stall; of Retry-After (0: none)
    retry_after     what Retry-After says, instead
A rule may also have the fault "answer", which takes
    status, code    of the answer that is made up
    message         its words
    lacks           a header, in small letters: it is for requests without that alone
    xml             more elements of the error
    headers         more headers
A plan may say `most' as well: how many requests it lets through at one time; the others are
answered as by "503", without Retry-After.  `most' may be a function of the log's length.
"""
import http.server
import json
import re
import select
import socket
import socketserver
import struct
import sys
import threading
import time
import urllib.parse

FAULTS = {
    "reset-before": "reset; the server never saw the request",
    "reset-during": "reset amid the reply",
    "truncate": "the reply's end is missing, then an orderly close",
    "hang": "no reply",
    "stall": "half of the reply, then nothing",
    "lost": "the server did it; reset instead of a reply",
    "garbage": "a reply that isn't HTTP",
    "flip-down": "one bit of the reply's body is another",
    "flip-up": "one bit of the request's body is another",
    "500": "an internal error",
    "503": "slow down, with Retry-After",
    "503-after": "the server did it; 503 all the same",
    "200-error": "status 200 with an error as the body; not done",
    "redirect": "307 to where nobody listens",
    "close-late": "whole reply; closed when the next request comes",
    "short": "a reply that claims and has half of the body",
    "no-range": "the whole object, 200, where a range was asked for",
    "403": "denied",
    "404-bucket": "no such bucket",
}
BLOCK = 1 << 18


class Gone(Exception):
    """The peer closed, or sent what is no HTTP."""


class Wire:
    """A socket with a small reading buffer."""

    def __init__(self, sock):
        self.sock, self.buf = sock, b""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def head(self):
        """Bytes up to the empty line; b"" when closed before the first."""
        while b"\r\n\r\n" not in self.buf:
            got = self.sock.recv(BLOCK)
            if not got:
                if self.buf:
                    raise Gone("closed amid a head")
                return b""
            self.buf += got
            if len(self.buf) > 1 << 20 and b"\r\n\r\n" not in self.buf[:1 << 20]:
                raise Gone("a head without end")
        at = self.buf.index(b"\r\n\r\n") + 4
        head, self.buf = self.buf[:at], self.buf[at:]
        return head

    def some(self, want):
        if not self.buf:
            got = self.sock.recv(min(want, BLOCK))
            if not got:
                raise Gone("closed amid a body")
            return got
        got, self.buf = self.buf[:want], self.buf[want:]
        return got

    def body(self, length):
        while length > 0:
            got = self.some(length)
            length -= len(got)
            yield got

    def line(self):
        while b"\r\n" not in self.buf:
            got = self.sock.recv(BLOCK)
            if not got:
                raise Gone("closed amid a chunk")
            self.buf += got
        at = self.buf.index(b"\r\n") + 2
        line, self.buf = self.buf[:at], self.buf[at:]
        return line

    def chunks(self):
        """A chunked body as it came."""
        while True:
            line = self.line()
            yield line
            n = int(line.split(b";")[0], 16)
            if n == 0:
                while True:
                    line = self.line()
                    yield line
                    if line == b"\r\n":
                        return
            yield from self.body(n + 2)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        self.sock.close()

    def wait_for_end(self, seconds):
        """Until the peer gives up, or the time is over."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.sock], [], [], left)[0]:
                try:
                    if not self.sock.recv(BLOCK):
                        return
                except OSError:
                    return


class Head:
    def __init__(self, raw):
        lines = raw.decode("latin-1").split("\r\n")
        self.first = lines[0].split(" ", 2)
        if len(self.first) < 2:
            raise Gone("no HTTP")
        self.fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            if name:
                self.fields[name.lower()] = value.strip()
        self.length = int(self.fields.get("content-length", 0))
        self.chunked = "chunked" in self.fields.get("transfer-encoding", "")


def flipped(blocks, at):
    """The same bytes but for one bit of byte `at'."""
    pos = 0
    for b in blocks:
        if pos <= at < pos + len(b):
            b = bytearray(b)
            b[at - pos] ^= 0x10
        pos += len(b)
        yield bytes(b)


def error_xml(code, text):
    return ('<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>%s</Message>'
            "<RequestId>PROXY</RequestId></Error>" % (code, text)).encode()


def made_up(status, reason, body=b"", method="GET", **fields):
    head = "HTTP/1.1 %d %s\r\nContent-Length: %d\r\nContent-Type: application/xml\r\n" % (
        status, reason, len(body))
    head += "".join("%s: %s\r\n" % (k.replace("_", "-"), v) for k, v in fields.items())
    return head.encode() + b"\r\n" + (b"" if method == "HEAD" else body)


class Proxy:
    """Usable from any thread; `lock' guards the plan, the counts and the log."""

    def __init__(self, upstream, port=0):
        u = urllib.parse.urlsplit(upstream)
        self.upstream = (u.hostname, u.port)
        self.lock = threading.Lock()
        self.connections = self.inside = 0
        self.plan()
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                Exchange(proxy, self.request).serve()

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            block_on_close = False
            request_queue_size = 256

            def handle_error(self, request, address):
                pass            # a client that went away

        self.server = Server(("127.0.0.1", port), Handler)
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def plan(self, *rules, latency=0, before=None, most=None):
        """Begin anew: these rules, no counts, an empty log.  `before' is called with each request's
        entry in the log, and what it does is done when that request is passed on."""
        for r in rules:
            if r["fault"] not in FAULTS and r["fault"] != "answer":
                raise ValueError(r["fault"])
        with self.lock:
            self.rules = [dict(r, seen=0, hits=0) for r in rules]
            self.latency, self.before, self.most = latency, before, most
            self.log = []
            self.began = time.monotonic()

    def hits(self):
        with self.lock:
            return sum(r["hits"] for r in self.rules)

    def all_gone(self, seconds=300):
        """Wait until no client is connected, nor what one had sent on its way."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with self.lock:
                if self.connections == 0:
                    return True
            time.sleep(0.01)
        return False

    def requests(self):
        with self.lock:
            return list(self.log)

    def count(self, method=None):
        with self.lock:
            return sum(1 for e in self.log if method in (None, e["method"]))

    def enter(self, head):
        """Log a request and choose its fault."""
        method, target = head.first[0], head.first[1]
        path, _, query = target.partition("?")
        key = urllib.parse.unquote(path.lstrip("/").partition("/")[2])
        entry = {"method": method, "key": key, "query": urllib.parse.unquote(query),
                 "range": head.fields.get("range"), "host": head.fields.get("host"),
                 "up": head.length, "down": 0, "status": None, "fault": None}
        with self.lock:
            entry["n"] = len(self.log) + 1
            entry["t"] = round(time.monotonic() - self.began, 4)
            self.log.append(entry)
            chosen = None
            for r in self.rules:
                if not (re.fullmatch(r.get("method", ".*"), method) and
                        re.fullmatch(r.get("key", ".*"), key, re.S) and
                        re.search(r.get("query", ""), entry["query"]) and
                        r.get("lacks") not in head.fields):
                    continue
                r["seen"] += 1
                hit = r["seen"] == r["at"] if "at" in r else r["seen"] >= r.get("from", 1)
                if "for" in r and r["hits"] and entry["t"] > r["first"] + r["for"]:
                    hit = False
                if hit and chosen is None:
                    chosen = r
            entry["beside"] = self.inside + 1
            most = self.most(entry["n"]) if callable(self.most) else self.most
            entry["inside"] = not most or self.inside < most
            if entry["inside"]:
                self.inside += 1
            else:
                chosen = {"fault": "503", "retry_after": 0, "hits": 0}
            if chosen:
                chosen["hits"] += 1
                chosen.setdefault("first", entry["t"])
                entry["fault"] = chosen["fault"]
            return entry, chosen, self.latency


class Exchange:
    """One client's connection; confined to its thread."""

    def __init__(self, proxy, sock):
        self.proxy, self.client, self.server = proxy, Wire(sock), None
        self.close_at_next = False

    def serve(self):
        with self.proxy.lock:
            self.proxy.connections += 1
        try:
            while self.one():
                pass
        except (OSError, Gone, ValueError):
            pass
        finally:
            self.client.close()
            if self.server:
                self.server.close()
            with self.proxy.lock:
                self.proxy.connections -= 1

    def one(self):
        raw = self.client.head()
        if not raw or self.close_at_next:
            return False
        head = Head(raw)
        entry, rule, latency = self.proxy.enter(head)
        try:
            return self.pass_on(raw, head, entry, rule, latency)
        finally:
            with self.proxy.lock:
                self.proxy.inside -= entry["inside"]

    def pass_on(self, raw, head, entry, rule, latency):
        fault = rule["fault"] if rule else None
        if latency:
            time.sleep(latency)
        if self.proxy.before:
            self.proxy.before(entry)
        if fault == "reset-before":
            self.client.reset()
            return False
        if fault == "hang":
            self.client.wait_for_end(rule.get("seconds", 600))
            return False
        if head.fields.get("expect", "").lower() == "100-continue":
            self.client.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if fault in ("garbage", "500", "503", "200-error", "redirect", "403", "404-bucket",
                     "answer"):
            return self.instead(fault, rule, head, entry)
        reply_raw, reply = self.pass_up(raw, head, fault)
        entry["status"] = int(reply.first[1])
        return self.pass_down(reply_raw, reply, head, entry, rule)

    def drop_body(self, head):
        for _ in self.client.chunks() if head.chunked else self.client.body(head.length):
            pass

    def instead(self, fault, rule, head, entry):
        """An answer of our own."""
        self.drop_body(head)
        method = head.first[0]
        wait = rule.get("seconds", 1)
        if fault == "garbage":
            out = b"\x00\xffthis is not HTTP\r\n\r\n" + bytes(range(256))
        elif fault == "500":
            out = made_up(500, "Internal Server Error",
                          error_xml("InternalError", "injected"), method)
        elif fault == "503":
            wait = rule.get("retry_after", wait)
            more = {"Retry_After": wait} if wait else {}
            out = made_up(503, "Slow Down", error_xml("SlowDown", "injected"), method, **more)
        elif fault == "200-error":
            out = made_up(200, "OK", error_xml("InternalError", "injected"), method)
        elif fault == "redirect":
            out = made_up(307, "Temporary Redirect", error_xml("TemporaryRedirect", "injected"),
                          method, Location="http://127.0.0.1:9" + head.first[1])
        elif fault == "answer":
            body = error_xml(rule["code"], rule.get("message", "injected")).replace(
                b"</Error>", rule.get("xml", "").encode() + b"</Error>")
            out = made_up(rule["status"], "Made up", body, method, **rule.get("headers", {}))
        elif fault == "404-bucket":
            out = made_up(404, "Not Found", error_xml("NoSuchBucket", "injected"), method)
        else:
            out = made_up(403, "Forbidden", error_xml("AccessDenied", "injected"), method)
        entry["down"] = len(out)
        self.client.sock.sendall(out)
        return fault != "garbage"

    def pass_up(self, raw, head, fault):
        if fault == "no-range":
            raw = re.sub(rb"(?i)\r\nrange:[^\r]*", b"", raw)
        fresh = self.server is None
        if not fresh and select.select([self.server.sock], [], [], 0)[0]:
            self.server.close()         # it has closed meanwhile
            fresh = True
        if fresh:
            self.server = Wire(socket.create_connection(self.proxy.upstream, 30))
            self.server.sock.settimeout(None)
        self.server.sock.sendall(raw)
        blocks = self.client.chunks() if head.chunked else self.client.body(head.length)
        if fault == "flip-up":
            blocks = flipped(blocks, head.length // 2)
        for b in blocks:
            self.server.sock.sendall(b)
        while True:
            reply_raw = self.server.head()
            if not reply_raw:
                raise Gone("the server closed")
            reply = Head(reply_raw)
            if reply.first[1] != "100":
                return reply_raw, reply

    def pass_down(self, raw, reply, head, entry, rule):
        fault = rule["fault"] if rule else None
        if head.first[0] == "HEAD" or reply.first[1] in ("204", "304"):
            length, blocks = 0, iter(())
        elif reply.chunked:
            length, blocks = None, self.server.chunks()
        else:
            length, blocks = reply.length, self.server.body(reply.length)
        if fault in ("lost", "503-after"):
            for _ in blocks:
                pass
            if fault == "503-after":
                self.client.sock.sendall(made_up(503, "Slow Down", error_xml(
                    "SlowDown", "injected"), head.first[0], Retry_After=1))
                return True
            self.client.reset()
            return False
        if fault in ("reset-during", "truncate", "stall") or \
                fault == "short" and length != 0:
            return self.half(raw, b"".join(blocks), fault, rule)
        if fault == "flip-down":
            body = b"".join(blocks)
            blocks = flipped([body], len(body) // 2)
        sock, sent = self.client.sock, 0
        if length == 0:
            sock.sendall(raw)
        else:
            first = True
            for b in blocks:
                sock.sendall(raw + b if first else b)
                first = False
                sent += len(b)
            if first:
                sock.sendall(raw)
        entry["down"] = sent
        if fault == "close-late":
            self.close_at_next = True
        return reply.fields.get("connection", "").lower() != "close" and \
            head.fields.get("connection", "").lower() != "close"

    def half(self, raw, body, fault, rule):
        """Part of a reply: of its body, or of its head where it has none."""
        if fault == "short":
            keep = len(body) // 2
            out = re.sub(rb"(?i)(\r\ncontent-length: *)\d+", rb"\g<1>%d" % keep, raw)
            self.client.sock.sendall(out + body[:keep])
            return out != raw           # no length to be false about: cut short
        out = raw + body[:len(body) // 2] if body else raw[:len(raw) // 2]
        self.client.sock.sendall(out)
        if fault == "reset-during":
            time.sleep(0.02)            # a reset overtakes what was sent
            self.client.reset()
        elif fault == "stall":
            self.client.wait_for_end(rule.get("seconds", 600))
        return False


def control(proxy):
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def answer(self, value):
            body = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            self.answer(proxy.requests())

        def do_POST(self):
            want = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            proxy.plan(*want.get("rules", ()), latency=want.get("latency", 0))
            self.answer("ok")

    return http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    proxy = Proxy(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    admin = control(proxy)
    print(proxy.url)
    print("http://127.0.0.1:%d" % admin.server_address[1], flush=True)
    admin.serve_forever()


if __name__ == "__main__":
    main()
