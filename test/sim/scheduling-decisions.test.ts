// Decisions are those of Kubernetes: small clusters and pods with the expected results, which were derived by hand from
// the documented rules. Each file of test/fixtures/scheduling has a comment about its subject.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { type Labels, matchesPairs } from '../../src/api/labels.ts'
import { Item, Mirror } from '../../src/api/mirror.ts'
import { apiVersion, kind, readConfig } from '../../src/scheduler/config.ts'
import { PodInfo } from '../../src/scheduler/info.ts'
import { openOffline } from '../../src/scheduler/offline.ts'
import type { Node } from '../../src/kinds/core/node.ts'
import type { Pod } from '../../src/kinds/core/pod.ts'

interface PodCase {
  name?: string
  namespace?: string
  on?: string
  labels?: Record<string, string>
  requests?: Record<string, string>
  ports?: object[]
  image?: string
  priority?: number
  deleting?: boolean
  status?: object
  /** All other fields belong to the spec of the pod. */
  [field: string]: unknown
}

interface Case {
  name: string
  config?: object[]
  namespaces?: Record<string, Labels>
  /** The selector of the services to which the pod belongs. */
  own?: Record<string, string>
  budgets?: { name: string; selector: object; allowed: number }[]
  nodes: ({ name: string; labels?: object; taints?: object[]; unschedulable?: boolean } & Record<string, object>)[]
  pods?: PodCase[]
  nominated?: PodCase[]
  pod: PodCase
  feasible?: string[]
  refused?: Record<string, string | string[]>
  message?: string
  scores?: Record<string, Record<string, number>>
  /** Plugins that do not take part in the decision. */
  absent?: string[]
  winners?: string[]
  evicted?: string[]
  for?: string
}

const directory = join(import.meta.dirname, '../fixtures/scheduling')
let cases = 0
for (const file of readdirSync(directory).sort()) {
  for (const given of parse(readFileSync(join(directory, file), 'utf8')) as Case[]) {
    cases++
    test(`${file}: ${given.name}`, () => check(given))
  }
}
test('there are enough cases', () => assert.ok(cases >= 100, `${cases} cases`))

function nodeOf({ name, labels, taints, unschedulable, allocatable, images }: Case['nodes'][number]): Node {
  const usual = { cpu: '1', memory: '2000Mi', pods: '110' }
  return {
    metadata: { name, labels: { 'kubernetes.io/hostname': name, ...labels } },
    spec: { ...(taints && { taints }), ...(unschedulable && { unschedulable }) },
    status: { allocatable: allocatable ?? usual, ...(images && { images }) },
  } as unknown as Node
}

let sequence = 0
function podOf(given: PodCase): PodInfo {
  const { name = `pod-${sequence++}`, namespace = 'ns', on, labels = {}, requests, ports, image = 'img:0' } = given
  const { priority = 0, deleting, status = {}, ...spec } = given
  for (const key of ['name', 'namespace', 'on', 'labels', 'requests', 'ports', 'image']) delete spec[key]
  const deletion = deleting ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}
  const container = { name: 'c', image, resources: { requests }, ...(ports && { ports }) }
  return new PodInfo({
    metadata: { name, namespace, uid: name, labels, ...deletion },
    spec: { containers: [container], priority, ...(on && { nodeName: on }), ...spec },
    status,
  } as unknown as Pod)
}

function budgetMirror(budgets: NonNullable<Case['budgets']>): Mirror {
  const mirror = new Mirror()
  const objects = budgets.map(({ name, selector, allowed }) => ({
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name, namespace: 'ns' },
    spec: { selector },
    status: { disruptionsAllowed: allowed },
  }))
  mirror.reset(
    objects.map(object => new Item(object, 1)),
    1,
  )
  return mirror
}

function check(given: Case): void {
  const { own, budgets = [], namespaces } = given
  const profiles = [{ pluginConfig: given.config ?? [] }]
  const offline = openOffline({
    config: readConfig({ apiVersion, kind, profiles }, given.name, []),
    ...(namespaces && { namespaces }),
    ownSelector: () => own && { key: JSON.stringify(own), matches: labels => matchesPairs(own, labels) },
    mirror: ({ kind: name }) => (name === 'PodDisruptionBudget' ? budgetMirror(budgets) : undefined),
  })
  const { snapshot, nominations } = offline
  for (const node of given.nodes) snapshot.setNode(nodeOf(node))
  for (const pod of given.pods ?? []) snapshot.setPod(podOf(pod), pod.on!)
  for (const pod of given.nominated ?? []) nominations.set(podOf({ ...pod, on: '' }), pod.on!)
  const pod = podOf(given.pod)
  const { outcome, refusals, others, scored } = offline.decide(pod)
  const feasible = outcome.type === 'node' ? outcome.feasible : []
  const names = feasible.map(({ name }) => name)
  if (given.feasible) assert.deepEqual([...names].sort(), [...given.feasible].sort(), 'feasible nodes')
  if (given.refused) {
    const reasons = Object.fromEntries(refusals.map(({ node, no }) => [node.name, no.no]))
    assert.deepEqual(reasons, given.refused, 'refused nodes')
    if (!given.feasible && !others) assert.equal(names.length, given.nodes.length - refusals.length)
  }
  const found = Object.fromEntries(
    scored.map(({ plugin, scores }) => [plugin, Object.fromEntries(names.map((name, i) => [name, scores[i]]))]),
  )
  for (const [plugin, scores] of Object.entries(given.scores ?? {})) assert.deepEqual(found[plugin], scores, plugin)
  for (const plugin of given.absent ?? []) assert.equal(found[plugin], undefined, plugin)
  if (given.winners && outcome.type === 'node') {
    const top = Math.max(...outcome.scores!)
    assert.deepEqual(names.filter((_, i) => outcome.scores![i] === top).sort(), [...given.winners].sort(), 'winners')
    assert.ok(given.winners.includes(outcome.node.name))
  }
  if (given.message === undefined && given.evicted === undefined) return
  const { message, made } = offline.makeRoom(pod)
  if (given.message !== undefined) assert.equal(message, given.message)
  const eviction = typeof made.nomination === 'object' ? made.nomination : undefined
  if (given.evicted) assert.deepEqual(eviction?.victims.map(v => v.pod.metadata.name).sort() ?? [], given.evicted)
  assert.equal(eviction?.node.name, given.for)
}
