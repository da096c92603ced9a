// Admission policies: which requests they judge, by which expressions and parameters, and what follows.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../../api/schema/node.ts'
import { ValidatingAdmissionPolicy } from '../../kinds/admissionregistration/validatingadmissionpolicy.ts'
import { ValidatingAdmissionPolicyBinding } from '../../kinds/admissionregistration/validatingadmissionpolicybinding.ts'
import { ValidatingWebhookConfiguration } from '../../kinds/admissionregistration/validatingwebhookconfiguration.ts'
import { ConfigMap } from '../../kinds/core/configmap.ts'
import { Namespace } from '../../kinds/core/namespace.ts'
import { Node } from '../../kinds/core/node.ts'
import { until } from '../extend/testing.ts'
import { type Caller, openTestServer } from '../testing.ts'
import { configuration, entry, refusal, webhook } from './testing.ts'

const rule = {
  operations: ['CREATE', 'UPDATE'],
  apiGroups: [''],
  apiVersions: ['v1'],
  resources: ['configmaps', 'nodes'],
}

/** Creates a policy and its binding. */
async function enforce(admin: Caller, spec: JsonObject, binding: JsonObject = {}): Promise<void> {
  const whole = { matchConstraints: { resourceRules: [rule] }, ...spec }
  await admin.create(ValidatingAdmissionPolicy, { metadata: { name: 'p' }, spec: whole } as object)
  const bound = { policyName: 'p', validationActions: ['Deny'], ...binding }
  await admin.create(ValidatingAdmissionPolicyBinding, { metadata: { name: 'b' }, spec: bound } as object)
}

const lift = async (admin: Caller) => {
  await admin.remove(ValidatingAdmissionPolicyBinding, 'b')
  await admin.remove(ValidatingAdmissionPolicy, 'p')
}

const expressions = (...list: string[]) => list.map(expression => ({ expression }))
const create = (admin: Caller, more: JsonObject = {}) =>
  admin.create(ConfigMap, { metadata: { name: 'a' }, ...more }, { options: { dryRun: true } })
const by = `configmaps "a" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: `

test('validations refuse requests with their message and their reason', async t => {
  const { admin } = await openTestServer(t)
  const table: [spec: JsonObject, message: string | undefined, code?: number, reason?: string][] = [
    [{ validations: expressions('object.metadata.name == "a"') }, undefined],
    [{ validations: expressions('has(object.data)') }, 'failed expression: has(object.data)', 422, 'Invalid'],
    [{ validations: [{ expression: 'false', message: ' no maps ' }] }, 'no maps', 422, 'Invalid'],
    [{ validations: [{ expression: 'false', message: 'no', reason: 'Forbidden' }] }, 'no', 403, 'Forbidden'],
    [
      { validations: [{ expression: 'false', messageExpression: "'no ' + object.metadata.name" }] },
      'no a',
      422,
      'Invalid',
    ],
    [
      { validations: [{ expression: 'false', message: 'no', messageExpression: 'string(object.x)' }] },
      'no',
      422,
      'Invalid',
    ],
    [
      { validations: expressions('object.nothing == 1') },
      "expression 'object.nothing == 1' resulted in error: no such key: nothing",
      422,
      'Invalid',
    ],
    [{ failurePolicy: 'Ignore', validations: expressions('object.nothing == 1') }, undefined],
    [
      {
        validations: expressions(
          'request.operation == "CREATE" && request.dryRun && request.userInfo.username == "admin"',
        ),
      },
      undefined,
    ],
    [
      { validations: expressions('request.resource.resource == "configmaps" && request.kind.kind == "ConfigMap"') },
      undefined,
    ],
    [{ validations: expressions('oldObject == null && namespaceObject.metadata.name == "default"') }, undefined],
    [
      {
        validations: expressions(
          'namespaceObject.metadata.creationTimestamp < timestamp("2100-01-01T00:00:00Z") && namespaceObject.status.phase == "Active"',
        ),
      },
      undefined,
    ],
    [
      {
        validations: expressions(
          "authorizer.group('').resource('pods').namespace('default').check('create').allowed()",
        ),
      },
      undefined,
    ],
    [{ validations: expressions("authorizer.requestResource.check('delete').allowed()") }, undefined],
    [
      {
        variables: [
          { name: 'n', expression: 'size(object.metadata.name)' },
          { name: 'twice', expression: 'variables.n * 2' },
        ],
        validations: expressions('variables.twice == 2'),
      },
      undefined,
    ],
    [{ matchConditions: [{ name: 'c', expression: 'false' }], validations: expressions('false') }, undefined],
    [
      { matchConditions: [{ name: 'c', expression: 'true' }], validations: expressions('false') },
      'failed expression: false',
      422,
      'Invalid',
    ],
    [
      { matchConditions: [{ name: 'c', expression: 'object.nothing == 1' }], validations: expressions('true') },
      "expression 'object.nothing == 1' resulted in error: no such key: nothing",
      422,
      'Invalid',
    ],
    [
      { matchConstraints: { resourceRules: [{ ...rule, resourceNames: ['b'] }] }, validations: expressions('false') },
      undefined,
    ],
    [
      {
        matchConstraints: { resourceRules: [rule], excludeResourceRules: [{ ...rule, resources: ['configmaps'] }] },
        validations: expressions('false'),
      },
      undefined,
    ],
    [
      {
        matchConstraints: { resourceRules: [rule], namespaceSelector: { matchLabels: { env: 'x' } } },
        validations: expressions('false'),
      },
      undefined,
    ],
  ]
  for (const [row, [spec, message, code, reason]] of table.entries()) {
    await enforce(admin, spec)
    if (message === undefined) await create(admin)
    else assert.deepEqual(await refusal(create(admin)), { message: by + message, code, reason }, `row ${row}`)
    await lift(admin)
  }
})

test('the actions of a binding report a failure instead of refusing the request', async t => {
  const { admin } = await openTestServer(t)
  const auditAnnotations = [{ key: 'name', valueExpression: 'string(object.metadata.name)' }]
  await enforce(
    admin,
    { validations: [{ expression: 'false', message: 'no' }], auditAnnotations },
    { validationActions: ['Warn', 'Audit'] },
  )
  const annotations = new Map<string, string>()
  const body = { metadata: { name: 'a' } }
  const { warnings } = await admin.ask('create', ConfigMap, { namespace: 'default', body, annotations })
  assert.deepEqual(warnings, ["Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': no"])
  assert.deepEqual(Object.fromEntries(annotations), {
    'authorization.k8s.io/decision': 'allow',
    'authorization.k8s.io/reason': '',
    'validation.policy.admission.k8s.io/validation_failure':
      '[{"message":"no","policy":"p","binding":"b","expressionIndex":0,"validationActions":["Warn","Audit"]}]',
    'p/name': 'a',
  })
})

test('parameters are found by name or by selector, and missing ones count as the binding says', async t => {
  const { admin } = await openTestServer(t)
  await admin.create(Namespace, { metadata: { name: 'settings' } })
  for (const [name, namespace, most] of [
    ['own', 'default', '1'],
    ['far', 'settings', '2'],
    ['farther', 'settings', '3'],
  ] as const)
    await admin.create(ConfigMap, { metadata: { name, namespace, labels: { kind: 'limit' } }, data: { most } })
  const spec = {
    paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
    validations: [
      {
        expression: '!has(object.data) || size(object.data) <= int(params.data.most)',
        messageExpression: "'at most ' + params.data.most",
      },
    ],
  }
  const entries = (count: number) => ({
    data: Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, 'v'])),
  })
  const missing = 'failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction'
  const table: [paramRef: JsonObject, count: number, message: string | undefined][] = [
    [{ name: 'own' }, 1, undefined],
    [{ name: 'own' }, 2, 'at most 1'],
    [{ name: 'far', namespace: 'settings' }, 2, undefined],
    [{ selector: { matchLabels: { kind: 'limit' } }, namespace: 'settings' }, 2, undefined],
    [{ selector: { matchLabels: { kind: 'limit' } }, namespace: 'settings' }, 3, 'at most 2'],
    [{ name: 'none' }, 1, missing],
    [{ name: 'none', parameterNotFoundAction: 'Allow' }, 9, undefined],
  ]
  for (const [row, [paramRef, count, message]] of table.entries()) {
    await enforce(admin, spec, {
      paramRef: { parameterNotFoundAction: 'Deny', ...paramRef },
      validationActions: ['Deny'],
    })
    if (message === undefined) await create(admin, entries(count))
    else assert.equal((await refusal(create(admin, entries(count)))).message, by + message, `row ${row}`)
    await lift(admin)
  }
  await enforce(admin, spec, { paramRef: { name: 'own', parameterNotFoundAction: 'Deny' } })
  const node = await refusal(admin.create(Node, { metadata: { name: 'n' } }))
  assert.match(node.message, /cannot use namespaced paramRef in policy binding that matches cluster-scoped resources$/)
  await lift(admin)
  await enforce(
    admin,
    { ...spec, paramKind: { apiVersion: 'example.com/v1', kind: 'Limit' } },
    { paramRef: { name: 'own', parameterNotFoundAction: 'Deny' } },
  )
  assert.equal(
    (await refusal(create(admin))).message,
    `${by}failed to configure policy: failed to find resource referenced by paramKind: 'example.com/v1, Kind=Limit'`,
  )
})

test('a policy cannot prevent its own repair, and has no effect without a binding', async t => {
  const { admin } = await openTestServer(t)
  const everything = { operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*'] }
  await enforce(admin, { matchConstraints: { resourceRules: [everything] }, validations: expressions('false') })
  await refusal(create(admin))
  await admin.remove(ValidatingAdmissionPolicyBinding, 'b')
  await create(admin)
})

test('conditions keep a webhook from being called, and fail the request when they cannot be evaluated', async t => {
  const { admin } = await openTestServer(t)
  const { url, reviews } = await webhook(t)
  const table: [expressions: string[], failurePolicy: string, called: number, message?: string][] = [
    [['true', 'object.metadata.name == "a"'], 'Fail', 1],
    [['true', 'request.operation == "DELETE"'], 'Fail', 0],
    [['object.nothing == 1', 'false'], 'Fail', 0],
    [['object.nothing == 1'], 'Ignore', 0],
    [
      ['object.nothing == 1'],
      'Fail',
      0,
      `configmaps "a" is forbidden: expression 'object.nothing == 1' resulted in error: no such key: nothing`,
    ],
  ]
  for (const [list, failurePolicy, called, message] of table) {
    const matchConditions = list.map((expression, i) => ({ name: `c${i}`, expression }))
    await admin.create(ValidatingWebhookConfiguration, configuration([entry(url, { failurePolicy, matchConditions })]))
    reviews.length = 0
    if (message === undefined) await create(admin)
    else assert.equal((await refusal(create(admin))).message, message)
    assert.equal(reviews.length, called, list.join())
    await admin.remove(ValidatingWebhookConfiguration, 'hooks')
  }
})

test('the status of a policy says which expressions do not fit the kinds that it is about', async t => {
  const { admin, core } = await openTestServer(t)
  const deployments = { operations: ['*'], apiGroups: ['apps'], apiVersions: ['v1'], resources: ['deployments'] }
  const whole = {
    matchConstraints: { resourceRules: [deployments] },
    validations: [
      { expression: 'object.spec.replicas > 1' },
      { expression: "object.spec.replicas > '1'", messageExpression: 'string(object.spec.none)' },
      { expression: "object.spec.template.spec.containers.all(c, c.image.startsWith('x'))" },
    ],
  }
  await admin.create(ValidatingAdmissionPolicy, { metadata: { name: 'p' }, spec: whole } as object)
  const policies = core.storage.mirror(ValidatingAdmissionPolicy)
  await until('the check', () => policies.get(undefined, 'p')?.status.typeChecking !== undefined)
  const { status, metadata } = policies.get(undefined, 'p')!
  assert.equal(status.observedGeneration, metadata.generation)
  const found = status.typeChecking!.expressionWarnings ?? []
  assert.deepEqual(
    found.map(({ fieldRef }) => fieldRef),
    ['spec.validations[1].expression', 'spec.validations[1].messageExpression'],
  )
  assert.match(
    found[0]!.warning,
    /^apps\/v1, Kind=Deployment: ERROR: <input>:1:22: found no matching overload for '_>_' applied to '\(int, string\)'/,
  )
  assert.match(found[1]!.warning, /undefined field 'none'/)
})
