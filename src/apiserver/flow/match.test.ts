import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FlowSchema } from '../../kinds/flowcontrol/flowschema.ts'
import { decode } from '../../api/schema/decode.ts'
import { FlowSchemaSpec } from '../../kinds/flowcontrol/flowschemaspec.ts'
import { flowSchemas } from '../bootstrap/flow-control.ts'
import { type Digest, distinguisherOf, inOrder, matches } from './match.ts'

const bootstrap = Object.entries(flowSchemas).map(
  ([name, spec]) =>
    ({ metadata: { name }, spec: decode(FlowSchemaSpec, spec, { defaults: true }), status: {} }) as FlowSchema,
)
const schemas = inOrder(bootstrap)
const authenticated = 'system:authenticated'
const user = (name: string, ...groups: string[]) => ({ name, groups: [...groups, authenticated] })
const on = (verb: string, plural: string, { group = '', namespace = 'default', subresource = '' } = {}) => ({
  verb,
  path: '',
  resource: { group, plural, subresource, namespace, name: '' },
})
const lease = on('update', 'leases', { group: 'coordination.k8s.io', namespace: 'kube-system' })
const account = (namespace: string, name: string) =>
  user(`system:serviceaccount:${namespace}:${name}`, 'system:serviceaccounts')
const anonymous = { name: 'system:anonymous', groups: ['system:unauthenticated'] }

const cases: readonly [string, Digest, string][] = [
  ['an administrator', { user: user('admin', 'system:masters'), ...on('list', 'pods') }, 'exempt'],
  ['a probe', { user: anonymous, verb: 'get', path: '/livez' }, 'probes'],
  ['a part of a probe', { user: anonymous, verb: 'get', path: '/readyz/ping' }, 'probes'],
  ['a path that begins like a probe', { user: anonymous, verb: 'get', path: '/livezz' }, 'global-default'],
  ['a write to a probe', { user: anonymous, verb: 'post', path: '/livez' }, 'global-default'],
  ["the scheduler's lease", { user: user('system:kube-scheduler'), ...lease }, 'system-leader-election'],
  ["the scheduler's pods", { user: user('system:kube-scheduler'), ...on('list', 'pods') }, 'kube-scheduler'],
  ['a lease of an account', { user: account('a', 'b'), ...lease }, 'workload-leader-election'],
  ['a lease of a system account', { user: account('kube-system', 'b'), ...lease }, 'system-leader-election'],
  [
    'an account of a similar namespace',
    { user: account('kube-system2', 'b'), ...on('get', 'pods') },
    'service-accounts',
  ],
  ['a system account', { user: account('kube-system', 'b'), ...on('get', 'pods') }, 'kube-system-service-accounts'],
  [
    'the status of a node',
    { user: user('system:node:a', 'system:nodes'), ...on('patch', 'nodes', { namespace: '', subresource: 'status' }) },
    'system-node-high',
  ],
  ['a pod of a node', { user: user('system:node:a', 'system:nodes'), ...on('get', 'pods') }, 'system-nodes'],
  ['anybody', { user: user('ada'), ...on('get', 'pods') }, 'global-default'],
]

for (const [what, digest, expected] of cases)
  test(`${what} belongs to ${expected}`, () => {
    assert.equal(schemas.find(schema => matches(schema, digest))?.metadata.name, expected)
  })

test('a request that no other schema matches belongs to catch-all', () => {
  const left = schemas.filter(({ metadata }) => metadata.name !== 'global-default')
  const digest = { user: user('ada'), ...on('get', 'pods') }
  assert.equal(left.find(schema => matches(schema, digest))?.metadata.name, 'catch-all')
})

test('flows are users, namespaces, or all requests of a schema', () => {
  const digest = { user: user('ada'), ...on('get', 'pods', { namespace: 'lab' }) }
  const of = (name: string) => schemas.find(({ metadata }) => metadata.name === name)!
  assert.equal(distinguisherOf(of('global-default'), digest), 'ada')
  assert.equal(distinguisherOf(of('kube-scheduler'), digest), 'lab')
  assert.equal(distinguisherOf(of('probes'), digest), '')
})
