"""The official client at `cascade mcp serve`: `own.py MODE CASCADE`."""

import asyncio
import json
import os
import sys

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

CALLS = [
    ("check", {"line": "git push --force"}),
    ("run", {"argv": ["echo", "hello"], "reason": "a test"}),
    ("run", {"argv": ["rm", "-rf", "/"]}),
    ("verify", {}),
    ("log", {"limit": "1"}),
    ("approvals", {}),
]


async def main():
    transport = stdio_client(
        StdioServerParameters(command=sys.argv[2], args=["mcp", "serve"], env=dict(os.environ)))
    async with Client(transport, mode=sys.argv[1]) as client:
        print(json.dumps([tool.name for tool in (await client.list_tools()).tools]))
        for name, arguments in CALLS:
            result = await client.call_tool(name, arguments)
            print(json.dumps([result.is_error, result.content[0].text]))


asyncio.run(main())
