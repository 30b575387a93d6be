"""FastMCP.   fastmcp_client.py URL [TOOL ARGUMENTS]...

PEER_LOGIN: code (opens $BROWSER, as it would for a person; see login.mjs).
"""

import os

from fastmcp import Client
from fastmcp.client.auth import OAuth

from report import parse, plain, report

url, calls = parse()


async def work():
    auth = OAuth(callback_host="127.0.0.1") if os.environ.get("PEER_LOGIN") == "code" else None
    async with Client(url, auth=auth) as client:
        tools = await client.list_tools()
        results = [plain(await client.call_tool_mcp(tool, args)) for tool, args in calls]
        protocol = getattr(client, "protocol_version", None) or client.session.protocol_version
        return {"protocol": protocol, "tools": [tool.name for tool in tools], "results": results}


report(work)
