// Which requests webhooks receive, what they are asked, and what their answers do.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AnyKind, KubeObject } from '../../api/kind.ts'
import type { Json, JsonObject } from '../../api/schema/node.ts'
import { MutatingWebhookConfiguration } from '../../kinds/admissionregistration/mutatingwebhookconfiguration.ts'
import { ValidatingWebhookConfiguration } from '../../kinds/admissionregistration/validatingwebhookconfiguration.ts'
import { Deployment } from '../../kinds/apps/deployment.ts'
import { HorizontalPodAutoscaler } from '../../kinds/autoscaling/horizontalpodautoscaler-v2.ts'
import { HorizontalPodAutoscaler as HorizontalPodAutoscalerV1 } from '../../kinds/autoscaling/horizontalpodautoscaler.ts'
import { ConfigMap } from '../../kinds/core/configmap.ts'
import { Namespace } from '../../kinds/core/namespace.ts'
import { Node } from '../../kinds/core/node.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { ServiceAccount } from '../../kinds/core/serviceaccount.ts'
import { parseUrl } from '../http/call.ts'
import { admitStream } from '../stream/admission.ts'
import { openTestServer } from '../testing.ts'
import { type Behave, configuration, entry, everything, label, patchOf, refusal, webhook } from './testing.ts'

test('a webhook receives the request with its objects, its user and its options', async t => {
  const { admin, as } = await openTestServer(t)
  const { url, reviews } = await webhook(t)
  await admin.create(ValidatingWebhookConfiguration, configuration([entry(url)]))
  await admin.create(MutatingWebhookConfiguration, configuration([entry(url)]))
  await admin.create(
    ConfigMap,
    { metadata: { generateName: 'a-' }, data: { k: 'v' } },
    { options: { dryRun: true, fieldManager: 'me' } },
  )
  const [mutating, validating] = reviews.map(({ request }) => request)
  assert.ok(mutating && validating)
  const { uid: _, object, ...rest } = mutating
  const resource = { group: '', version: 'v1', resource: 'configmaps' }
  const kind = { group: '', version: 'v1', kind: 'ConfigMap' }
  assert.deepEqual(rest, {
    kind,
    resource,
    requestKind: kind,
    requestResource: resource,
    namespace: 'default',
    operation: 'CREATE',
    userInfo: { username: 'admin', groups: ['system:masters', 'system:authenticated'] },
    oldObject: null,
    dryRun: true,
    options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1', dryRun: ['All'], fieldManager: 'me' },
  })
  const { managedFields, ...metadata } = object.metadata
  assert.equal(managedFields?.length, 1)
  assert.deepEqual(metadata, { generateName: 'a-', namespace: 'default' })
  // Validation sees the object with the name and UID that it gets, but not a revision.
  assert.match(validating.name as string, /^a-.{5}$/)
  assert.equal(validating.object.metadata.name, validating.name)
  assert.ok(validating.object.metadata.uid)
  assert.equal(validating.object.metadata.resourceVersion, undefined)

  reviews.length = 0
  await admin.create(ConfigMap, { metadata: { name: 'b' } })
  await admin.patch(ConfigMap, 'b', 'merge', { data: { k: 'v' } })
  await admin.remove(ConfigMap, 'b', { propagationPolicy: 'Background' })
  assert.deepEqual(
    reviews.map(({ request }) => request.operation),
    ['CREATE', 'CREATE', 'UPDATE', 'UPDATE', 'DELETE', 'DELETE'],
  )
  const [updated, deleted] = [reviews[3]!.request, reviews[5]!.request]
  assert.equal((updated.oldObject as JsonObject & KubeObject).metadata.name, 'b')
  assert.deepEqual(updated.object.data, { k: 'v' })
  assert.equal(deleted.object, null)
  assert.deepEqual((deleted.oldObject as JsonObject).data, { k: 'v' })
  assert.deepEqual(deleted.options, {
    propagationPolicy: 'Background',
    kind: 'DeleteOptions',
    apiVersion: 'meta.k8s.io/v1',
  })
  await assert.rejects(as('somebody').create(ConfigMap, { metadata: { name: 'c' } }), { reason: 'Forbidden' })
  assert.equal(reviews.length, 6)
})

test('what a webhook denies is refused with its words, its code and its reason', async t => {
  const { admin } = await openTestServer(t)
  let result: JsonObject | undefined
  const { url } = await webhook(t, () => ({ allowed: false, ...(result && { status: result }) }))
  await admin.create(ValidatingWebhookConfiguration, configuration([entry(url)]))
  const by = 'admission webhook "check.example.com" denied the request'
  const table: [status: JsonObject | undefined, message: string, code: number, reason: string][] = [
    [undefined, `${by} without explanation`, 400, ''],
    [{ message: 'not today' }, `${by}: not today`, 400, ''],
    [{ reason: 'Because' }, `${by}: Because`, 400, 'Because'],
    [{ code: 403, message: 'no', reason: 'Forbidden' }, `${by}: no`, 403, 'Forbidden'],
    [{ code: 200, message: 'odd' }, `${by}: odd`, 400, ''],
    [{ code: 12_345, message: 'odd' }, `${by}: odd`, 400, ''],
  ]
  for (const [status, message, code, reason] of table) {
    result = status
    const refused = await refusal(admin.create(ConfigMap, { metadata: { name: 'a' } }))
    assert.deepEqual(refused, { message, code, reason })
  }
})

test('rules, scopes, subresources and selectors decide which requests a webhook gets', async t => {
  const { admin } = await openTestServer(t)
  const { url, reviews } = await webhook(t)
  await admin.create(Namespace, { metadata: { name: 'special', labels: { env: 'special' } } })
  await admin.create(ServiceAccount, { metadata: { name: 'default', namespace: 'special' } })
  const rule = (more: JsonObject) => ({ rules: [{ ...everything, ...more }] })
  const pod = { metadata: { name: 'a', labels: { app: 'a' } }, spec: { containers: [{ name: 'c', image: 'i' }] } }
  const createPod = (namespace = 'default') =>
    admin.create(Pod, { ...pod, metadata: { ...pod.metadata, namespace } }, { options: { dryRun: true } })
  const createNode = () => admin.create(Node, { metadata: { name: 'n' } }, { options: { dryRun: true } })
  const createNamespace = (labels: Record<string, string>) =>
    admin.create(Namespace, { metadata: { name: 'x', labels } }, { options: { dryRun: true } })
  await admin.create(Pod, { ...pod, metadata: { ...pod.metadata, name: 'stored' } })
  const status = () => admin.patch(Pod, 'stored', 'merge', { status: { phase: 'Running' } }, { subresource: 'status' })
  const relabel = () =>
    admin.patch(Pod, 'stored', 'merge', { metadata: { labels: { app: 'b' } } }, { options: { dryRun: true } })
  const table: [hook: JsonObject, request: () => Promise<unknown>, called: number][] = [
    [rule({}), createPod, 1],
    [rule({ operations: ['UPDATE', 'DELETE'] }), createPod, 0],
    [rule({ apiGroups: ['apps'] }), createPod, 0],
    [rule({ apiVersions: ['v2'] }), createPod, 0],
    [rule({ resources: ['pods'] }), createPod, 1],
    [rule({ resources: ['pods'] }), status, 0],
    [rule({ resources: ['*'] }), status, 0],
    [rule({ resources: ['pods/*'] }), status, 1],
    [rule({ resources: ['pods/status'] }), status, 1],
    [rule({ resources: ['*/status'] }), status, 1],
    [rule({ resources: ['pods/status'] }), createPod, 0],
    [rule({ scope: 'Cluster' }), createPod, 0],
    [rule({ scope: 'Namespaced' }), createPod, 1],
    [rule({ scope: 'Cluster' }), createNode, 1],
    [rule({ scope: 'Namespaced' }), createNode, 0],
    [rule({ scope: 'Cluster' }), () => createNamespace({}), 1],
    [{ ...rule({}), namespaceSelector: { matchLabels: { env: 'special' } } }, createPod, 0],
    [{ ...rule({}), namespaceSelector: { matchLabels: { env: 'special' } } }, () => createPod('special'), 1],
    [{ ...rule({}), namespaceSelector: { matchLabels: { env: 'special' } } }, createNode, 1],
    [
      { ...rule({}), namespaceSelector: { matchLabels: { env: 'special' } } },
      () => createNamespace({ env: 'special' }),
      1,
    ],
    [{ ...rule({}), namespaceSelector: { matchLabels: { env: 'special' } } }, () => createNamespace({}), 0],
    [{ ...rule({}), objectSelector: { matchLabels: { app: 'a' } } }, createPod, 1],
    [{ ...rule({}), objectSelector: { matchLabels: { app: 'b' } } }, createPod, 0],
    [{ ...rule({}), objectSelector: { matchLabels: { app: 'a' } } }, relabel, 1],
    [{ ...rule({}), objectSelector: { matchLabels: { app: 'b' } } }, relabel, 1],
    [{ ...rule({}), objectSelector: { matchLabels: { app: 'c' } } }, relabel, 0],
  ]
  for (const [index, [hook, request, called]] of table.entries()) {
    await admin.create(ValidatingWebhookConfiguration, configuration([entry(url, hook)]))
    reviews.length = 0
    await request()
    assert.equal(reviews.length, called, `row ${index}: ${JSON.stringify(hook)}`)
    await admin.remove(ValidatingWebhookConfiguration, 'hooks')
  }
})

test('configurations and policies themselves are never sent to a webhook', async t => {
  const { admin } = await openTestServer(t)
  const { url, reviews } = await webhook(t, () => ({ allowed: false }))
  const all = entry(url, { rules: [everything] })
  await admin.create(ValidatingWebhookConfiguration, configuration([all]))
  await admin.create(MutatingWebhookConfiguration, configuration([all]))
  await assert.rejects(admin.create(ConfigMap, { metadata: { name: 'a' } }))
  assert.equal(reviews.length, 1)
  await admin.remove(MutatingWebhookConfiguration, 'hooks')
  await admin.remove(ValidatingWebhookConfiguration, 'hooks')
  assert.equal(reviews.length, 1)
  await admin.create(ConfigMap, { metadata: { name: 'a' } })
})

test('with Equivalent a webhook gets the version that it has registered, with Exact nothing', async t => {
  const { admin } = await openTestServer(t)
  const add: JsonObject = { op: 'replace', path: '/spec/maxReplicas', value: 7 }
  const { url, reviews } = await webhook(t, () => patchOf(add))
  const rules = [
    {
      operations: ['CREATE'],
      apiGroups: ['autoscaling'],
      apiVersions: ['v1'],
      resources: ['horizontalpodautoscalers'],
    },
  ]
  const scaler = (name: string) => ({
    metadata: { name },
    spec: { scaleTargetRef: { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' }, maxReplicas: 3 },
  })
  await admin.create(MutatingWebhookConfiguration, configuration([entry(url, { rules, matchPolicy: 'Exact' })]))
  await admin.create(HorizontalPodAutoscaler, scaler('exact'))
  assert.equal(reviews.length, 0)
  await admin.create(HorizontalPodAutoscalerV1, scaler('old'))
  assert.equal(reviews.length, 1)
  assert.equal((await admin.get(HorizontalPodAutoscaler, 'old')).spec.maxReplicas, 7)
  await admin.remove(MutatingWebhookConfiguration, 'hooks')

  await admin.create(MutatingWebhookConfiguration, configuration([entry(url, { rules })]))
  const stored = await admin.create(HorizontalPodAutoscaler, scaler('equivalent'))
  const { request } = reviews[1]!
  assert.deepEqual(request.kind, { group: 'autoscaling', version: 'v1', kind: 'HorizontalPodAutoscaler' })
  assert.deepEqual(request.requestKind, { group: 'autoscaling', version: 'v2', kind: 'HorizontalPodAutoscaler' })
  assert.equal(request.object.apiVersion, 'autoscaling/v1')
  assert.equal(stored.apiVersion, 'autoscaling/v2')
  assert.equal(stored.spec.maxReplicas, 7)
})

test('a webhook changes objects, and the result is checked, defaulted and owned like any other', async t => {
  const { admin } = await openTestServer(t)
  let operations: Json[] = []
  const { url } = await webhook(t, () => patchOf(...operations))
  await admin.create(MutatingWebhookConfiguration, configuration([entry(url, { rules: [everything] })]))
  operations = [label('added')]
  const made = await admin.create(ConfigMap, { metadata: { name: 'a' } })
  assert.deepEqual(made.metadata.labels, { added: 'yes' })
  assert.ok(made.metadata.uid && made.metadata.creationTimestamp)
  operations = [label('added', 'not a label value!')]
  const invalid = await refusal(admin.create(ConfigMap, { metadata: { name: 'b' } }))
  assert.equal(invalid.reason, 'Invalid')
  operations = [{ op: 'add', path: '/spec/containers/1', value: { name: 'sidecar', image: 'i' } }]
  const pod = await admin.create(Pod, { metadata: { name: 'a' }, spec: { containers: [{ name: 'c', image: 'i' }] } })
  assert.deepEqual(
    pod.spec.containers.map(({ name, imagePullPolicy }) => [name, imagePullPolicy]),
    [
      ['c', 'Always'],
      ['sidecar', 'Always'],
    ],
  )
  const table: [operation: Json, message: string][] = [
    [
      { op: 'add', path: '/metadata/annotations/x', value: 'y' },
      'Internal error occurred: add operation does not apply: doc is missing path: "/metadata/annotations/x": missing value',
    ],
    [
      { op: 'replace', path: '/data/x', value: 'y' },
      'Internal error occurred: replace operation does not apply: doc is missing path: /data/x: missing value',
    ],
    [
      { op: 'replace', path: '/data', value: 'y' },
      'Internal error occurred: json: cannot unmarshal string into Go struct field ConfigMap.data of type map[string]string',
    ],
    [
      { op: 'test', path: '/metadata/namespace', value: 'y' },
      'Internal error occurred: testing value /metadata/namespace failed: test failed',
    ],
  ]
  for (const [operation, message] of table) {
    operations = [operation]
    const refused = await refusal(admin.create(ConfigMap, { metadata: { name: 'c' } }))
    assert.deepEqual(refused, { message, code: 500, reason: 'InternalError' })
  }
  operations = [label('x')]
  const deleted = await refusal(admin.remove(ConfigMap, 'a'))
  assert.equal(
    deleted.message,
    'Internal error occurred: admission webhook "check.example.com" attempted to modify the object, which is not supported for this operation',
  )
})

test('a webhook sees the Scale of a subresource scale, and may change its replicas', async t => {
  const { admin } = await openTestServer(t)
  const { url, reviews } = await webhook(t, () => patchOf({ op: 'replace', path: '/spec/replicas', value: 4 }))
  const labels = { app: 'a' }
  await admin.create(Deployment, {
    metadata: { name: 'd' },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    },
  })
  const rules = [{ ...everything, resources: ['deployments/scale'] }]
  await admin.create(MutatingWebhookConfiguration, configuration([entry(url, { rules })]))
  await admin.ask('patch', Deployment, {
    namespace: 'default',
    name: 'd',
    subresource: 'scale',
    patchType: 'merge',
    body: { spec: { replicas: 9 } },
  })
  const { request } = reviews[0]!
  assert.deepEqual(request.kind, { group: 'autoscaling', version: 'v1', kind: 'Scale' })
  assert.equal(request.subResource, 'scale')
  assert.deepEqual((request.object as JsonObject).spec, { replicas: 9 })
  assert.deepEqual((request.oldObject as JsonObject).spec, { replicas: 1 })
  assert.equal((await admin.get(Deployment, 'd')).spec.replicas, 4)
})

test('mutating webhooks run by configuration and place, and again where they wish that', async t => {
  const { admin } = await openTestServer(t)
  const order: string[] = []
  const hook = async (name: string, change: Json | undefined, more: JsonObject = {}) => {
    const { url } = await webhook(t, () => {
      order.push(name)
      return change === undefined ? { allowed: true } : patchOf(change)
    })
    return entry(url, { name: `${name}.example.com`, ...more })
  }
  const once = { reinvocationPolicy: 'Never' }
  const again = { reinvocationPolicy: 'IfNeeded' }
  const annotate = { op: 'add', path: '/metadata/annotations', value: { a: 'b' } }
  await admin.create(
    MutatingWebhookConfiguration,
    configuration([await hook('b1', annotate, again), await hook('b0', undefined, again)], 'b'),
  )
  await admin.create(
    MutatingWebhookConfiguration,
    configuration([await hook('a1', undefined, again), await hook('a2', label('a'), once)], 'a'),
  )
  await admin.create(ConfigMap, { metadata: { name: 'x' } })
  // b1 changed the object after a1 and a2; b0 and b1 have not seen a change since.
  assert.deepEqual(order, ['a1', 'a2', 'b1', 'b0', 'a1'])
})

test('validating webhooks are asked at once, and may not patch', async t => {
  const { admin } = await openTestServer(t)
  const waiting: (() => void)[] = []
  // Each answers only when both have been asked.
  const together: Behave = ({ request, apiVersion, kind }, { response }) => {
    waiting.push(() =>
      response.end(JSON.stringify({ apiVersion, kind, response: { uid: request.uid, allowed: true } })),
    )
    if (waiting.length === 2) for (const answer of waiting) answer()
    return undefined
  }
  const hooks = [await webhook(t, together), await webhook(t, together)]
  await admin.create(
    ValidatingWebhookConfiguration,
    configuration(hooks.map(({ url }, i) => entry(url, { name: `h${i}.example.com` }))),
  )
  await admin.create(ConfigMap, { metadata: { name: 'a' } })
  await admin.remove(ValidatingWebhookConfiguration, 'hooks')
  const { url } = await webhook(t, () => patchOf(label('x')))
  await admin.create(ValidatingWebhookConfiguration, configuration([entry(url)]))
  const { message } = await refusal(admin.create(ConfigMap, { metadata: { name: 'b' } }))
  assert.match(message, /validating webhook may not return response.patch$/)
})

test('reviews of v1beta1 need neither the UID nor the type of the answer', async t => {
  const { admin } = await openTestServer(t)
  const patch = Buffer.from(JSON.stringify([label('beta')])).toString('base64')
  const { url, reviews } = await webhook(t, (_, { response }) => {
    response.end(JSON.stringify({ response: { allowed: true, patch } }))
    return undefined
  })
  await admin.create(
    MutatingWebhookConfiguration,
    configuration([entry(url, { admissionReviewVersions: ['v2', 'v1beta1', 'v1'] })]),
  )
  const made = await admin.create(ConfigMap, { metadata: { name: 'a' } })
  assert.equal(reviews[0]!.apiVersion, 'admission.k8s.io/v1beta1')
  assert.deepEqual(made.metadata.labels, { beta: 'yes' })
})

test('warnings reach the client, and annotations an audit log', async t => {
  const { admin } = await openTestServer(t)
  const says = { warnings: ['mind the gap'], auditAnnotations: { seen: 'it' } }
  const changes = await webhook(t, () => ({ ...patchOf(label('x')), ...says }))
  const fails = await webhook(t, (_, { response }) => void response.destroy())
  await admin.create(
    MutatingWebhookConfiguration,
    configuration([entry(changes.url), entry(fails.url, { name: 'fails.example.com', failurePolicy: 'Ignore' })]),
  )
  const annotations = new Map<string, string>()
  const body = { metadata: { name: 'a' } }
  const { warnings } = await admin.ask('create', ConfigMap, { namespace: 'default', body, annotations })
  assert.deepEqual(warnings, ['mind the gap'])
  const note = (webhook: string, mutated: boolean) => ({ configuration: 'hooks', webhook, mutated })
  assert.deepEqual(
    Object.fromEntries(
      [...annotations].map(([key, value]) => [key, value.startsWith('{') ? (JSON.parse(value) as Json) : value]),
    ),
    {
      'authorization.k8s.io/decision': 'allow',
      'authorization.k8s.io/reason': '',
      'check.example.com/seen': 'it',
      'patch.webhook.admission.k8s.io/round_0_index_0': {
        configuration: 'hooks',
        webhook: 'check.example.com',
        patch: [label('x')],
        patchType: 'JSONPatch',
      },
      'mutation.webhook.admission.k8s.io/round_0_index_0': note('check.example.com', true),
      'mutation.webhook.admission.k8s.io/round_0_index_1': note('fails.example.com', false),
      'failed-open.mutation.webhook.admission.k8s.io/round_0_index_1': 'fails.example.com',
    },
  )
})

test('evictions and bindings are sent as themselves, and their steps are not sent', async t => {
  const { admin } = await openTestServer(t)
  const { url, reviews } = await webhook(t)
  await admin.create(Node, { metadata: { name: 'n' } })
  for (const name of ['a', 'b'])
    await admin.create(Pod, { metadata: { name }, spec: { containers: [{ name: 'c', image: 'i' }] } })
  await admin.create(ValidatingWebhookConfiguration, configuration([entry(url, { rules: [everything] })]))
  const ask = (kind: AnyKind, name: string, subresource: string, body: JsonObject) =>
    admin.ask('create', kind, { namespace: 'default', name, subresource, body })
  await ask(Pod, 'a', 'binding', { metadata: { name: 'a' }, target: { kind: 'Node', name: 'n' } })
  await ask(Pod, 'b', 'eviction', { metadata: { name: 'b' } })
  assert.deepEqual(
    reviews.map(({ request }) => [
      request.operation,
      request.subResource,
      (request.kind as JsonObject).kind,
      request.name,
    ]),
    [
      ['CREATE', 'binding', 'Binding', 'a'],
      ['CREATE', 'eviction', 'Eviction', 'b'],
    ],
  )
})

test('streams are the operation CONNECT with their options, which a webhook may change or refuse', async t => {
  const { admin, core } = await openTestServer(t)
  let answer: JsonObject = patchOf({ op: 'add', path: '/tty', value: true })
  const { url, reviews } = await webhook(t, () => answer)
  const rules = [{ ...everything, operations: ['CONNECT'], resources: ['pods/exec'] }]
  await admin.create(MutatingWebhookConfiguration, configuration([entry(url, { rules })]))
  const path = {
    group: '',
    version: 'v1',
    plural: 'pods',
    namespace: 'default',
    name: 'a',
    subresource: 'exec',
    watch: false,
    rest: '',
  }
  const connect = () => admitStream(core, admin.user, Pod, path, parseUrl('/x?command=ls&command=-l&stdout=true'))
  assert.equal((await connect()).search, '?command=ls&command=-l&stdout=true&tty=true')
  const { request } = reviews[0]!
  assert.deepEqual(request.kind, { group: '', version: 'v1', kind: 'PodExecOptions' })
  assert.deepEqual(request.object as JsonObject, {
    kind: 'PodExecOptions',
    apiVersion: 'v1',
    command: ['ls', '-l'],
    stdout: true,
  })
  assert.equal(request.options, null)
  answer = { allowed: false, status: { message: 'no shells' } }
  assert.match((await refusal(connect())).message, /denied the request: no shells$/)
})
