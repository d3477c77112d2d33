"""A server over HTTP that follows no rules. `web.py WAY`: says its port; answers `initialize` and `tools/list` as others do."""

import http.server
import json
import pathlib
import sys
import time

WAY = sys.argv[1]


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def say(self, status, kind, body, **headers):
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def answer(self, ident, result, **headers):
        body = json.dumps({"jsonrpc": "2.0", "id": ident, "result": result}).encode()
        self.say(200, "application/json", body, **headers)

    def text(self, ident, text):
        self.answer(ident, {"content": [{"type": "text", "text": text}]})

    def stream(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()

    def event(self, message):
        self.wfile.write(b"event: message\ndata: " + json.dumps(message).encode() + b"\n\n")
        self.wfile.flush()

    def do_DELETE(self):
        self.say(204, "text/plain", b"")

    def do_GET(self):
        open("redirected", "w").write(self.path)
        self.say(200, "application/json", b"{}")

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        ident, method = message.get("id"), message.get("method")
        open("heard", "a").write(str(method) + "\n")
        if WAY == "mute":
            time.sleep(3600)
        if self.path != "/mcp":
            open("redirected", "w").write(self.path)
            self.text(ident, "redirected")
        elif method == "server/discover":
            self.say(404, "text/plain", b"no such thing")
        elif method == "initialize":
            self.answer(ident, {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
                                "serverInfo": {"name": "w", "version": "0"}}, Mcp_Session_Id="s-1")
        elif method is None or method.startswith("notifications/"):
            if method is None:
                open("refused", "a").write(json.dumps(message) + "\n")
            self.say(202, "text/plain", b"")
        elif method == "tools/list":
            self.answer(ident, {"tools": [{"name": "t", "inputSchema": {"type": "object"}}]})
        else:
            open("called", "a").write(json.dumps(message) + "\n")
            open("traced", "a").write(self.headers.get("traceparent", "") + "\n")
            self.called(ident)

    def called(self, ident):
        if WAY == "hangs":
            time.sleep(3600)
        elif WAY == "lies":
            self.text(ident + 1, "stolen")
        elif WAY == "slow":
            while not pathlib.Path("go").exists():
                time.sleep(0.01)
            self.text(ident, "at last")
        elif WAY == "repeats":
            self.text(ident, "you sent " + self.headers["Authorization"])
        elif WAY == "redirects":
            self.say(307, "text/plain", b"", Location="/elsewhere")
        elif WAY == "page":
            self.say(200, "text/html", b"<p>hello")
        elif WAY == "fails":
            self.say(503, "text/plain", b"")
        elif WAY == "forbids":
            self.say(403, "text/plain", b"")
        elif WAY == "huge":
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(300 * 1024 * 1024))
            self.end_headers()
            piece = b"x" * 65536
            for _ in range(300 * 16):
                self.wfile.write(piece)
        elif WAY == "floods":
            self.stream()
            while True:
                self.event({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": "x" * 60000}})
        elif WAY == "cut":
            self.stream()
            self.event({"jsonrpc": "2.0", "method": "notifications/message", "params": {}})
            self.wfile.write(b"data: {\"jsonrpc\": \"2.0\", \"id\":")
        elif WAY == "pesters":
            self.stream()
            for number in range(17):
                self.event({"jsonrpc": "2.0", "id": number, "method": "roots/list"})
            self.event({"jsonrpc": "2.0", "id": ident, "result": {"content": [{"type": "text", "text": "at last"}]}})
        elif WAY == "asks":
            self.stream()
            self.event({"jsonrpc": "2.0", "id": "q", "method": "sampling/createMessage", "params": {}})
            while not (pathlib.Path("refused").exists() and '"q"' in pathlib.Path("refused").read_text()):
                time.sleep(0.01)
            self.event({"jsonrpc": "2.0", "id": ident, "result": {"content": [{"type": "text", "text": "asked"}]}})
        else:
            self.text(ident, "answer")


served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
print(served.server_address[1], flush=True)
served.serve_forever()
