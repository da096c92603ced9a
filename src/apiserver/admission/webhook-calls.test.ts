// Calls of webhooks over HTTPS: what fails, and what the client gets then.
import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import type { JsonObject } from '../../api/schema/node.ts'
import { MutatingWebhookConfiguration } from '../../kinds/admissionregistration/mutatingwebhookconfiguration.ts'
import { ValidatingWebhookConfiguration } from '../../kinds/admissionregistration/validatingwebhookconfiguration.ts'
import { ConfigMap } from '../../kinds/core/configmap.ts'
import { Service } from '../../kinds/core/service.ts'
import { issue, makeAuthority } from '../../wire/x509.ts'
import { openTestServer } from '../testing.ts'
import {
  authority,
  type Behave,
  caBundle,
  configuration,
  entry,
  refusal,
  type TestWebhook,
  validity,
  webhook,
} from './testing.ts'

test('the failure of a webhook fails one request, or is skipped with Ignore', async t => {
  const { admin } = await openTestServer(t)
  const other = await issue(
    await makeAuthority({ commonName: 'other', ...validity }),
    { commonName: 'x', ips: ['127.0.0.1'] },
    { usages: ['server auth'], ...validity },
  )
  const wrongName = await issue(
    authority,
    { commonName: 'x', dnsNames: ['else.example.com'] },
    { usages: ['server auth'], ...validity },
  )
  const raw =
    (answer: (response: ServerResponse) => void): Behave =>
    (_, { response }) =>
      void answer(response)
  const review =
    (fields: JsonObject): Behave =>
    (asked, { response }) =>
      void response.end(
        JSON.stringify({
          ...asked,
          request: undefined,
          response: { uid: asked.request.uid, allowed: true },
          ...fields,
        }),
      )
  const patch = Buffer.from('[]').toString('base64')
  const post = (url: string) => `failed to call webhook: Post "${url}?timeout=1s": `
  const invalid = 'received invalid webhook response: '
  const table: [what: string, hook: TestWebhook, why: (url: string) => string][] = [
    [
      'hangs',
      await webhook(
        t,
        raw(() => {}),
      ),
      url => `${post(url)}context deadline exceeded`,
    ],
    [
      'closes the connection',
      await webhook(
        t,
        raw(response => response.destroy()),
      ),
      url => `${post(url)}EOF`,
    ],
    [
      'answers 10 MB',
      await webhook(
        t,
        raw(response => response.end(Buffer.alloc(10_000_000, 'x'))),
      ),
      url => `${post(url)}http: response body too large`,
    ],
    [
      'has another authority',
      await webhook(t, undefined, other),
      url => `${post(url)}tls: failed to verify certificate: x509: certificate signed by unknown authority`,
    ],
    [
      'has another name',
      await webhook(t, undefined, wrongName),
      url =>
        `${post(url)}tls: failed to verify certificate: x509: cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs`,
    ],
    [
      'redirects',
      await webhook(
        t,
        raw(response => response.writeHead(302, { location: 'https://127.0.0.1:1/' }).end()),
      ),
      () => 'failed to call webhook: the server responded with the status code 302 but did not return more information',
    ],
    [
      'is not there',
      await webhook(
        t,
        raw(response => response.writeHead(404).end()),
      ),
      () => 'failed to call webhook: the server could not find the requested resource',
    ],
    [
      'breaks',
      await webhook(
        t,
        raw(response => response.writeHead(500).end('oh no')),
      ),
      () => 'failed to call webhook: an error on the server ("oh no") has prevented the request from succeeding',
    ],
    [
      'answers no JSON',
      await webhook(
        t,
        raw(response => response.end('hello')),
      ),
      () =>
        "failed to call webhook: couldn't get version/kind; json parse error: invalid character 'h' looking for beginning of value",
    ],
    ['answers nothing', await webhook(t, review({ response: null })), () => `${invalid}webhook response was absent`],
    [
      'answers another kind',
      await webhook(t, review({ kind: 'Other' })),
      () =>
        `${invalid}expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got admission.k8s.io/v1, Kind=Other`,
    ],
    [
      'answers another question',
      await webhook(t, () => ({ uid: 'other', allowed: true })),
      () => `${invalid}expected response.uid="UID", got "other"`,
    ],
    [
      'patches without a type',
      await webhook(t, () => ({ allowed: true, patch })),
      () => `${invalid}webhook returned response.patch but not response.patchType`,
    ],
    [
      'has a type without a patch',
      await webhook(t, () => ({ allowed: true, patchType: 'JSONPatch' })),
      () => `${invalid}webhook returned response.patchType but not response.patch`,
    ],
    [
      'has another type',
      await webhook(t, () => ({ allowed: true, patch, patchType: 'Merge' })),
      () => 'unsupported patch type "Merge"',
    ],
  ]
  for (const [what, hook, why] of table) {
    // Only one of them is to be late.
    const timeoutSeconds = what === 'hangs' ? 1 : 30
    const broken = entry(hook.url, { timeoutSeconds })
    await admin.create(MutatingWebhookConfiguration, configuration([broken]))
    const refused = await refusal(admin.create(ConfigMap, { metadata: { name: 'a' } }))
    const uid = hook.reviews[0]?.request.uid ?? ''
    const message = `Internal error occurred: failed calling webhook "check.example.com": ${why(hook.url).replace('UID', uid).replace('timeout=1s', `timeout=${timeoutSeconds}s`)}`
    assert.deepEqual(refused, { message, code: 500, reason: 'InternalError' }, what)
    await admin.remove(MutatingWebhookConfiguration, 'hooks')
    await admin.create(MutatingWebhookConfiguration, configuration([{ ...broken, failurePolicy: 'Ignore' }]))
    await admin.create(ConfigMap, { metadata: { name: 'a' } })
    await admin.remove(MutatingWebhookConfiguration, 'hooks')
    await admin.remove(ConfigMap, 'a')
  }
})

test('connections are used again, and one that the webhook has closed is replaced', async t => {
  const { admin } = await openTestServer(t)
  const { url, connections, reviews } = await webhook(t)
  await admin.create(ValidatingWebhookConfiguration, configuration([entry(url)]))
  for (const name of ['a', 'b', 'c']) await admin.create(ConfigMap, { metadata: { name } })
  assert.equal(connections.size, 1)
  for (const socket of connections) socket.destroy()
  await admin.create(ConfigMap, { metadata: { name: 'd' } })
  assert.equal(reviews.length, 4)
})

test('a webhook behind a Service needs the Service, its port and its address', async t => {
  const { admin } = await openTestServer(t)
  const service = { namespace: 'default', name: 'hook', path: '/check', port: 8443 }
  const hook = { ...entry(''), clientConfig: { service, caBundle } }
  await admin.create(ValidatingWebhookConfiguration, configuration([hook]))
  const why = async () => (await refusal(admin.create(ConfigMap, { metadata: { name: 'a' } }))).message
  const prefix =
    'Internal error occurred: failed calling webhook "check.example.com": failed to call webhook: Post "https://hook.default.svc:8443/check?timeout=10s": '
  assert.equal(await why(), `${prefix}service "hook" not found`)
  const port = (number: number) => ({ ports: [{ port: number }] })
  await admin.create(Service, { metadata: { name: 'hook' }, spec: port(443) })
  assert.equal(await why(), `${prefix}no service port 8443 found for service "hook"`)
  await admin.remove(Service, 'hook')
  await admin.create(Service, { metadata: { name: 'hook' }, spec: { ...port(8443), clusterIP: 'None' } })
  assert.equal(await why(), `${prefix}cannot route to service with ClusterIP "None"`)
})
