// The authorization code flow of a public native client, from the first request to the tokens.
import { createHash, randomBytes } from 'node:crypto';
import { browse } from '../clients/browser.mjs';

const REDIRECT = 'http://127.0.0.1/callback';

async function token(issuer, form) {
  const response = await fetch(`${issuer}/token`, { method: 'POST', body: new URLSearchParams(form) });
  const answer = await response.json();
  if (!response.ok) throw new Error(`token endpoint: ${JSON.stringify(answer)}`);
  return answer;
}

export async function logIn(issuer, { user, client, scope, resource }) {
  const verifier = randomBytes(32).toString('base64url');
  const url = new URL('/auth', issuer);
  url.search = new URLSearchParams({
    response_type: 'code',
    client_id: client,
    redirect_uri: REDIRECT,
    login_hint: user,
    scope: `openid ${scope}`,
    resource,
    code_challenge_method: 'S256',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
  });
  const back = await browse(url, (at) => at.href.startsWith(`${REDIRECT}?`));
  const code = back.searchParams.get('code');
  if (!code) throw new Error(`no code: ${back}`);
  const form = { grant_type: 'authorization_code', client_id: client, redirect_uri: REDIRECT, code, code_verifier: verifier };
  return token(issuer, { ...form, resource });
}

export const refresh = (issuer, { client, token: refresh_token, resource }) =>
  token(issuer, { grant_type: 'refresh_token', client_id: client, refresh_token, resource });
