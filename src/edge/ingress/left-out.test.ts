// One certificate or Ingress that HAProxy does not take costs only itself, until it changes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LeftOut } from './left-out.ts'
import type { IngressPlan } from './plan.ts'
import { planIngress } from './plan.ts'
import { ingressOf, worldOf } from './testing.ts'

const world = worldOf({ web: ['10.0.0.1:80'] })
const names = ['a', 'b', 'c', 'd', 'e']
const look = (name: string, path = '/') => ({
  name,
  rules: [{ host: `${name}.test`, paths: [`Prefix ${path} web`] }],
  tls: [{ hosts: [`${name}.test`], secretName: `cert-${name}` }],
})
const ingresses = names.map(name => ingressOf(look(name)))
const certificates = new Map(
  names.map(name => [`default_cert-${name}.pem`, { pem: `pem of ${name}`, hosts: [`${name}.test`] }]),
)
const planOf = (some: readonly ReturnType<typeof ingressOf>[]): IngressPlan => ({
  ...planIngress(some, world),
  certificates,
})

/** HAProxy as it refuses some hosts and some certificates. */
const refusing =
  (hosts: readonly string[], files: readonly string[] = []) =>
  async (plan: IngressPlan) =>
    !plan.maps.hosts.some(line => hosts.some(host => line.startsWith(host))) &&
    ![...plan.certificates.keys()].some(file => files.includes(file))

test('an Ingress at fault is left out and reported, and tried again when it changes', async () => {
  const left = new LeftOut()
  await left.find(ingresses, planOf, refusing(['b.test', 'd.test']), 'no good')
  assert.deepEqual(
    left.rest(ingresses).map(({ metadata }) => metadata.name),
    ['a', 'c', 'e'],
  )
  assert.deepEqual(
    [...left.problems(ingresses)].map(([key, [problem]]) => `${key} ${problem?.reason}`),
    ['default/b Rejected', 'default/d Rejected'],
  )
  const changed = ingresses.with(1, ingressOf(look('b', '/other')))
  assert.deepEqual(
    left.rest(changed).map(({ metadata }) => metadata.name),
    ['a', 'b', 'c', 'e'],
  )
  left.clear()
  assert.equal(left.rest(ingresses).length, names.length)
})

test('a certificate at fault is left out, and its Ingress is served', async () => {
  const left = new LeftOut()
  await left.find(ingresses, planOf, refusing([], ['default_cert-c.pem']), 'no good')
  assert.equal(left.rest(ingresses).length, names.length)
  assert.equal(left.without(planOf(ingresses)).certificates.has('default_cert-c.pem'), false)
  assert.equal(left.without(planOf(ingresses)).certificates.size, names.length - 1)
  assert.deepEqual([...left.problems(ingresses).keys()], ['default/c'])
})

test('what no Ingress is at fault for is a failure', async () => {
  await assert.rejects(
    new LeftOut().find(ingresses, planOf, async () => false, 'out of memory'),
    /out of memory/,
  )
})
