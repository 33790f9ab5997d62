"""A server of another make: what the tests of foreign images run, told by `BEHAVIOUR`."""

import http.server
import json
import os
import signal
import socketserver
import sys
import time
import urllib.request

behaviour, _, argument = os.environ.get("BEHAVIOUR", "").partition(" ")


def can_reach(url):
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except OSError:
        return False
    return True


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(503 if behaviour == "unhealthy" else 200, b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if behaviour == "stream":
            self.stream(body.decode().split())
        elif behaviour == "sleep":
            time.sleep(float(argument))
            self.answer(200, b"late")
        elif behaviour == "status":
            self.answer(int(argument), body)
        elif behaviour == "drip":
            self.answer(200, b"drops", pause_s=0.8)
        elif behaviour == "hangup":
            self.close_connection = True
        else:
            seen = {
                "headers": {name.lower(): value for name, value in self.headers.items()},
                "environ": dict(os.environ),
                "argv": sys.argv[1:],
                "outside": can_reach(body.decode()) if body.startswith(b"http:") else None,
            }
            self.answer(200, json.dumps(seen).encode())

    def answer(self, status, body, pause_s=0):
        self.send_response(status)
        self.send_header("Content-Type", "application/x-stranger")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Amzn-SageMaker-Custom-Attributes", "from the stranger")
        self.send_header("X-Secret", "not for the caller")
        self.end_headers()
        for number in range(len(body)) if pause_s else ():
            self.wfile.write(body[number : number + 1])
            time.sleep(pause_s)
        self.wfile.write(b"" if pause_s else body)

    def stream(self, words):
        self.send_response(200)
        self.send_header("Content-Type", "application/jsonlines")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for word in words:
            if word == "BREAK":
                self.close_connection = True
                return
            if word == "PAUSE":
                time.sleep(6)
            data = word.encode() + b"\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()
            time.sleep(0.3)
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *arguments):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    sys.stdout.write("the stranger starts\n")
    if behaviour == "exit":
        sys.stdout.write("the last words of the stranger\n")
        sys.exit(int(argument))
    sys.stdout.flush()
    Server(("", 8080), Handler).serve_forever()
