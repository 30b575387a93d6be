// `oidc-provider`, set up as an authorization server for MCP: access tokens, JWTs unless told otherwise, whose audience is the resource that was
// asked for (RFC 9068, RFC 8707), dynamic registration, PKCE, client credentials, introspection, refresh tokens.
import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair } from 'jose';
import Provider, { errors } from 'oidc-provider';

const SCOPES = ['mcp:read', 'mcp:write', 'mcp:admin'];
// Everybody else is in no group.
const GROUPS = { alice: ['dev', 'admin'], bob: ['dev'] };

const confidential = (client_id) => ({
  client_id,
  client_secret: `${client_id}-secret`,
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
  scope: SCOPES.join(' '),
});

// The port of a loopback redirect of a native client is free to choose (RFC 8252 §7.3).
const native = (client_id) => ({
  client_id,
  token_endpoint_auth_method: 'none',
  application_type: 'native',
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  redirect_uris: ['http://127.0.0.1/callback'],
  scope: ['openid', 'offline_access', ...SCOPES].join(' '),
});

const CLIENTS = [...['service', 'robot', 'gateway'].map(confidential), ...['app', 'editor'].map(native)];

export class Issuer {
  #keys = [];
  #provider;
  #callback;

  static async create(url, alg, lifetime) {
    const issuer = new Issuer();
    Object.assign(issuer, { url, alg, lifetime, format: 'jwt' });
    await issuer.rotate(false);
    return issuer;
  }

  /** A new key signs from now on. What was granted stays: the provider's memory is one for the process. */
  async rotate(drop) {
    const { privateKey } = await generateKeyPair(this.alg, { extractable: true });
    const key = { ...(await exportJWK(privateKey)), kid: randomUUID(), alg: this.alg, use: 'sig' };
    this.#keys = drop ? [key] : [key, ...this.#keys];
    this.#renew();
  }

  /** Only the key that signs is left. */
  retire() {
    this.#keys = this.#keys.slice(0, 1);
    this.#renew();
  }

  #renew() {
    this.#provider = new Provider(this.url, this.#settings());
    this.#provider.on('server_error', (_, error) => console.error('server_error', error));
    this.#provider.on('grant.error', (_, error) => console.error('grant.error', error.message, error.error_detail));
    this.#callback = this.#provider.callback();
  }

  handle(request, response) {
    const { pathname } = new URL(request.url, this.url);
    // MCP clients ask for RFC 8414's document first; this provider has OpenID's alone, which says the same.
    if (pathname === '/.well-known/oauth-authorization-server') request.url = '/.well-known/openid-configuration';
    if (!pathname.startsWith('/interaction/')) return this.#callback(request, response);
    this.#interact(request, response).catch((error) => {
      console.error('interaction', error);
      response.writeHead(500).end();
    });
  }

  #resource(resource) {
    if (!URL.canParse(resource)) throw new errors.InvalidTarget();
    const jwt = { sign: { alg: this.alg } };
    const accessTokenTTL = this.lifetime;
    return { audience: resource, scope: SCOPES.join(' '), accessTokenTTL, accessTokenFormat: this.format, jwt };
  }

  #settings() {
    const lifetime = () => this.lifetime;
    return {
      clients: CLIENTS,
      jwks: { keys: this.#keys },
      clientDefaults: { id_token_signed_response_alg: this.alg, grant_types: ['authorization_code', 'refresh_token'] },
      enabledJWA: { idTokenSigningAlgValues: [...new Set([this.alg, 'RS256'])] },
      cookies: { keys: ['a test'] },
      scopes: ['openid', 'offline_access', ...SCOPES],
      pkce: { required: () => true },
      ttl: { AccessToken: lifetime, ClientCredentials: lifetime, RefreshToken: 3600, Interaction: 600, Session: 3600, Grant: 3600, IdToken: 300 },
      issueRefreshToken: (_, client) => client.grantTypeAllowed('refresh_token'),
      findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
      extraTokenClaims: (_, token) => (token.accountId ? { groups: GROUPS[token.accountId] ?? [] } : {}),
      interactions: { url: (_, { uid }) => `/interaction/${uid}` },
      features: {
        devInteractions: { enabled: false },
        registration: { enabled: true },
        clientCredentials: { enabled: true },
        introspection: { enabled: true, allowedPolicy: () => true },
        revocation: { enabled: true },
        resourceIndicators: {
          enabled: true,
          defaultResource: (_, __, one) => one,
          useGrantedResource: () => true,
          getResourceServerInfo: (_, resource) => this.#resource(resource),
        },
      },
    };
  }

  /** Logs in whoever the client hints at, else alice, and grants all that is asked for. */
  async #interact(request, response) {
    const { prompt, params, session, grantId } = await this.#provider.interactionDetails(request, response);
    const finish = (result) =>
      this.#provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
    if (prompt.name === 'login') return finish({ login: { accountId: params.login_hint ?? 'alice' } });
    const { Grant } = this.#provider;
    const known = grantId && (await Grant.find(grantId));
    const grant = known || new Grant({ accountId: session.accountId, clientId: params.client_id });
    const { missingOIDCScope, missingResourceScopes = {} } = prompt.details;
    if (missingOIDCScope) grant.addOIDCScope(missingOIDCScope.join(' '));
    for (const [resource, scopes] of Object.entries(missingResourceScopes)) {
      grant.addResourceScope(resource, scopes.join(' '));
    }
    return finish({ consent: { grantId: await grant.save() } });
  }
}
