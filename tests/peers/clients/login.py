"""How the client of the Python SDK v2 logs in when it is told to; see login.mjs."""

import asyncio
import os
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlparse

from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.shared.auth import OAuthClientMetadata

CALLBACK = "http://127.0.0.1:1/callback"
BROWSER = [Path(__file__).parent / "../bin/node", Path(__file__).with_name("browser.mjs")]


class Memory:
    """What a client would keep on disk."""

    tokens = client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client_info):
        self.client = client_info


class Browser:
    """Goes where the client wants its user to go, and comes back with the answer."""

    answer: dict[str, list[str]]

    async def go(self, url: str):
        process = await asyncio.create_subprocess_exec(
            *BROWSER, url, "--until", CALLBACK, stdout=asyncio.subprocess.PIPE, stderr=sys.stderr
        )
        page, _ = await process.communicate()
        self.answer = parse_qs(urlparse(page.decode().strip()).query)

    async def come_back(self):
        [code, state, iss] = [self.answer.get(name, [None])[0] for name in ("code", "state", "iss")]
        return AuthorizationCodeResult(code=code, state=state, iss=iss)


def provider(url: str):
    """The provider that PEER_LOGIN asks for, if it does."""
    match os.environ.get("PEER_LOGIN"):
        case "code":
            browser = Browser()
            metadata = OAuthClientMetadata(
                client_name="a client of a test",
                redirect_uris=[CALLBACK],
                grant_types=["authorization_code", "refresh_token"],
                response_types=["code"],
                token_endpoint_auth_method="none",
                application_type="native",
            )
            return OAuthClientProvider(
                server_url=url,
                client_metadata=metadata,
                storage=Memory(),
                redirect_handler=browser.go,
                callback_handler=browser.come_back,
            )
        case "credentials":
            return ClientCredentialsOAuthProvider(
                server_url=url,
                storage=Memory(),
                client_id=os.environ["PEER_CLIENT"],
                client_secret=os.environ["PEER_SECRET"],
                issuer=os.environ["PEER_ISSUER"],
            )
        case _:
            return None
