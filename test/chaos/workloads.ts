// What people do to a cluster under chaos: they scale and roll StatefulSets and Deployments, and create and delete
// Services. Everything may fail; the next one is tried all the same.
import type { Random } from '../../src/base/random.ts'
import type { Client } from '../../src/client/index.ts'
import { Deployment } from '../../src/kinds/apps/deployment.ts'
import { StatefulSet } from '../../src/kinds/apps/statefulset.ts'
import { Service } from '../../src/kinds/core/service.ts'
import type { Change } from '../../src/store/store.ts'
import { below } from './clients.ts'
import { namespace } from './objects.ts'
import type { Claim } from './observed.ts'

const sets = ['db', 'queue']
const deployments = ['web', 'api']
const [maxReplicas, maxServices] = [4, 20]

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
  } else if (kind < 0.8) await createService(client, random, count)
  else await client.delete(Service, { namespace, name: `s-${below(random, maxServices)}` })
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
