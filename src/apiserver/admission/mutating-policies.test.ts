// Mutating admission policies: what they change, in which order, and what happens when they cannot.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../../api/schema/node.ts'
import { MutatingAdmissionPolicy } from '../../kinds/admissionregistration/mutatingadmissionpolicy.ts'
import { MutatingAdmissionPolicyBinding } from '../../kinds/admissionregistration/mutatingadmissionpolicybinding.ts'
import { ConfigMap } from '../../kinds/core/configmap.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { type Caller, openTestServer } from '../testing.ts'
import { refusal } from './testing.ts'

const rule = { operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps', 'pods'] }
const applying = (expression: string): JsonObject => ({
  patchType: 'ApplyConfiguration',
  applyConfiguration: { expression },
})
const patching = (expression: string): JsonObject => ({ patchType: 'JSONPatch', jsonPatch: { expression } })

async function enforce(admin: Caller, name: string, spec: JsonObject, binding: JsonObject = {}): Promise<void> {
  const whole = {
    matchConstraints: { resourceRules: [rule] },
    reinvocationPolicy: 'Never',
    failurePolicy: 'Fail',
    ...spec,
  }
  await admin.create(MutatingAdmissionPolicy, { metadata: { name }, spec: whole } as object)
  await admin.create(MutatingAdmissionPolicyBinding, {
    metadata: { name },
    spec: { policyName: name, ...binding },
  } as object)
}

test('a partial object is merged as server-side apply would, and a patch is carried out', async t => {
  const { admin } = await openTestServer(t)
  await enforce(admin, 'a', {
    variables: [{ name: 'image', expression: "'proxy:1'" }],
    mutations: [
      applying(
        "Object{spec: Object.spec{initContainers: [Object.spec.initContainers{name: 'sidecar', image: variables.image, restartPolicy: 'Always'}]}}",
      ),
      patching(
        "[JSONPatch{op: 'add', path: '/metadata/labels', value: {'count': string(size(object.spec.initContainers))}}]",
      ),
    ],
    matchConditions: [{ name: 'pods', expression: "request.kind.kind == 'Pod'" }],
  })
  const containers = [{ name: 'c', image: 'i:1' }]
  const { spec, metadata } = await admin.create(Pod, { metadata: { name: 'a' }, spec: { containers } })
  assert.deepEqual(
    spec.initContainers?.map(({ name, image, imagePullPolicy }) => [name, image, imagePullPolicy]),
    [['sidecar', 'proxy:1', 'IfNotPresent']],
  )
  assert.equal(spec.containers[0]!.name, 'c')
  assert.deepEqual(metadata.labels, { count: '1' })
  assert.equal((await admin.create(ConfigMap, { metadata: { name: 'a' } })).metadata.labels, undefined)
})

test('what cannot be evaluated or applied fails the request, or is left out', async t => {
  const { admin } = await openTestServer(t)
  const table: [mutation: JsonObject, why: string][] = [
    [
      applying('Object{metadata: Object.metadata{labels: object.nothing}}'),
      "expression 'Object{metadata: Object.metadata{labels: object.nothing}}' resulted in error: no such key: nothing",
    ],
    [
      applying("Object{metadata: Object.meta{labels: {'a': 'b'}}}"),
      'type mismatch: unexpected type name "Object.meta", expected "Object.metadata", which matches field name path from root Object type',
    ],
    [
      patching("[JSONPatch{op: 'replace', path: '/metadata/labels/x', value: 'y'}]"),
      'replace operation does not apply: doc is missing path: /metadata/labels/x: missing value',
    ],
  ]
  for (const [row, [mutation, why]] of table.entries()) {
    await enforce(admin, 'p', { mutations: [mutation] })
    const message = `policy 'p' with binding 'p' denied request: ${why}`
    const refused = await refusal(admin.create(ConfigMap, { metadata: { name: 'a' } }))
    assert.deepEqual(refused, { message, code: 403, reason: 'Forbidden' }, `row ${row}`)
    await admin.patch(MutatingAdmissionPolicy, 'p', 'merge', { spec: { failurePolicy: 'Ignore' } })
    await admin.create(ConfigMap, { metadata: { name: `a${row}` } })
    await admin.remove(MutatingAdmissionPolicy, 'p')
    await admin.remove(MutatingAdmissionPolicyBinding, 'p')
  }
  await enforce(admin, 'p', {
    mutations: [
      applying("Object{spec: Object.spec{nodeSelector: {'a': 'b'}, tolerations: [Object.spec.tolerations{key: 'x'}]}}"),
    ],
  })
  const pod = { metadata: { name: 'a' }, spec: { containers: [{ name: 'c', image: 'i' }] } }
  assert.match(
    (await refusal(admin.create(Pod, pod))).message,
    /error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.nodeSelector, .spec.tolerations$/,
  )
})

test('policies run by their names, and again where they wish to see later changes', async t => {
  const { admin } = await openTestServer(t)
  const appending = (key: string) =>
    patching(
      `[JSONPatch{op: 'add', path: '/data', value: {'log': (has(object.data) ? object.data.log : '') + '${key}'}}]`,
    )
  await enforce(admin, 'b', { mutations: [appending('b')] })
  await enforce(admin, 'a', { mutations: [appending('a')], reinvocationPolicy: 'IfNeeded' })
  assert.deepEqual((await admin.create(ConfigMap, { metadata: { name: 'x' } })).data, { log: 'aba' })
})

test('each object with parameters is used once', async t => {
  const { admin } = await openTestServer(t)
  for (const name of ['one', 'two'])
    await admin.create(ConfigMap, { metadata: { name, labels: { kind: 'p' } }, data: { name } })
  const expression = 'Object{metadata: Object.metadata{labels: Object.metadata.labels{from: params.data.name}}}'
  const paramRef = { selector: { matchLabels: { kind: 'p' } }, parameterNotFoundAction: 'Deny' }
  await enforce(
    admin,
    'p',
    { paramKind: { apiVersion: 'v1', kind: 'ConfigMap' }, mutations: [applying(expression)] },
    { paramRef },
  )
  assert.deepEqual((await admin.create(ConfigMap, { metadata: { name: 'x' } })).metadata.labels, { from: 'two' })
})
