// Admission by others in a real cluster: a webhook on this machine behind a Service and under a URL, a policy, and the
// Pod Security Standards, all applied with kubectl.
import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { issue, makeAuthority } from '../../src/wire/x509.ts'
import { cannotRun, clusterForFile, eventually } from './cluster.ts'

const options = { skip: cannotRun }
const cluster = clusterForFile('webhooks')
const namespace = 'guarded'

let server: Server
let port = 0
let caBundle = ''

interface Review {
  apiVersion: string
  kind: string
  request: { uid: string; object: { metadata: { labels?: Record<string, string> } } }
}

/** What the webhook answers under each of its paths. */
const answers: Readonly<Record<string, (review: Review) => object>> = {
  '/label': ({ request }) => {
    const { labels } = request.object.metadata
    const patch = [{ op: 'add', path: '/metadata/labels', value: { ...labels, seen: 'yes' } }]
    return { allowed: true, patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') }
  },
  '/deny': () => ({ allowed: false, status: { message: 'not on my watch' }, warnings: ['think of another name'] }),
}

before(async () => {
  if (cannotRun) return
  const valid = { now: Date.now(), validMs: 3_600_000 }
  const authority = await makeAuthority({ commonName: 'hooks', ...valid })
  const subject = { commonName: 'hook', dnsNames: [`hook.${namespace}.svc`], ips: ['127.0.0.1'] }
  const pair = await issue(authority, subject, { usages: ['server auth'], ...valid })
  caBundle = Buffer.from(authority.certPem).toString('base64')
  server = createServer({ cert: pair.certPem, key: pair.keyPem }, (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const review = JSON.parse(Buffer.concat(chunks).toString()) as Review
      const answer = answers[request.url!.split('?')[0]!]!(review)
      const { apiVersion, kind } = review
      response.end(JSON.stringify({ apiVersion, kind, response: { uid: review.request.uid, ...answer } }))
    })
  })
  await new Promise<void>(resolve => server.listen(0, resolve))
  port = (server.address() as AddressInfo).port
})

after(() => {
  server?.closeAllConnections()
  server?.close()
})

const configuration = (kind: string, name: string, clientConfig: object, more: object = {}) => ({
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind,
  metadata: { name },
  webhooks: [
    {
      name: `${name}.example.com`,
      clientConfig: { caBundle, ...clientConfig },
      rules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] }],
      namespaceSelector: { matchLabels: { [namespace]: 'yes' } },
      sideEffects: 'None',
      admissionReviewVersions: ['v1'],
      timeoutSeconds: 5,
      ...more,
    },
  ],
})

const create = (name: string) => cluster.tryKubectl(`create configmap ${name} -n ${namespace} --from-literal=a=b`)

test('a webhook behind a Service changes objects', options, async () => {
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: namespace, labels: { [namespace]: 'yes' } },
  })
  const address = await cluster.kubectl(
    `get nodes -o jsonpath='{.items[0].status.addresses[?(@.type=="InternalIP")].address}'`,
  )
  const metadata = { name: 'hook', namespace }
  const ports = [{ name: 'https', port: 443, targetPort: port }]
  await cluster.apply({ apiVersion: 'v1', kind: 'Service', metadata, spec: { ports } })
  await cluster.apply({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'hook' } },
    addressType: 'IPv4',
    ports: [{ name: 'https', port }],
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
  })
  const service = { name: 'hook', namespace, path: '/label' }
  await cluster.apply(configuration('MutatingWebhookConfiguration', 'label', { service }))
  // Until the rules of the machine lead to the webhook, it cannot be reached.
  await eventually('the webhook is called', async () => (await create('labelled')).code === 0)
  const labels = await cluster.kubectl(`get configmap labelled -n ${namespace} -o jsonpath='{.metadata.labels.seen}'`)
  assert.equal(labels, 'yes')
  await cluster.kubectl('delete mutatingwebhookconfiguration label')
})

test('a webhook under a URL refuses objects with its own words', options, async () => {
  const url = `https://127.0.0.1:${port}/deny`
  await cluster.apply(configuration('ValidatingWebhookConfiguration', 'deny', { url }))
  const { code, stderr } = await create('denied')
  assert.equal(code, 1)
  assert.match(stderr, /Warning: think of another name/)
  assert.match(
    stderr,
    /error: failed to create configmap: admission webhook "deny.example.com" denied the request: not on my watch/,
  )
  await cluster.kubectl('delete validatingwebhookconfiguration deny')
})

test('a webhook that is not there fails requests, or is skipped', options, async () => {
  const url = 'https://127.0.0.1:1/'
  await cluster.apply(configuration('ValidatingWebhookConfiguration', 'gone', { url }))
  assert.match(
    (await create('failing')).stderr,
    /Internal error occurred: failed calling webhook "gone.example.com": failed to call webhook: Post "https:\/\/127.0.0.1:1\/\?timeout=5s": dial tcp 127.0.0.1:1: connect: connection refused/,
  )
  await cluster.apply(configuration('ValidatingWebhookConfiguration', 'gone', { url }, { failurePolicy: 'Ignore' }))
  assert.equal((await create('skipping')).code, 0)
  await cluster.kubectl('delete validatingwebhookconfiguration gone')
})

test('a policy refuses objects by an expression', options, async () => {
  const rule = { operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] }
  await cluster.apply({
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicy',
    metadata: { name: 'names' },
    spec: {
      matchConstraints: { resourceRules: [rule], namespaceSelector: { matchLabels: { [namespace]: 'yes' } } },
      validations: [{ expression: "object.metadata.name.startsWith('ok-')", message: 'names begin with ok-' }],
    },
  })
  await cluster.apply({
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicyBinding',
    metadata: { name: 'names' },
    spec: { policyName: 'names', validationActions: ['Deny'] },
  })
  assert.match(
    (await create('other')).stderr,
    /ValidatingAdmissionPolicy 'names' with binding 'names' denied request: names begin with ok-/,
  )
  assert.equal((await create('ok-this')).code, 0)
})

test('a namespace with a level refuses pods that violate it', options, async () => {
  await cluster.kubectl(`label namespace ${namespace} pod-security.kubernetes.io/enforce=baseline`)
  const overrides = JSON.stringify({ spec: { hostNetwork: true } })
  const { stderr } = await cluster.tryKubectl(`run bare -n ${namespace} --image=busybox --overrides='${overrides}'`)
  assert.match(
    stderr,
    /pods "bare" is forbidden: violates PodSecurity "baseline:latest": host namespaces \(hostNetwork=true\)/,
  )
})
