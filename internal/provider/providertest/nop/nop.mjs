// An OpenID provider that is not ours, for tests: https://github.com/panva/node-oidc-provider.
// Its one argument is JSON, as Start in ../providertest.go makes it. It listens on a loopback port,
// prints its address, and signs in, without a page, whom login_hint names; "nobody" refuses. It
// ends when its standard input does.
import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import Provider, { errors } from 'oidc-provider';

process.stdin.on('end', () => process.exit()).resume();

const { issuer, port, redirects, people, scopes, rotate, refreshTTL, accessTTL, jwt } = JSON.parse(process.argv[2]);

const jwk = (kid, alg, { privateKey }) => ({ ...privateKey.export({ format: 'jwk' }), kid, alg, use: 'sig' });
const keys = [
  jwk('rsa', 'RS256', generateKeyPairSync('rsa', { modulusLength: 2048 })),
  jwk('ec', 'ES256', generateKeyPairSync('ec', { namedCurve: 'P-256' })),
];

// Memory keeps everything: the provider's own adapter for development forgets beyond 1000 entries,
// and with them families of tokens.
class Memory {
  static grants = new Map(); // of sets of functions that forget

  constructor(model) {
    this.model = model;
    this.entries = new Map();
    this.uids = new Map();
  }

  async upsert(id, payload) {
    this.entries.set(id, payload);
    if (payload.uid) this.uids.set(payload.uid, id);
    if (payload.grantId && this.model !== 'Session' && this.model !== 'Interaction') {
      if (!Memory.grants.has(payload.grantId)) Memory.grants.set(payload.grantId, new Map());
      Memory.grants.get(payload.grantId).set(`${this.model}:${id}`, () => this.entries.delete(id));
    }
  }

  async find(id) { return this.entries.get(id); }

  async findByUid(uid) { return this.entries.get(this.uids.get(uid)); }

  async findByUserCode(code) { return [...this.entries.values()].find((e) => e.userCode === code); }

  async consume(id) { this.entries.get(id).consumed = Math.floor(Date.now() / 1000); }

  async destroy(id) { this.entries.delete(id); }

  async revokeByGrantId(grantId) {
    Memory.grants.get(grantId)?.forEach((forget) => forget());
    Memory.grants.delete(grantId);
  }
}

const exchange = 'urn:ietf:params:oauth:grant-type:token-exchange';
const client = (client_id, more) => ({
  client_id, redirect_uris: redirects, grant_types: ['authorization_code', 'refresh_token', exchange], response_types: ['code'], ...more,
});
const resourceServer = (audience) => ({
  scope: scopes.join(' '), audience, accessTokenTTL: accessTTL, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } },
});
const list = (value) => [value ?? []].flat();

const server = createServer();
server.keepAliveTimeout = 0; // or it closes a connection just when the next request comes
server.listen(port, '127.0.0.1', () => {
  const own = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer || own, {
    adapter: Memory,
    jwks: { keys },
    clients: [
      client('basic', { client_secret: 'secret-of-basic', token_endpoint_auth_method: 'client_secret_basic' }),
      client('post', { client_secret: 'secret-of-post', token_endpoint_auth_method: 'client_secret_post', id_token_signed_response_alg: 'ES256' }),
      client('public', { token_endpoint_auth_method: 'none' }),
    ],
    scopes: ['openid', 'offline_access', 'profile', 'email', 'groups', ...scopes],
    claims: { openid: ['sub'], profile: ['name'], email: ['email'], groups: ['groups', 'eduperson_entitlement'] },
    findAccount: (ctx, sub) => ({ accountId: sub, claims: () => ({ sub, ...people[sub] }) }),
    pkce: { required: () => true },
    rotateRefreshToken: rotate,
    ttl: {
      AccessToken: accessTTL, AuthorizationCode: 60, Grant: 14 * 86400, IdToken: 3600, Interaction: 600, RefreshToken: refreshTTL, Session: 86400,
    },
    features: {
      devInteractions: { enabled: false },
      revocation: { enabled: true },
      introspection: { enabled: true },
      deviceFlow: { enabled: true },
      resourceIndicators: {
        enabled: jwt,
        defaultResource: () => undefined,
        useGrantedResource: () => true,
        getResourceServerInfo: (ctx, audience) => resourceServer(audience),
      },
    },
    extraTokenClaims: () => ({ 'wlcg.ver': '1.0' }),
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
      result.login = { accountId: params.login_hint ?? Object.keys(people)[0] };
    } else {
      const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
      grant.addOIDCScope(params.scope);
      for (const resource of list(params.resource)) grant.addResourceScope(resource, params.scope);
      result.consent = { grantId: await grant.save() };
    }
    ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, result));
  });
  // The exchange of an opaque access token for a narrower one, or for one for an audience: a JWT.
  provider.registerGrantType(exchange, async (ctx) => {
    const { subject_token: token, scope, audience } = ctx.oidc.params;
    const subject = await provider.AccessToken.find(token);
    if (!subject) throw new errors.InvalidRequest('the subject token is not one of ours');
    const asked = (scope ?? subject.scope).split(' ');
    if (!asked.every((s) => subject.scopes.has(s))) throw new errors.InvalidScope('more than the subject token has', scope);
    const made = new provider.AccessToken({
      accountId: subject.accountId, grantId: subject.grantId, client: ctx.oidc.client, gty: 'exchange', scope: asked.join(' '),
    });
    if (jwt && audience) made.resourceServer = new provider.ResourceServer(audience, resourceServer(audience));
    ctx.body = {
      access_token: await made.save(), issued_token_type: 'urn:ietf:params:oauth:token-type:access_token', token_type: 'Bearer', expires_in: made.expiration, scope: made.scope,
    };
  }, ['subject_token', 'subject_token_type', 'scope', 'audience', 'requested_token_type']);
  server.on('request', provider.callback());
  console.log(own);
});
