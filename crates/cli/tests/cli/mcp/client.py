"""A client made with the official SDK. `client.py MODE STEPS COMMAND…`, or a URL with CASCADE_TOKEN: takes the steps, a JSON array of `[what, …]`, one
after the other, and says what came of each, one JSON document a line."""

import asyncio
import json
import sys

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp_types import ElicitResult

MODE, STEPS, COMMAND = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3:]
ANSWER = sys.stdin.readline().strip()


async def asked(context, params):
    """The user is shown the question, and answers as the test says."""
    say({"question": params.message})
    return ElicitResult(action=ANSWER, content={})


def say(document):
    print(json.dumps(document), flush=True)


def plain(result):
    return result.model_dump(mode="json", by_alias=True, exclude_none=True)


async def take(client, what, *words):
    if what == "call":
        return plain(await client.call_tool(words[0], words[1]))
    if what == "tools":
        return [tool.name for tool in (await client.list_tools()).tools]
    if what == "read":
        return plain(await client.read_resource(words[0]))
    if what == "prompt":
        return plain(await client.get_prompt(words[0], words[1]))
    if what == "version":
        return client.protocol_version
    raise ValueError(what)


def transport():
    import os
    if COMMAND[0].startswith("http"):
        headers = {"Authorization": "Bearer " + os.environ["CASCADE_TOKEN"]}
        return streamable_http_client(COMMAND[0], http_client=create_mcp_http_client(headers=headers))
    return stdio_client(StdioServerParameters(command=COMMAND[0], args=COMMAND[1:], env=dict(os.environ)))


async def main():
    more = {"elicitation_callback": asked} if ANSWER else {}
    async with Client(transport(), mode=MODE, **more) as client:
        for what, *words in STEPS:
            try:
                say(await take(client, what, *words))
            except Exception as error:
                say({"raised": str(error)})


asyncio.run(main())
