# SPDX-License-Identifier: MIT
"""Receives webhooks: webhook_receiver.py DIR SECRET [CERTIFICATE KEY]. Answers
with the status in DIR/answer, or with those in it, one after the other, until the
last; "slow" is 200 after 3 s. With a certificate it speaks TLS. Notes each request
as a line in DIR/received: status, whether the signature is right, its
age, the delivery, the path, the body. Its port goes to DIR/port."""
import hashlib
import hmac
import http.server
import os
import ssl
import sys
import time

DIR, SECRET, TLS = sys.argv[1], sys.argv[2].encode(), sys.argv[3:]


def answer():
    path = os.path.join(DIR, "answer")
    with open(path, encoding="ascii") as f:
        words = f.read().split()
    if len(words) > 1:
        with open(path, "w", encoding="ascii") as f:
            f.write(" ".join(words[1:]))
    return words[0]


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        parts = dict(p.split("=", 1) for p in
                     self.headers.get("Stint-Signature", "t=0,v1=").split(","))
        wanted = hmac.new(SECRET, parts["t"].encode() + b"." + body,
                          hashlib.sha256).hexdigest()
        is_right = hmac.compare_digest(wanted, parts["v1"]) and \
            abs(time.time() - int(parts["t"])) < 60 and \
            self.headers["Content-Type"] == "application/json"
        status = answer()
        with open(os.path.join(DIR, "received"), "a", encoding="utf-8") as f:
            f.write(f"{status} {'signed' if is_right else 'WRONG'} "
                    f"{self.headers['Stint-Delivery']} {self.path} "
                    f"{body.decode()}\n")
        if status == "slow":
            time.sleep(3)
            status = "200"
        self.send_response(int(status))
        if status == "302":
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
if TLS:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*TLS)
    server.socket = context.wrap_socket(server.socket, server_side=True)
with open(os.path.join(DIR, "port.new"), "w", encoding="ascii") as port:
    port.write(str(server.server_address[1]))
os.rename(os.path.join(DIR, "port.new"), os.path.join(DIR, "port"))
server.serve_forever()
