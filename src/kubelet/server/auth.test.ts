// Who may ask a node for what: the real API server reviews tokens and permissions, and the node keeps its answers.
import assert from 'node:assert/strict'
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { silentLog } from '../../base/log.ts'
import { isReason } from '../../base/errors.ts'
import type { Operation } from '../../api/operation.ts'
import { openTestServer } from '../../apiserver/testing.ts'
import { Client } from '../../client/index.ts'
import { TokenRequest } from '../../kinds/authentication/tokenrequest.ts'
import { ServiceAccount } from '../../kinds/core/serviceaccount.ts'
import { ClusterRole } from '../../kinds/rbac/clusterrole.ts'
import { ClusterRoleBinding } from '../../kinds/rbac/clusterrolebinding.ts'
import { makeGuard } from './auth.ts'

/** A certificate's subject, as TLS reports it. */
interface Subject {
  CN?: string
  O?: string | string[]
}

function requestOf(
  method: string,
  url: string,
  { token, subject }: { token?: string; subject?: Subject },
): IncomingMessage {
  const socket = Object.assign(new Socket(), {
    authorized: subject !== undefined,
    getPeerCertificate: () => ({ subject }),
  })
  const request = new IncomingMessage(socket)
  request.method = method
  request.url = url
  if (token !== undefined) request.headers.authorization = `Bearer ${token}`
  return request
}

async function guarded(t: TestContext) {
  const { admin, serve, clock } = await openTestServer(t)
  const asked: string[] = []
  const counting = (operation: Operation) => {
    if (operation.verb === 'create') asked.push(operation.kind.kind)
    return serve(operation)
  }
  const client = new Client({
    serve: counting,
    user: { name: 'system:node:n1', groups: ['system:masters'] },
    userAgent: 'kubelet',
    clock,
    log: silentLog,
  })
  t.after(() => client.close())
  const guard = makeGuard(client, 'n1')
  const allow = async (name: string, user: string, resources: string[], verbs: string[]) => {
    await admin.create(ClusterRole, { metadata: { name }, rules: [{ apiGroups: [''], resources, verbs }] })
    await admin.create(ClusterRoleBinding, {
      metadata: { name },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
    })
  }
  /** `yes`, `no`, or `who?` for a caller without a name. */
  const may = async (method: string, url: string, by: { token?: string; subject?: Subject }) => {
    try {
      await guard(requestOf(method, url, by))
      return 'yes'
    } catch (error) {
      assert.ok(isReason(error, 'Forbidden') || isReason(error, 'Unauthorized'), String(error))
      return isReason(error, 'Forbidden') ? 'no' : 'who?'
    }
  }
  return { client, clock, guard, asked, allow, may }
}

test('the subresource of a path, or proxy for those without one of their own, decides', async t => {
  const { allow, may } = await guarded(t)
  const users = {
    metrics: ['metrics', 'stats'],
    logs: ['log'],
    pods: ['pods'],
    health: ['healthz', 'configz'],
    all: ['proxy'],
  }
  for (const [user, subresources] of Object.entries(users))
    await allow(
      user,
      user,
      subresources.map(s => `nodes/${s}`),
      ['get'],
    )
  const table: [path: string, allowed: string[]][] = [
    ['/metrics', ['metrics']],
    ['/metrics/cadvisor', ['metrics']],
    ['/stats/summary?only_cpu_and_memory=true', ['metrics']],
    ['/logs/', ['logs']],
    ['/healthz', ['health', 'all']],
    ['/configz', ['health', 'all']],
    ['/pods', ['pods', 'all']],
    ['/runningpods/', ['pods', 'all']],
    ['/containerLogs/ns/pod/c', ['all']],
    ['/exec/ns/pod/c?command=sh', ['all']],
    ['/', ['all']],
    // No other spelling of a path leads to another permission.
    ['/%70ods', ['all']],
    ['/metricsx', ['all']],
    ['//metrics', ['all']],
  ]
  for (const [path, allowed] of table)
    for (const user of Object.keys(users))
      assert.equal(
        await may('GET', path, { subject: { CN: user } }),
        allowed.includes(user) ? 'yes' : 'no',
        `${user} ${path}`,
      )
})

test('the method says which verb must be allowed', async t => {
  const { allow, may } = await guarded(t)
  const verbs = { GET: 'get', HEAD: 'get', POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }
  for (const verb of new Set(Object.values(verbs))) await allow(verb, verb, ['nodes/proxy'], [verb])
  for (const [method, verb] of Object.entries(verbs))
    for (const user of new Set(Object.values(verbs)))
      assert.equal(
        await may(method, '/exec/ns/p/c', { subject: { CN: user } }),
        user === verb ? 'yes' : 'no',
        `${user} ${method}`,
      )
})

test('a caller is whom its certificate names, with the groups in it, or whose token it has', async t => {
  const { client, allow, may, guard } = await guarded(t)
  await allow('robot', 'system:serviceaccount:default:default', ['nodes/proxy'], ['get'])
  const masters = { CN: 'boss', O: ['system:masters', 'others'] }
  assert.equal(await may('GET', '/pods', { subject: masters }), 'yes')
  assert.equal(await may('GET', '/pods', { subject: { CN: 'boss', O: 'system:masters' } }), 'yes')
  assert.equal(await may('GET', '/pods', { subject: { CN: 'boss' } }), 'no')
  assert.equal(await may('GET', '/pods', { subject: { O: 'system:masters' } }), 'who?')
  assert.equal(await may('GET', '/pods', {}), 'who?')
  assert.equal(await may('GET', '/pods', { token: 'nonsense' }), 'who?')
  const account = { namespace: 'default', name: 'default' }
  const answer = await client.createUnder(ServiceAccount, account, 'token', TokenRequest, {
    spec: { audiences: [] },
  })
  assert.equal(await may('GET', '/pods', { token: answer!.status.token! }), 'yes')
  await assert.rejects(
    guard(requestOf('GET', '/pods', { subject: { CN: 'nobody' } })),
    /^StatusError: Forbidden \(user=nobody, verb=get, resource=nodes, subresource\(s\)=\[pods proxy\]\)$/,
  )
})

test('answers are kept: a permission for five minutes, a denial for half a minute', async t => {
  const { allow, may, asked, clock } = await guarded(t)
  await allow('yes', 'yes', ['nodes/metrics'], ['get'])
  const ask = (name: string) => may('GET', '/metrics', { subject: { CN: name } })
  assert.equal(await ask('yes'), 'yes')
  assert.equal(await ask('later'), 'no')
  assert.deepEqual(asked.splice(0), ['SubjectAccessReview', 'SubjectAccessReview'])
  await allow('later', 'later', ['nodes/metrics'], ['get'])
  await clock.forward(29_000)
  assert.deepEqual([await ask('yes'), await ask('later')], ['yes', 'no'])
  assert.deepEqual(asked.splice(0), [])
  await clock.forward(2_000)
  assert.deepEqual([await ask('yes'), await ask('later')], ['yes', 'yes'])
  assert.deepEqual(asked.splice(0), ['SubjectAccessReview'])
  await clock.forward(270_000)
  assert.equal(await ask('yes'), 'yes')
  assert.deepEqual(asked.splice(0), ['SubjectAccessReview'])
})
