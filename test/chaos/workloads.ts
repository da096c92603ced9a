// What people do to a cluster under chaos: they scale and roll StatefulSets and Deployments, evict pods, and create and
// delete Services and namespaces. Everything may fail; the next one is tried all the same.
import type { Random } from '../../src/base/random.ts'
import type { Client } from '../../src/client/index.ts'
import { Deployment } from '../../src/kinds/apps/deployment.ts'
import { StatefulSet } from '../../src/kinds/apps/statefulset.ts'
import { ConfigMap } from '../../src/kinds/core/configmap.ts'
import { Namespace } from '../../src/kinds/core/namespace.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { Service } from '../../src/kinds/core/service.ts'
import { IPAddress } from '../../src/kinds/networking/ipaddress.ts'
import { Eviction } from '../../src/kinds/policy/eviction.ts'
import { PodDisruptionBudget } from '../../src/kinds/policy/poddisruptionbudget.ts'
import type { Change } from '../../src/store/store.ts'
import { below } from './clients.ts'
import { namespace } from './objects.ts'
import type { Claim } from './observed.ts'

const sets = ['db', 'queue']
const deployments = ['web', 'api']
const [maxReplicas, maxServices, maxNamespaces] = [4, 20, 3]

/** By whom pods are kept, and how many there should be. */
export const kept = [
  ...sets.map(name => ({ kind: StatefulSet, name })),
  ...deployments.map(name => ({ kind: Deployment, name })),
]

const podSpec = (image: string) => ({
  terminationGracePeriodSeconds: 5,
  // A node that is lost gives its pods up soon.
  tolerations: ['not-ready', 'unreachable'].map(what => ({
    key: `node.kubernetes.io/${what}`,
    operator: 'Exists' as const,
    effect: 'NoExecute' as const,
    tolerationSeconds: 10,
  })),
  containers: [{ name: 'main', image }],
})

export async function createWorkloads(client: Client): Promise<void> {
  for (const { kind, name } of kept) {
    const labels = { app: name }
    const template = { metadata: { labels }, spec: podSpec('image:0') }
    const spec = { replicas: 2, selector: { matchLabels: labels }, template }
    const metadata = { name, namespace }
    if (kind === StatefulSet) {
      const parallel = name === 'queue' && { podManagementPolicy: 'Parallel' as const }
      await client.create(StatefulSet, { metadata, spec: { ...spec, serviceName: name, ...parallel } })
    } else await client.create(Deployment, { metadata, spec })
    const budget = { maxUnavailable: 1, selector: { matchLabels: labels } }
    await client.create(PodDisruptionBudget, { metadata, spec: budget })
  }
}

/** One thing that somebody does. Throws when it fails. */
export async function disturb(client: Client, random: Random, count: number): Promise<void> {
  const kind = random.float()
  const { kind: kept1, name } = kept[below(random, kept.length)]!
  const ref = { namespace, name }
  if (kind < 0.25) {
    const body = { spec: { replicas: below(random, maxReplicas + 1) } }
    if (kept1 === StatefulSet) await client.patch(StatefulSet, ref, 'merge', body)
    else await client.patch(Deployment, ref, 'merge', body)
  } else if (kind < 0.45) {
    const body = { spec: { template: { spec: { containers: [{ name: 'main', image: `image:${count}` }] } } } }
    if (kept1 === StatefulSet) await client.patch(StatefulSet, ref, 'strategic', body)
    else await client.patch(Deployment, ref, 'strategic', body)
  } else if (kind < 0.55) await evict(client, random)
  else if (kind < 0.65) await disturbNamespace(client, `temp-${below(random, maxNamespaces)}`, count)
  else if (kind < 0.85) await createService(client, random, count)
  else await client.delete(Service, { namespace, name: `s-${below(random, maxServices)}` })
}

async function evict(client: Client, random: Random): Promise<void> {
  const { items } = await client.list(Pod, { namespace })
  const pod = items[below(random, items.length)]
  if (!pod) return
  const ref = { namespace, name: pod.metadata.name! }
  await client.createUnder(Pod, ref, 'eviction', Eviction, { metadata: ref })
}

/** Makes a namespace with something in it, or adds to it, or deletes it. */
async function disturbNamespace(client: Client, name: string, count: number): Promise<void> {
  if (count % 3 === 0) return client.delete(Namespace, { name })
  if (!(await client.find(Namespace, { name }))) await client.create(Namespace, { metadata: { name } })
  await client.create(ConfigMap, { metadata: { name: `c-${count}`, namespace: name } })
  await client.create(Service, { metadata: { name: `s-${count}`, namespace: name }, spec: { ports: [{ port: 80 }] } })
}

const createService = (client: Client, random: Random, count: number) =>
  client.create(Service, {
    metadata: { name: `s-${below(random, maxServices)}`, namespace },
    spec: {
      type: random.float() < 0.6 ? 'NodePort' : 'ClusterIP',
      selector: { app: sets[count % sets.length]! },
      ports: [{ port: 80 }],
      // Some ask for an address that others may have.
      ...(random.float() < 0.2 && { clusterIP: `10.96.0.${20 + below(random, 6)}` }),
    },
  })

/** What Services and Nodes claim, from the log of the store. */
export function claimsOf(changes: readonly Change[]): Claim[] {
  return changes.flatMap(change => {
    const { key, revision } = change
    const isService = key.startsWith('/registry/core/services/')
    if (!isService && !key.startsWith('/registry/core/nodes/')) return []
    if (change.type === 'delete') return [{ revision, owner: key, claims: [] }]
    const { spec } = JSON.parse(Buffer.from(change.value).toString()) as {
      spec: { clusterIPs?: string[]; ports?: { nodePort?: number }[]; podCIDRs?: string[] }
    }
    const addresses = (spec.clusterIPs ?? []).filter(address => address !== 'None')
    const ports = (spec.ports ?? []).flatMap(({ nodePort }) => (nodePort ? [`port ${nodePort}`] : []))
    return [{ revision, owner: key, claims: [...addresses, ...ports, ...(spec.podCIDRs ?? [])] }]
  })
}

/** Where pods have been bound, as `UID NODE`, from the log of the store. */
export function placesOf(changes: readonly Change[]): Set<string> {
  const places = new Set<string>()
  for (const change of changes) {
    if (change.type !== 'put' || !change.key.startsWith('/registry/core/pods/')) continue
    const { metadata, spec } = JSON.parse(Buffer.from(change.value).toString()) as Pod
    if (spec.nodeName) places.add(`${metadata.uid} ${spec.nodeName}`)
  }
  return places
}

/** A namespace is gone when all that was in it is, and nothing is in one that is gone. */
export function* leftBehind(changes: readonly Change[]): Iterable<string> {
  const namespaces = '/registry/core/namespaces/'
  const live = new Set<string>()
  const contents = new Map<string, Set<string>>()
  for (const { type, key, revision } of changes) {
    if (key.startsWith(namespaces)) {
      const name = key.slice(namespaces.length)
      if (type === 'put') live.add(name)
      else {
        live.delete(name)
        for (const left of contents.get(name) ?? []) yield `${left} is left in ${name}, which is gone at ${revision}`
      }
      continue
    }
    const [, , , , name, rest] = key.split('/')
    if (name === undefined || rest === undefined) continue
    const content = contents.get(name) ?? new Set()
    contents.set(name, content)
    if (type === 'delete') content.delete(key)
    else {
      content.add(key)
      if (!live.has(name) && !own.has(name)) yield `${key} is written at ${revision}, and has no namespace`
    }
  }
}

/** Namespaces that a server makes itself, and writes to before they are there. */
const own = new Set(['default', 'kube-system', 'kube-public', 'kube-node-lease'])

/** What operations of several writes have left half done, for a cluster without faults. */
export async function halfDone(client: Client): Promise<string[]> {
  const [services, addresses, namespaces, budgets] = await Promise.all([
    client.list(Service),
    client.list(IPAddress),
    client.list(Namespace),
    client.list(PodDisruptionBudget),
  ])
  const owners = new Map<string, string>()
  for (const { metadata, spec } of services.items)
    for (const ip of spec.clusterIPs ?? []) if (ip !== 'None') owners.set(ip, `${metadata.namespace}/${metadata.name}`)
  const found: string[] = []
  for (const { metadata, spec } of addresses.items) {
    const owner = owners.get(metadata.name!)
    owners.delete(metadata.name!)
    const named = `${spec.parentRef.namespace}/${spec.parentRef.name}`
    if (owner !== named) found.push(`the address ${metadata.name} names ${named}, and is that of ${owner ?? 'none'}`)
  }
  for (const [ip, owner] of owners) found.push(`the address ${ip} of ${owner} has no object`)
  for (const { metadata } of namespaces.items)
    if (metadata.deletionTimestamp) found.push(`the namespace ${metadata.name} is still terminating`)
  for (const { metadata, status } of budgets.items)
    if (Object.keys(status.disruptedPods ?? {}).length) found.push(`the budget ${metadata.name} waits for evictions`)
  return found
}

/** Takes every address that is free. Returns how many Services have one then. */
export async function takeAllAddresses(client: Client): Promise<number> {
  for (let isFull = false; !isFull; )
    try {
      await client.create(Service, { metadata: { generateName: 'all-', namespace }, spec: { ports: [{ port: 80 }] } })
    } catch (error) {
      isFull = /range is full/.test(String(error))
      if (!isFull) throw error
    }
  const { items } = await client.list(Service)
  return new Set(items.flatMap(({ spec }) => spec.clusterIPs ?? []).filter(ip => ip !== 'None')).size
}
