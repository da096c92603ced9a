// Users of an issuer of tokens, with passwords and from the plain port, and a server that decides about requests: a real
// cluster with kubectl, while its files change.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { openIssuer, type TestIssuer } from '../../src/apiserver/authn/testing.ts'
import { realClock } from '../../src/base/clock.ts'
import { issue, makeAuthority } from '../../src/wire/x509.ts'
import { cannotRun, eventually, type Result, run, TestCluster } from './cluster.ts'

const cluster = new TestCluster('users')
const files = join(cluster.dataDir, `${cluster.name}-files`)
const at = (name: string) => join(files, name)
const insecurePort = 15_871

/** Writes a file in one step, so that no half of it is read. */
function write(name: string, content: string | object): void {
  writeFileSync(at(`${name}.new`), typeof content === 'string' ? content : JSON.stringify(content))
  renameSync(at(`${name}.new`), at(name))
}

const head = (kind: string) => ({ apiVersion: 'apiserver.config.k8s.io/v1', kind })
const authentication = ({ url, ca }: TestIssuer, prefix: string) => ({
  ...head('AuthenticationConfiguration'),
  jwt: [
    {
      issuer: { url, certificateAuthority: ca, audiences: ['kutter'] },
      claimMappings: { username: { claim: 'sub', prefix }, groups: { expression: 'claims.?groups.orValue([])' } },
      userValidationRules: [{ expression: "!user.username.startsWith('system:')", message: 'reserved' }],
    },
  ],
  anonymous: { enabled: true, conditions: [{ path: '/livez' }, { path: '/readyz' }] },
})

/** A server that decides about requests, as its function says at the moment. */
async function openDecider() {
  const valid = { now: realClock.now(), validMs: 3600_000 }
  const authority = await makeAuthority({ commonName: 'ca', ...valid })
  const pair = await issue(authority, { commonName: 's', ips: ['127.0.0.1'] }, { usages: ['server auth'], ...valid })
  interface Spec {
    user: string
    resourceAttributes?: { verb: string; resource: string; subresource?: string }
    nonResourceAttributes?: { path: string }
  }
  const decider = {
    decide: (_: Spec): object | undefined => ({ allowed: false }),
    asked: [] as Spec[],
    /** How many of the next questions are answered with 500. */
    failures: 0,
    close: () => {},
  }
  const server = createServer({ key: pair.keyPem, cert: pair.certPem }, (request, response) => {
    let text = ''
    request.on('data', chunk => (text += chunk))
    request.on('end', () => {
      const { spec } = JSON.parse(text) as { spec: Spec }
      decider.asked.push(spec)
      if (decider.failures > 0) {
        decider.failures--
        return void response.writeHead(500).end()
      }
      const status = decider.decide(spec)
      if (status) response.end(JSON.stringify({ status }))
    })
  })
  await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/authorize`
  const ca = Buffer.from(authority.certPem).toString('base64')
  write('decider.kubeconfig', {
    clusters: [{ name: 'c', cluster: { server: url, 'certificate-authority-data': ca } }],
    users: [{ name: 'u', user: { token: 'the API server' } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  })
  decider.close = () => {
    server.closeAllConnections()
    server.close()
  }
  return decider
}

const authorization = (...authorizers: object[]) => ({
  ...head('AuthorizationConfiguration'),
  authorizers: [{ type: 'Node', name: 'node' }, { type: 'RBAC', name: 'rbac' }, ...authorizers],
})

const webhook = (more: object = {}) => ({
  type: 'Webhook',
  name: 'decider',
  webhook: {
    timeout: '2s',
    authorizedTTL: '1ms',
    unauthorizedTTL: '1ms',
    subjectAccessReviewVersion: 'v1',
    matchConditionSubjectAccessReviewVersion: 'v1',
    matchConditions: [{ expression: "!request.user.startsWith('system:')" }],
    failurePolicy: 'Deny',
    connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: at('decider.kubeconfig') },
    ...more,
  },
})

/** kubectl with credentials of its own, and none of the administrator's. */
async function as(credentials: string, args: string): Promise<Result> {
  const { clusters } = JSON.parse(await cluster.kubectl('config view --raw -o json')) as { clusters: object[] }
  write('plain.kubeconfig', {
    clusters: clusters.map(one => ({ ...one, name: 'c' })),
    contexts: [{ name: 'x', context: { cluster: 'c', user: '' } }],
    'current-context': 'x',
  })
  return run('bash', ['-c', `exec kubectl ${credentials} ${args} < /dev/null`], {
    env: { KUBECONFIG: at('plain.kubeconfig') },
  })
}

const whoAmI = async (credentials: string) => {
  const { code, stdout, stderr } = await as(credentials, 'auth whoami -o json')
  if (code !== 0) return stderr
  const { status } = JSON.parse(stdout) as { status: { userInfo: { username: string; groups: string[] } } }
  return `${status.userInfo.username} ${status.userInfo.groups.join(',')}`
}

/** The code of the answer to a request without credentials. */
function anonymous(path: string): Promise<number> {
  const { port } = JSON.parse(readFileSync(join(cluster.dataDir, cluster.name, 'cluster.json'), 'utf8')) as {
    port: number
  }
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, rejectUnauthorized: false, agent: false }, answer => {
      answer.resume()
      resolve(answer.statusCode ?? 0)
    })
    sent.on('error', reject)
    sent.end()
  })
}

const metric = async (pattern: RegExp) => pattern.exec(await cluster.kubectl('get --raw /metrics'))?.[1]

describe('users of a cluster', { skip: cannotRun }, () => {
  let issuer: TestIssuer
  let decider: Awaited<ReturnType<typeof openDecider>>

  before(async () => {
    await cluster.down()
    mkdirSync(files, { recursive: true, mode: 0o700 })
    issuer = await openIssuer()
    decider = await openDecider()
    write('authentication.yaml', authentication(issuer, 'oidc:'))
    write('authorization.yaml', authorization())
    write('passwords.csv', 'swordfish,ann,9,"ops"\n')
    await cluster.up(
      '--authentication-config',
      at('authentication.yaml'),
      '--authorization-config',
      at('authorization.yaml'),
      '--password-auth-file',
      at('passwords.csv'),
      '--insecure-port',
      String(insecurePort),
    )
  })
  after(async () => {
    const { code, stdout, stderr } = await cluster.down()
    rmSync(files, { recursive: true, force: true })
    issuer.close()
    decider.close()
    const left = await cluster.traces()
    if (code !== 0 || left) throw new Error(`kutter down: ${stdout}${stderr}${left}`)
  })

  test('a token of an issuer has a user with groups, and the rights of these', async () => {
    const token = `--token ${issuer.token({ groups: ['dev', 'ops'] })}`
    assert.equal(await whoAmI(token), 'oidc:jane dev,ops,system:authenticated')
    assert.match((await as(token, 'get pods')).stderr, /User "oidc:jane" cannot list resource "pods"/)
    await cluster.kubectl('create rolebinding dev --clusterrole view --group dev')
    assert.equal((await as(token, 'get pods')).code, 0)
    assert.match(await whoAmI(`--token ${issuer.token({ aud: 'other' })}`), /Unauthorized|logged in/)
    assert.match(await whoAmI(`--token ${issuer.token({ exp: 1 })}`), /Unauthorized|logged in/)
  })

  test('passwords count, and requests without credentials only where the file allows them', async () => {
    assert.equal(await whoAmI('--username ann --password swordfish'), 'ann ops,system:authenticated')
    assert.match(await whoAmI('--username ann --password sword'), /Unauthorized|logged in/)
    assert.deepEqual(await Promise.all(['/livez', '/readyz', '/version', '/api'].map(anonymous)), [200, 200, 401, 401])
  })

  test('the plain port serves this machine', async () => {
    const { stdout } = await run('kubectl', ['--server', `http://127.0.0.1:${insecurePort}`, 'auth', 'whoami'], {
      env: { KUBECONFIG: '/dev/null' },
    })
    assert.match(stdout, /system:unsecured/)
    const { stdout: open } = await run('ss', ['-Hltn', `sport = :${insecurePort}`])
    assert.match(open, /127\.0\.0\.1:15871/)
    assert.doesNotMatch(open, /0\.0\.0\.0:15871|\*:15871|\[::\]:15871/)
  })

  test('a new file of issuers takes effect, and a bad one does not', async () => {
    write('authentication.yaml', authentication(issuer, 'new:'))
    const token = () => `--token ${issuer.token({ jti: String(realClock.now()) })}`
    await eventually('the new prefix counts', async () => (await whoAmI(token())).startsWith('new:jane'))
    write('authentication.yaml', { ...authentication(issuer, 'bad:'), kind: 'Nothing' })
    const reloads = /automatic_reloads_total\{apiserver_id_hash="sha256:[0-9a-f]+",status="failure"\} (\d+)/
    await eventually('the mistake is counted', () => metric(reloads))
    assert.match(await whoAmI(token()), /^new:jane/)
    assert.match(
      readFileSync(join(cluster.dataDir, cluster.name, 'logs', 'server.log'), 'utf8'),
      /must be AuthenticationConfiguration/,
    )
    // An issuer that changes its keys need not be announced.
    issuer.rotate()
    await eventually('the new key counts', async () => (await whoAmI(token())).startsWith('new:jane'))
  })

  test('a server allows and denies, and one that hangs is decided by the policy', async () => {
    const joe = '--username ann --password swordfish'
    assert.match((await as(joe, 'get configmaps')).stderr, /forbidden/)
    write('authorization.yaml', authorization(webhook()))
    decider.decide = ({ resourceAttributes: r, nonResourceAttributes: n }) => ({
      allowed: r?.resource === 'configmaps' || r?.subresource === 'log' || n?.path === '/metrics',
      reason: 'as the decider says',
    })
    await eventually('the server is asked', async () => (await as(joe, 'get configmaps')).code === 0)
    assert.match((await as(joe, 'get secrets')).stderr, /forbidden.*as the decider says/)
    // Streams and paths wait for it as well.
    const logOf = (name: string) => as(joe, `get --raw /api/v1/namespaces/default/pods/none/${name}`)
    assert.match((await logOf('log')).stderr, /not found/)
    assert.match((await logOf('attach')).stderr, /forbidden/i)
    assert.match((await as(joe, 'get --raw /metrics')).stdout, /apiserver_authorization_decisions_total/)
    assert.match((await as(joe, 'get --raw /openid/v1/jwks')).stderr, /forbidden/i)
    assert.equal((await as(joe, 'auth can-i list configmaps')).stdout.trim(), 'yes')
    assert.equal((await as(joe, 'auth can-i list secrets')).stdout.trim(), 'no - as the decider says')
    const asked = decider.asked.find(({ user, resourceAttributes }) => user === 'ann' && resourceAttributes)
    assert.equal(asked?.resourceAttributes?.verb, 'list')
    assert.ok(!decider.asked.some(({ user }) => user.startsWith('system:')))
    // One that fails for a moment is asked again.
    decider.failures = 3
    assert.equal((await as(joe, 'get configmaps')).code, 0)
    assert.equal(decider.failures, 0)
    decider.decide = () => undefined
    assert.match((await as(joe, 'get configmaps')).stderr, /forbidden/)
    assert.equal(
      (await metric(/webhook_evaluations_total\{name="decider",result="timeout"\} (\d+)/)) !== undefined,
      true,
    )
    // The cluster itself does not wait for it.
    await cluster.kubectl('create configmap goes-on --from-literal=a=b')
    write('authorization.yaml', authorization({ type: 'AlwaysAllow', name: 'all' }))
    await eventually('everything is allowed', async () => (await as(joe, 'get secrets')).code === 0)
    write('authorization.yaml', authorization())
    await eventually('roles decide again', async () => /forbidden/.test((await as(joe, 'get secrets')).stderr))
  })

  test('the older options are an issuer, too', async () => {
    writeFileSync(at('ca.pem'), issuer.ca)
    await cluster.kutter('down')
    const both = await cluster.kutter('up', '--oidc-issuer-url', issuer.url, '--authentication-config', at('x'))
    assert.match(both.stderr, /mutually exclusive/)
    const address = await cluster.kutter('up', '--insecure-bind-address', '0.0.0.0')
    assert.match(address.stderr, /0\.0\.0\.0 is refused/)
    await cluster.up(
      '--oidc-issuer-url',
      issuer.url,
      '--oidc-client-id',
      'kutter',
      '--oidc-ca-file',
      at('ca.pem'),
      '--oidc-groups-claim',
      'groups',
      '--oidc-signing-algs',
      'ES256',
      '--anonymous-auth',
      'false',
      '--insecure-port',
      '0',
      '--password-auth-file',
      '',
    )
    assert.equal(
      await whoAmI(`--token ${issuer.token({ groups: 'dev' })}`),
      `${issuer.url}#jane dev,system:authenticated`,
    )
    // Groups that a token only refers to.
    issuer.answers.set('/groups', (response, { headers }) => {
      const isAllowed = headers.authorization === 'Bearer f005ba11'
      response.end(isAllowed ? issuer.token({ groups: ['far', 'away'] }) : '')
    })
    const source = { endpoint: `${issuer.url}/groups`, access_token: 'f005ba11' }
    const refers = { _claim_names: { groups: 'src1' }, _claim_sources: { src1: source } }
    assert.equal(await whoAmI(`--token ${issuer.token(refers)}`), `${issuer.url}#jane far,away,system:authenticated`)
    const wrong = { ...refers, _claim_sources: { src1: { ...source, access_token: 'guessed' } } }
    assert.match(await whoAmI(`--token ${issuer.token(wrong)}`), /Unauthorized|logged in/)
    assert.match(await whoAmI('--username ann --password swordfish'), /Unauthorized|logged in/)
    assert.equal(await anonymous('/livez'), 401)
    assert.equal((await run('ss', ['-Hltn', `sport = :${insecurePort}`])).stdout, '')
  })
})
