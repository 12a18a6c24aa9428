// An OpenID provider that is not ours, for the sign-in tests: https://github.com/panva/node-oidc-provider.
// Its one argument is JSON: {"redirect": URI, "people": {name: claims}}. It listens on a free
// loopback port, prints its issuer, and signs in, without a page, whom login_hint names. It ends
// when its standard input does.
import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import Provider from 'oidc-provider';

process.stdin.on('end', () => process.exit()).resume();

const { redirect, people } = JSON.parse(process.argv[2]);

const jwk = (kid, alg, { privateKey }) => ({ ...privateKey.export({ format: 'jwk' }), kid, alg, use: 'sig' });
const keys = [
  jwk('rsa', 'RS256', generateKeyPairSync('rsa', { modulusLength: 2048 })),
  jwk('ec', 'ES256', generateKeyPairSync('ec', { namedCurve: 'P-256' })),
];

const client = (client_id, more) => ({
  client_id, redirect_uris: [redirect], grant_types: ['authorization_code'], response_types: ['code'], ...more,
});

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    jwks: { keys },
    clients: [
      client('basic', { client_secret: 'secret-of-basic', token_endpoint_auth_method: 'client_secret_basic' }),
      client('post', { client_secret: 'secret-of-post', token_endpoint_auth_method: 'client_secret_post', id_token_signed_response_alg: 'ES256' }),
      client('public', { token_endpoint_auth_method: 'none' }),
    ],
    scopes: ['openid', 'profile', 'email', 'groups'],
    claims: { openid: ['sub'], profile: ['name'], email: ['email'], groups: ['groups', 'eduperson_entitlement'] },
    findAccount: (ctx, sub) => ({ accountId: sub, claims: () => ({ sub, ...people[sub] }) }),
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (ctx, interaction) => `/auto/${interaction.uid}` },
    cookies: { keys: ['not a secret: this is a test'] },
  });
  provider.use(async (ctx, next) => {
    if (!ctx.path.startsWith('/auto/')) return next();
    const { prompt, params, session } = await provider.interactionDetails(ctx.req, ctx.res);
    const result = {};
    if (params.login_hint === 'nobody') {
      result.error = 'access_denied';
    } else if (prompt.name === 'login') {
      result.login = { accountId: params.login_hint };
    } else {
      const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
      grant.addOIDCScope(params.scope);
      result.consent = { grantId: await grant.save() };
    }
    ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, result));
  });
  server.on('request', provider.callback());
  console.log(issuer);
});
