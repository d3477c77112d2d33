"""A server made with the official SDK: what its tool `read` is said to do stands in a file. `notes.py http` listens on a free
port, which it says, and answers everybody who shows the token in its second word."""

import pathlib
import socket
import sys
import time

from mcp.server.mcpserver import MCPServer

notes = MCPServer("notes")


@notes.tool(description=pathlib.Path("description").read_text())
def read(name: str) -> str:
    return "note " + name


@notes.tool(description="writes a note down")
def write(name: str, text: str) -> str:
    pathlib.Path(name).write_text(text)
    return "written"


@notes.tool(description="always fails")
def fail() -> str:
    raise ValueError("no such note")


@notes.tool(description="never answers in time")
def sleep() -> str:
    time.sleep(3600)
    return "late"


@notes.resource("note://{name}")
def note(name: str) -> str:
    return "resource " + name


@notes.prompt()
def greet(name: str) -> str:
    return "Greet " + name


def guarded(app, token):
    async def checked(scope, receive, send):
        headers = dict(scope.get("headers") or [])
        if scope["type"] == "http" and headers.get(b"authorization") != b"Bearer " + token.encode():
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await app(scope, receive, send)
    return checked


def listen(token):
    import uvicorn
    own = socket.create_server(("127.0.0.1", 0))
    print(own.getsockname()[1], flush=True)
    config = uvicorn.Config(guarded(notes.streamable_http_app(), token), log_level="error")
    uvicorn.Server(config).run(sockets=[own])


if sys.argv[1:2] == ["http"]:
    listen(sys.argv[2])
else:
    notes.run()
