"""A server that follows no rules. `hostile.py WAY`; it answers `initialize` and `tools/list` as others do."""

import json
import os
import sys
import time

WAY = sys.argv[1]
LISTED = []


def say(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def answer(ident, text):
    say({"jsonrpc": "2.0", "id": ident, "result": {"content": [{"type": "text", "text": text}]}})


def mutter(text):
    """For people: a few words, or a lot of them."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def called(ident):
    if WAY == "lies":
        # Answers for nobody, under an id that looks the same, twice, and for whoever comes next.
        answer(99, "stolen")
        answer(str(ident), "stolen")
        say({"jsonrpc": "2.0", "id": ident, "result": {}, "error": {"code": 1, "message": "both"}})
        sys.stdout.write("no JSON at all\n[1]\n")
        say({"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "t"}})
        answer(ident, "answer to %s" % ident)
        answer(ident, "second answer to %s" % ident)
        answer(ident + 1, "answer before it was asked")
    elif WAY == "dies":
        say({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "error", "data": "last words"}})
        sys.exit(7)
    elif WAY == "chatters":
        for _ in range(2000):
            say({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "x" * 1000}})
        open("said", "w").close()
    elif WAY == "floods":
        while True:
            sys.stdout.write("x" * 65536)
    elif WAY == "asks":
        for number in range(300):
            say({"jsonrpc": "2.0", "id": number, "method": "roots/list"})
        answer(ident, "asked")
    elif WAY == "begs":
        for number in range(200):
            say({"jsonrpc": "2.0", "id": number, "method": "x/beg"})
        answer(ident, "begged")
    elif WAY == "tells":
        say({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": 0.5}, "aside": "s"})
        say({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "half way"}})
        say({"jsonrpc": "2.0", "id": ident, "result": {"content": [{"type": "text", "text": "whole"}]}, "aside": "s"})
    elif WAY == "mutters":
        mutter("one")
        answer(ident, "two")
    elif WAY == "drones":
        answer(ident, "first")
        while True:
            mutter("x" * 65536)
    elif WAY == "deaf":
        answer(ident, "last words")
        time.sleep(3600)
    # `hangs` says nothing at all.


for line in sys.stdin:
    message = json.loads(line)
    ident, method = message.get("id"), message.get("method")
    if method == "initialize":
        say({"jsonrpc": "2.0", "id": ident, "result": {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
                                                       "serverInfo": {"name": "h", "version": "0"}}})
    elif method == "tools/list" and WAY == "forgets" and not LISTED:
        LISTED.append(1)
        say({"jsonrpc": "2.0", "id": "p", "method": "ping", "params": {"words": "aside"}})
    elif method == "tools/list":
        say({"jsonrpc": "2.0", "id": ident, "result": {"tools": [{"name": "t", "inputSchema": {"type": "object"}}]}})
    elif method == "tools/call":
        called(ident)
    elif method is None or method.startswith("notifications/"):
        pass
    else:
        answer(ident, method)
if WAY == "mutters":
    # Long after whoever reads answers has seen the last of them.
    os.close(1)
    time.sleep(0.5)
    raise SystemExit("last words")
