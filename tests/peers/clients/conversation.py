"""What the Python SDK v1 can do with server-everything, in one conversation.

    conversation.py URL [PREFIX]

prints {"ok":true,"protocol":"…","transcript":[[STEP,VALUE],…]}; see conversation.mjs.
"""

import re
import sys

import anyio
from mcp import ClientSession, McpError, types
from pydantic import AnyUrl

from report import plain, report
from transport import connection

url, prefix = (sys.argv[1:] + [""])[:2]
DEADLINE_S = 10
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ROOT = types.Root(uri="file:///srv/one", name="one")
SUBSCRIBED = AnyUrl("demo://resource/dynamic/text/3")


def masked(value):
    if isinstance(value, str):
        return UUID.sub("UUID", value)
    if isinstance(value, list):
        return [masked(item) for item in value]
    if isinstance(value, dict):
        return {key: masked(item) for key, item in value.items()}
    return value


class Conversation:
    def __init__(self, client: ClientSession, inbox):
        self.client, self.inbox = client, inbox

    async def call(self, name, args=None, progress=None):
        return plain(await self.client.call_tool(f"{prefix}{name}", args or {}, progress_callback=progress))

    async def arrived(self, fits):
        """The first notification that fits; others before it are dropped."""
        with anyio.fail_after(DEADLINE_S):
            async for message in self.inbox:
                if fits(message):
                    return message

    async def tools(self):
        return [plain(tool) for tool in (await self.client.list_tools()).tools]

    async def prompts(self):
        return plain(await self.client.list_prompts())

    async def resources(self):
        return plain(await self.client.list_resources())

    async def templates(self):
        return plain(await self.client.list_resource_templates())

    async def prompt(self):
        return plain(await self.client.get_prompt(f"{prefix}args-prompt", {"city": "Bern"}))

    async def resource(self):
        return plain(await self.client.read_resource(AnyUrl("demo://resource/dynamic/text/7")))

    async def unknown_resource(self):
        try:
            return plain(await self.client.read_resource(AnyUrl("demo://resource/dynamic/text/none")))
        except McpError as error:
            return plain(error.error)

    async def complete(self):
        ref = types.PromptReference(type="ref/prompt", name=f"{prefix}completable-prompt")
        return plain(await self.client.complete(ref, {"name": "department", "value": "E"}))

    async def structured(self):
        return await self.call("get-structured-content", {"location": "Chicago"})

    async def sampling(self):
        return await self.call("trigger-sampling-request", {"prompt": "a question", "maxTokens": 10})

    async def elicitation(self):
        return await self.call("trigger-elicitation-request")

    async def roots(self):
        return await self.call("get-roots-list")

    async def progress(self):
        seen = []

        async def on_progress(progress, total, message):
            seen.append([progress, total])

        result = await self.call("trigger-long-running-operation", {"duration": 0.2, "steps": 4}, on_progress)
        return {"seen": seen, "result": result}

    async def subscription(self):
        await self.client.set_logging_level("debug")
        await self.client.subscribe_resource(SUBSCRIBED)
        log = await self.arrived(lambda message: str(message.get("data", "")).startswith("Received Subscribe"))
        await self.call("toggle-subscriber-updates")
        updated = await self.arrived(lambda message: "uri" in message)
        await self.call("toggle-subscriber-updates")
        await self.client.unsubscribe_resource(SUBSCRIBED)
        return {"log": log, "updated": updated}


STEPS = [
    "tools", "prompts", "resources", "templates", "prompt", "resource", "unknown_resource", "complete",
    "structured", "sampling", "elicitation", "roots", "progress", "subscription",
]


async def sample(context, params):
    return types.CreateMessageResult(role="assistant", model="a-model", content=types.TextContent(type="text", text="sampled"))


async def elicit(context, params):
    return types.ElicitResult(action="accept", content={"name": "Ada"})


async def list_roots(context):
    return types.ListRootsResult(roots=[ROOT])


async def work():
    sender, inbox = anyio.create_memory_object_stream(256)

    async def notified(message):
        if isinstance(message, types.ServerNotification) and message.root.params:
            sender.send_nowait(plain(message.root.params))

    handlers = {
        "sampling_callback": sample,
        "elicitation_callback": elicit,
        "list_roots_callback": list_roots,
        "message_handler": notified,
    }
    async with connection(url) as (read, write), ClientSession(read, write, **handlers) as client:
        hello = await client.initialize()
        conversation = Conversation(client, inbox)
        transcript = []
        for step in STEPS:
            transcript.append([step, masked(await getattr(conversation, step)())])
        return {"protocol": hello.protocolVersion, "transcript": transcript}


report(work)
