// How the TypeScript clients log in when they are told to.
//
// PEER_LOGIN: code (authorization code with PKCE, as a client that registers itself) or credentials (client credentials
// of PEER_CLIENT and PEER_SECRET at PEER_ISSUER). Who can learn from a challenge which scopes to ask for does that, and is
// not told PEER_SCOPE.
import { browse } from './browser.mjs';

const CALLBACK = 'http://127.0.0.1:1/callback';

/** A provider that keeps what it is given, and goes to the browser by itself. */
class Login {
  redirectUrl = CALLBACK;
  clientMetadata = {
    client_name: 'a client of a test',
    redirect_uris: [CALLBACK],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
    application_type: 'native',
  };

  clientInformation() { return this.client; }
  saveClientInformation(client) { this.client = client; }
  tokens() { return this.kept; }
  saveTokens(tokens) { this.kept = tokens; }
  codeVerifier() { return this.verifier; }
  saveCodeVerifier(verifier) { this.verifier = verifier; }
  discoveryState() { return this.discovery; }
  saveDiscoveryState(state) { this.discovery = state; }
  async redirectToAuthorization(url) {
    this.callback = await browse(url, (at) => at.href.startsWith(CALLBACK));
  }
}

/** The provider that PEER_LOGIN asks for, if it does; `ClientCredentialsProvider` is the SDK's, which may need a scope. */
export function provider(ClientCredentialsProvider, scope) {
  const { PEER_LOGIN, PEER_CLIENT: clientId, PEER_SECRET: clientSecret, PEER_ISSUER: expectedIssuer } = process.env;
  if (PEER_LOGIN === 'code') return new Login();
  if (PEER_LOGIN === 'credentials') return new ClientCredentialsProvider({ clientId, clientSecret, expectedIssuer, scope });
  return undefined;
}

/**
 * A client and its transport, connected; after a login once more, with new ones, as the SDKs want it. `answer` makes what
 * the SDK's `finishAuth` takes of the callback's parameters.
 */
export async function connected(open, provider, answer) {
  const first = open();
  try {
    await first.client.connect(first.transport);
    return first;
  } catch (error) {
    if (!provider?.callback) throw error;
    await first.transport.finishAuth(answer(provider.callback.searchParams));
  }
  const second = open();
  await second.client.connect(second.transport);
  return second;
}
