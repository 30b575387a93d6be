"""Python SDK v1.   py_v1.py URL [TOOL ARGUMENTS]..."""

from mcp import ClientSession

from report import parse, plain, report
from transport import connection

url, calls = parse()


async def work():
    async with connection(url) as (read, write), ClientSession(read, write) as client:
        hello = await client.initialize()
        tools = (await client.list_tools()).tools
        results = [plain(await client.call_tool(tool, args)) for tool, args in calls]
        return {"protocol": hello.protocolVersion, "tools": [tool.name for tool in tools], "results": results}


report(work)
