"""Python SDK v2.   py_v2.py URL [TOOL ARGUMENTS]...

PEER_ERA: auto (the SDK's default: asks for MCP 2026-07-28 first), legacy or a revision. PEER_LOGIN: see login.mjs.
"""

import os

import httpx2
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from login import provider
from report import parse, plain, report
from transport import child, is_sse

url, calls = parse()


def server():
    if started := child(url):
        return started
    auth = provider(url)
    if is_sse(url):
        return sse_client(url, auth=auth)
    return streamable_http_client(url, http_client=httpx2.AsyncClient(auth=auth, timeout=30)) if auth else url


async def work():
    async with Client(server(), mode=os.environ.get("PEER_ERA", "auto")) as client:
        tools = (await client.list_tools()).tools
        results = [plain(await client.call_tool(tool, args)) for tool, args in calls]
        return {"protocol": client.protocol_version, "tools": [tool.name for tool in tools], "results": results}


report(work)
