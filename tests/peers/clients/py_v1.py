"""Python SDK v1.   py_v1.py URL [TOOL ARGUMENTS]..."""

import anyio
from mcp import ClientSession

from report import parse, plain, report
from transport import connection

url, calls = parse()


async def work():
    answer = None
    try:
        async with connection(url) as (read, write), ClientSession(read, write) as client:
            hello = await client.initialize()
            tools = (await client.list_tools()).tools
            results = [plain(await client.call_tool(tool, args)) for tool, args in calls]
            answer = {"protocol": hello.protocolVersion, "tools": [tool.name for tool in tools], "results": results}
    except* anyio.BrokenResourceError:
        # This SDK fails on a message that comes while it closes, and a server may say that a list has changed.
        if answer is None:
            raise
    return answer


report(work)
