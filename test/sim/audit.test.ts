// The audit of the API server: the events of requests over HTTPS and of controllers, at each level.
import { deepStrictEqual, match, ok, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { Auditor, parseAuditPolicy } from '../../src/apiserver/index.ts'
import { settle } from '../../src/base/clock.ts'
import { Deployment } from '../../src/kinds/apps/deployment.ts'
import { deployment, type Sim, simulate } from './cluster.ts'
import { type Https, openHttps } from './https.ts'

// Events have many forms, and each test states which it expects.
// oxlint-disable-next-line typescript/no-explicit-any
type Event = any

async function audited(
  rules: string,
  run: (https: Https, events: Event[], sim: Sim) => Promise<void>,
  controllers = false,
): Promise<void> {
  const events: Event[] = []
  const policy = parseAuditPolicy(`apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: ${rules}`, 'policy')
  const backend = { write: (line: string) => void events.push(JSON.parse(line)), close: async () => {} }
  const auditor: NonNullable<Parameters<typeof simulate>[0]['auditor']> = clock => new Auditor(policy, [backend], clock)
  await simulate({ controllers, scheduler: false, auditor }, async sim => {
    const https = await openHttps(sim)
    try {
      events.length = 0
      await run(https, events, sim)
    } finally {
      await https.close()
    }
  })
}

/** The event of a stage, which may come just after the client has the answer. */
async function eventAt(events: readonly Event[], stage: string): Promise<Event> {
  for (;;) {
    const found = events.find(event => event.stage === stage)
    if (found) return found
    await new Promise<void>(resolve => void setImmediate(resolve))
  }
}

const secrets = '/api/v1/namespaces/default/secrets'
const secret = { metadata: { name: 's' }, stringData: { password: 'swordfish' } }
const encoded = Buffer.from('swordfish').toString('base64')
const omit = 'omitStages: [RequestReceived]'

test('Metadata: who did what, when and from where, and nothing of what is in it', () =>
  audited(`[{ level: Metadata }]`, async ({ send }, events) => {
    const { headers, body } = await send('POST', secrets, secret, { 'user-agent': 'probe/1', 'audit-id': 'my-id' })
    strictEqual(headers['audit-id'], 'my-id')
    const { requestReceivedTimestamp, stageTimestamp, ...event } = await eventAt(events, 'ResponseComplete')
    match(requestReceivedTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
    match(stageTimestamp, /Z$/)
    const { user } = event
    deepStrictEqual([user.username, user.groups], ['admin', ['system:masters', 'system:authenticated']])
    delete event.user
    strictEqual(body.metadata.name, 's')
    deepStrictEqual(event, {
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level: 'Metadata',
      auditID: 'my-id',
      stage: 'ResponseComplete',
      requestURI: secrets,
      verb: 'create',
      sourceIPs: ['127.0.0.1'],
      userAgent: 'probe/1',
      objectRef: { resource: 'secrets', namespace: 'default', name: 's', apiVersion: 'v1' },
      responseStatus: { metadata: {}, code: 201 },
      annotations: {
        'authorization.k8s.io/decision': 'allow',
        'authorization.k8s.io/reason': '',
      },
    })
  }))

test('Request has the body that was sent, RequestResponse also the answer, without managed fields if so chosen', () =>
  audited(
    `[{ level: Request, resources: [{ resources: [secrets] }], ${omit} }, { level: RequestResponse, omitManagedFields: true, ${omit} }]`,
    async ({ send }, events) => {
      await send('POST', secrets, secret)
      const sent = await eventAt(events, 'ResponseComplete')
      deepStrictEqual(sent.requestObject.stringData, secret.stringData)
      strictEqual(sent.responseObject, undefined)
      events.length = 0
      await send('POST', '/api/v1/namespaces/default/configmaps', { metadata: { name: 'm' }, data: { a: 'b' } })
      const both = await eventAt(events, 'ResponseComplete')
      deepStrictEqual([both.requestObject.data, both.responseObject.data], [{ a: 'b' }, { a: 'b' }])
      ok(both.responseObject.metadata.uid)
      strictEqual(both.responseObject.metadata.managedFields, undefined)
      events.length = 0
      await send('GET', '/api/v1/namespaces/default/configmaps')
      const list = await eventAt(events, 'ResponseComplete')
      ok(list.responseObject.items.some((item: Event) => item.metadata.name === 'm' && !item.metadata.managedFields))
    },
  ))

test('refusals: no right, no such user, acting as another', () =>
  audited(`[{ level: Metadata, ${omit} }]`, async ({ send }, events) => {
    const as = { 'impersonate-user': 'jane' }
    await send('GET', `${secrets}/s`, undefined, as)
    const refused = await eventAt(events, 'ResponseComplete')
    deepStrictEqual(
      [
        refused.user.username,
        refused.impersonatedUser.username,
        refused.responseStatus.code,
        refused.responseStatus.reason,
      ],
      ['admin', 'jane', 403, 'Forbidden'],
    )
    strictEqual(refused.annotations['authorization.k8s.io/decision'], 'forbid')
    events.length = 0
    await send('GET', '/logs/', undefined, as)
    const path = await eventAt(events, 'ResponseComplete')
    deepStrictEqual(
      [path.verb, path.requestURI, path.objectRef, path.responseStatus.code],
      ['get', '/logs/', undefined, 403],
    )
  }))

test('a watch has a stage for its beginning and one for its end', () =>
  audited(`[{ level: Metadata }]`, async ({ send }, events, { clock }) => {
    const watch = send('GET', `${secrets}?watch=1&timeoutSeconds=5`)
    const started = await eventAt(events, 'ResponseStarted')
    deepStrictEqual([started.verb, started.responseStatus.code], ['watch', 200])
    ok(!events.some(event => event.stage === 'ResponseComplete'))
    await clock.forward(10_000)
    await watch
    const ended = await eventAt(events, 'ResponseComplete')
    strictEqual(ended.auditID, started.auditID)
    events.length = 0
    await send('GET', secrets)
    await eventAt(events, 'ResponseComplete')
    deepStrictEqual(
      events.map(event => event.stage),
      ['RequestReceived', 'ResponseComplete'],
    )
  }))

test('what a controller does is audited like what others do', () =>
  audited(
    `[{ level: None, verbs: [get, list, watch] }, { level: Metadata, resources: [{ group: apps, resources: [replicasets] }], ${omit} }]`,
    async (_, events, { client, until }) => {
      await client.create(Deployment, deployment('web', 1))
      await until(
        'a ReplicaSet is audited',
        async () => (await settle(), events.some(event => event.verb === 'create')),
      )
      const event = events.find(one => one.verb === 'create')
      strictEqual(event.user.username, 'system:serviceaccount:kube-system:deployment-controller')
      deepStrictEqual(
        [event.requestURI.split('?')[0], event.responseStatus.code],
        ['/apis/apps/v1/namespaces/default/replicasets', 201],
      )
      match(event.annotations['authorization.k8s.io/reason'], /^RBAC: allowed by ClusterRoleBinding/)
    },
    true,
  ))

test('the contents of a Secret are in no event of the level Metadata', () =>
  audited(`[{ level: Metadata }]`, async ({ send }, events) => {
    await send('POST', secrets, secret)
    await send('PATCH', `${secrets}/s`, { data: { more: encoded } }, { 'content-type': 'application/merge-patch+json' })
    await send('GET', `${secrets}/s`)
    await send('GET', secrets)
    await send('DELETE', `${secrets}/s`)
    await eventAt(
      events.filter(event => event.verb === 'delete'),
      'RequestReceived',
    )
    const text = JSON.stringify(events)
    ok(!text.includes('swordfish') && !text.includes(encoded))
  }))
