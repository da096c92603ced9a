// Who a request is from: passwords, tokens of issuers, nobody, and the plain port.
import { deepStrictEqual, strictEqual, throws } from 'node:assert/strict'
import { request } from 'node:http'
import { test } from 'node:test'
import { health, Issuers, parseAuthentication, passwordFile, startPlain, streams } from '../../src/apiserver/index.ts'
import { openIssuer } from '../../src/apiserver/authn/testing.ts'
import { silentLog } from '../../src/base/log.ts'
import { type Answer, type Https, openHttps } from './https.ts'
import { type Sim, type SimOptions, simulate } from './cluster.ts'

const withAccess = (access: NonNullable<SimOptions['access']>, run: (https: Https, sim: Sim) => Promise<void>) =>
  simulate({ controllers: false, scheduler: false, access }, async sim => {
    const https = await openHttps(sim)
    // Users come without the certificate of the administrator.
    Object.assign(https.tls, { cert: '', key: '' })
    try {
      await run(https, sim)
    } finally {
      await https.close()
    }
  })

const selfReviews = '/apis/authentication.k8s.io/v1/selfsubjectreviews'
const head = { apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AuthenticationConfiguration' }

/** Who a request with a header is from; its code if it is refused. */
async function who({ send }: Https, authorization?: string): Promise<unknown> {
  const { code, body } = await send('POST', selfReviews, {}, authorization ? { authorization } : {})
  return code === 201 ? [body.status.userInfo.username, body.status.userInfo.groups] : code
}

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`

test('a password counts over HTTPS, and a wrong one is refused', () =>
  withAccess(
    () => ({ passwords: passwordFile('# people\nsecret:1,jane,7,"dev,ops"\nother,"joe, of ops",8\n', 'file') }),
    async https => {
      deepStrictEqual(await who(https, basic('jane:secret:1')), ['jane', ['dev', 'ops', 'system:authenticated']])
      deepStrictEqual(await who(https, basic('joe, of ops:other')), ['joe, of ops', ['system:authenticated']])
      const wrong = ['jane:secret', 'jane:', 'jane', ':', 'joe:other', 'nobody:', 'constructor:', 'jane:other']
      for (const text of wrong) strictEqual(await who(https, basic(text)), 401, text)
      for (const header of ['Basic', 'Basic ', 'Basic ?', 'Basic amFuZQ'])
        strictEqual(await who(https, header), 401, header)
    },
  ))

test('a file of passwords names its mistakes without the password', () => {
  throws(() => passwordFile('good,a,1\nswordfish,b', 'f'), {
    message: /^f: line 2 must be PASSWORD,NAME,UID(?!.*swordfish)/,
  })
})

test('tokens of issuers have users, and others are refused as before', async () => {
  const issuer = await openIssuer()
  try {
    const open: NonNullable<SimOptions['access']> = clock => {
      const issuers = new Issuers({ clock, log: silentLog, anonymous: true })
      const jwt = [
        {
          issuer: { url: issuer.url, certificateAuthority: issuer.ca, audiences: ['kutter'] },
          claimMappings: { username: { claim: 'sub', prefix: '' }, groups: { claim: 'groups', prefix: '' } },
        },
      ]
      issuers.begin(parseAuthentication(JSON.stringify({ ...head, jwt }), 'f', []))
      return { tokenSources: [issuers] }
    }
    await withAccess(open, async (https, { clock }) => {
      const exp = Math.floor(clock.now() / 1000) + 3600
      const token = issuer.token({ exp, groups: ['dev'] })
      deepStrictEqual(await who(https, `Bearer ${token}`), ['jane', ['dev', 'system:authenticated']])
      strictEqual(await who(https, `Bearer ${token.slice(0, -4)}AAAA`), 401)
      strictEqual(await who(https, `Bearer ${issuer.token({ exp: exp - 7200 })}`), 401)
      strictEqual(await who(https, `Bearer ${issuer.token({ exp, sub: undefined })}`), 401)
      strictEqual(await who(https, basic('jane:secret')), 403)
    })
  } finally {
    issuer.close()
  }
})

test('requests without credentials are answered for some paths only', () => {
  const open: NonNullable<SimOptions['access']> = clock => {
    const issuers = new Issuers({ clock, log: silentLog, anonymous: true })
    const anonymous = { enabled: true, conditions: [{ path: '/livez' }] }
    issuers.begin(parseAuthentication(JSON.stringify({ ...head, anonymous }), 'f', []))
    return { anonymous: path => issuers.allowsAnonymous(path) }
  }
  return withAccess(open, async https => {
    const codes: Record<string, number> = {}
    for (const path of ['/livez', '/livez?verbose', '/livez/', '/readyz', '/version', '/api/v1/pods'])
      codes[path] = (await https.send('GET', path)).code
    deepStrictEqual(codes, {
      '/livez': 200,
      '/livez?verbose': 200,
      '/livez/': 401,
      '/readyz': 401,
      '/version': 401,
      '/api/v1/pods': 401,
    })
  })
})

test('the plain port serves programs on this machine as a superuser, and no pages of others', () =>
  simulate({ controllers: false, scheduler: false }, async ({ plane }) => {
    const front = {
      core: plane.core,
      serve: plane.serve,
      paths: [health(plane.core)],
      streams: streams(plane.core, { ca: '', certPem: '', keyPem: '' }),
    }
    for (const host of ['0.0.0.0', '::', '192.0.2.1', '127.0.0.1.example.com', ''])
      await startPlain(front, host, 0).then(
        () => strictEqual(host, 'refused'),
        error => strictEqual((error as Error).message, `${host} is no loopback address`),
      )
    const plain = await startPlain(front, '127.0.0.1', 0)
    const ask = (method: string, path: string, headers: Record<string, string> = {}, body?: object) =>
      new Promise<Answer['body'] & { code: number }>((resolve, reject) => {
        const to = { host: '127.0.0.1', port: plain.port, agent: false, method, path }
        const sent = request({ ...to, headers: { 'content-type': 'application/json', ...headers } }, answer => {
          let text = ''
          answer.on('data', chunk => (text += chunk))
          answer.on('end', () =>
            resolve({ code: answer.statusCode, ...(text.startsWith('{') && (JSON.parse(text) as object)) }),
          )
        })
        sent.on('error', reject)
        sent.end(body && JSON.stringify(body))
      })
    try {
      const me = await ask('POST', selfReviews, { authorization: 'Bearer nothing' }, {})
      deepStrictEqual(
        [me.code, me.status.userInfo],
        [201, { username: 'system:unsecured', groups: ['system:masters', 'system:authenticated'] }],
      )
      strictEqual((await ask('GET', '/api/v1/secrets')).code, 200)
      strictEqual(
        (await ask('GET', '/livez', { host: `localhost:${plain.port}`, origin: 'http://localhost:8001' })).code,
        200,
      )
      const foreign: Record<string, string>[] = [
        { host: 'attacker.test' },
        { host: 'localhost.attacker.test:80' },
        { origin: 'https://attacker.test' },
        { origin: 'null' },
      ]
      for (const headers of foreign)
        strictEqual((await ask('GET', '/api/v1/secrets', headers)).code, 403, JSON.stringify(headers))
    } finally {
      await plain.close()
    }
  }))
