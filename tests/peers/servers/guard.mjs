// A server's own guard, of the TypeScript SDK v2: what comes without a good token of `issuer` is refused with a challenge.
import { OAuthError, OAuthErrorCode } from '@modelcontextprotocol/server';
import { getOAuthProtectedResourceMetadataUrl, mcpAuthMetadataRouter, requireBearerAuth } from '@modelcontextprotocol/express';
import { createRemoteJWKSet, jwtVerify } from 'jose';

const SCOPES = ['mcp:read'];

/** Guards `resource`: what to use before everything, and what to put before its handler. */
export async function guard(issuer, resource) {
  const oauthMetadata = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
  const keys = createRemoteJWKSet(new URL(oauthMetadata.jwks_uri));
  const verifyAccessToken = async (token) => {
    try {
      const { payload } = await jwtVerify(token, keys, { issuer, audience: resource.href });
      return { token, clientId: payload.client_id, scopes: payload.scope.split(' '), expiresAt: payload.exp };
    } catch (error) {
      throw new OAuthError(OAuthErrorCode.InvalidToken, error.message);
    }
  };
  const resourceMetadataUrl = getOAuthProtectedResourceMetadataUrl(resource);
  const metadata = mcpAuthMetadataRouter({ oauthMetadata, resourceServerUrl: resource, scopesSupported: SCOPES });
  const check = requireBearerAuth({ verifier: { verifyAccessToken }, requiredScopes: SCOPES, resourceMetadataUrl });
  return { metadata, check };
}
