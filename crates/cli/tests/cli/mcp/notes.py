"""A server made with the official SDK: what its tool `read` is said to do stands in a file."""

import pathlib
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


notes.run()
