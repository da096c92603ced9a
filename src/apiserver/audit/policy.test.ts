// Audit policies: which rule decides, and which mistakes a file may have.
import { deepStrictEqual, ok, strictEqual, throws } from 'node:assert/strict'
import { test } from 'node:test'
import { defaultAuditPolicy } from './default-policy.ts'
import { type AuditAttributes, type AuditPolicy, parseAuditPolicy, ruleFor } from './policy.ts'

const asked = (more: Partial<AuditAttributes>): AuditAttributes => ({
  user: { name: 'jane', groups: ['dev', 'system:authenticated'] },
  verb: 'create',
  group: '',
  resource: 'pods',
  subresource: '',
  namespace: 'default',
  name: '',
  ...more,
})
const policyOf = (...rules: string[]) =>
  parseAuditPolicy(
    `apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n${rules.map(rule => `- ${rule}\n`).join('')}`,
    'file',
  )
const levelOf = (policy: AuditPolicy, more: Partial<AuditAttributes>) => ruleFor(policy, asked(more))?.level
/** Whether a rule with these fields matches a request. */
const matches = (fields: string, more: Partial<AuditAttributes>) =>
  levelOf(policyOf(`{ level: Metadata, ${fields} }`), more) === 'Metadata'

test('each field of a rule must match', () => {
  const path = { path: '/healthz/ping', resource: '', namespace: '' }
  const rows: [string, Partial<AuditAttributes>, boolean][] = [
    ['users: [jane]', {}, true],
    ['users: [joe]', {}, false],
    ['userGroups: [ops, dev]', {}, true],
    ['userGroups: [ops]', {}, false],
    ['verbs: [create]', {}, true],
    ['verbs: [get]', {}, false],
    ['namespaces: [default]', {}, true],
    ['namespaces: [other]', {}, false],
    ['namespaces: [""]', { namespace: '' }, true],
    ['namespaces: [""]', {}, false],
    ['resources: [{ group: "" }]', {}, true],
    ['resources: [{ group: apps }]', {}, false],
    ['resources: [{ group: apps, resources: [pods] }, { resources: [pods] }]', {}, true],
    ['resources: [{ resources: [pods] }]', { subresource: 'log' }, false],
    ['resources: [{ resources: [pods/log] }]', { subresource: 'log' }, true],
    ['resources: [{ resources: [pods/log] }]', {}, false],
    ['resources: [{ resources: ["pods/*"] }]', { subresource: 'log' }, true],
    ['resources: [{ resources: ["*/log"] }]', { subresource: 'log' }, true],
    ['resources: [{ resources: ["*/log"] }]', {}, false],
    ['resources: [{ resources: ["*"] }]', { subresource: 'log' }, true],
    ['resources: [{ resources: [pods], resourceNames: [a] }]', { name: 'a' }, true],
    ['resources: [{ resources: [pods], resourceNames: [a] }]', { name: 'b' }, false],
    ['resources: [{ resources: [pods] }]', path, false],
    ['nonResourceURLs: ["/healthz*"]', path, true],
    ['nonResourceURLs: [/healthz]', path, false],
    ['nonResourceURLs: ["*"]', path, true],
    ['nonResourceURLs: ["*"]', {}, false],
    ['users: [jane], verbs: [get]', {}, false],
  ]
  for (const [fields, more, expected] of rows)
    strictEqual(matches(fields, more), expected, `${fields} ${JSON.stringify(more)}`)
})

test('the first rule that matches decides, and without one nothing is written', () => {
  const policy = policyOf('{ level: None, users: [jane], verbs: [get] }', '{ level: Request, users: [jane] }')
  strictEqual(levelOf(policy, { verb: 'get' }), 'None')
  strictEqual(levelOf(policy, {}), 'Request')
  strictEqual(levelOf(policy, { user: { name: 'joe', groups: [] } }), undefined)
})

test('stages of the policy and of the rule are both omitted; managed fields as the rule has it', () => {
  const { rules } = parseAuditPolicy(
    'apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nomitManagedFields: true\nrules: [{ level: Request, omitStages: [ResponseStarted] }, { level: Request, omitManagedFields: false }]',
    'file',
  )
  deepStrictEqual(rules[0]!.omitStages, ['RequestReceived', 'ResponseStarted'])
  deepStrictEqual(
    rules.map(rule => rule.omitManagedFields),
    [true, false],
  )
})

test('mistakes are all named', () => {
  throws(
    () =>
      policyOf(
        '{ level: All, more: 1 }',
        '{ level: None, nonResourceURLs: [healthz, "/a*b"], namespaces: [a] }',
        '{ level: None, omitStages: [Never], resources: [{ resourceNames: [a] }] }',
        '{ users: [a] }',
      ),
    (error: Error) => {
      for (const part of [
        'rules[0].level',
        'rules[0].more: unknown field',
        'rules[1].nonResourceURLs[0]',
        'rules[1].nonResourceURLs[1]',
        'rules cannot apply to both',
        'rules[2].omitStages[0]',
        'using resourceNames requires',
        'rules[3].level: is required',
      ])
        ok(error.message.includes(part), `${part} is not in ${error.message}`)
      return true
    },
  )
})

test('by default: what users do is written down, the noise of the cluster is not, and no contents', () => {
  const node = { name: 'system:node:a', groups: ['system:nodes', 'system:authenticated'] }
  const controller = {
    name: 'system:serviceaccount:kube-system:job-controller',
    groups: ['system:serviceaccounts', 'system:serviceaccounts:kube-system'],
  }
  const rows: [Partial<AuditAttributes>, string][] = [
    [{}, 'Metadata'],
    [{ resource: 'secrets', verb: 'get' }, 'Metadata'],
    [{ resource: 'pods', subresource: 'exec', verb: 'create' }, 'Metadata'],
    [{ resource: 'events' }, 'None'],
    [{ path: '/healthz', resource: '', verb: 'get' }, 'None'],
    [{ path: '/logs/', resource: '', verb: 'get' }, 'Metadata'],
    [{ user: node, group: 'coordination.k8s.io', resource: 'leases', verb: 'update' }, 'None'],
    [{ user: node, resource: 'nodes', subresource: 'status', verb: 'patch' }, 'None'],
    [{ user: node, resource: 'secrets', verb: 'get' }, 'None'],
    [{ user: node, resource: 'pods', verb: 'delete' }, 'Metadata'],
    [{ user: controller, resource: 'pods', verb: 'list' }, 'None'],
    [{ user: controller, resource: 'secrets', verb: 'get' }, 'Metadata'],
    [{ user: controller, resource: 'pods', verb: 'create' }, 'Metadata'],
  ]
  const policy = defaultAuditPolicy()
  for (const [more, level] of rows) strictEqual(levelOf(policy, more), level, JSON.stringify(more))
  ok(policy.rules.every(rule => rule.level === 'None' || rule.level === 'Metadata'))
})
