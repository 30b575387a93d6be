"""Python SDK v2.   py_v2.py URL [TOOL ARGUMENTS]...

PEER_ERA: auto (the SDK's default: asks for MCP 2026-07-28 first), legacy or a revision.
"""

import os

from mcp import Client
from mcp.client.sse import sse_client

from report import parse, plain, report
from transport import child, is_sse

url, calls = parse()


async def work():
    server = child(url) or (sse_client(url) if is_sse(url) else url)
    async with Client(server, mode=os.environ.get("PEER_ERA", "auto")) as client:
        tools = (await client.list_tools()).tools
        results = [plain(await client.call_tool(tool, args)) for tool, args in calls]
        return {"protocol": client.protocol_version, "tools": [tool.name for tool in tools], "results": results}


report(work)
