// Where Ingresses are reached: writes the addresses of the nodes, all of which serve them, into the statuses of those with
// the cluster's own class, and takes them out of the status again when the class is another.
import { sameJson } from '../api/equal.ts'
import type { MirrorChange } from '../api/mirror.ts'
import { Node } from '../kinds/core/node.ts'
import { takesPart } from '../kinds/core/service-balancing.ts'
import { isServed } from '../kinds/networking/ingress-serving.ts'
import { Ingress } from '../kinds/networking/ingress.ts'
import { IngressClass } from '../kinds/networking/ingressclass.ts'
import type { Caches } from './context.ts'
import { defineController, keyOf, type Watch } from './harness.ts'

/** The most addresses of a status; those of further nodes work, too. */
const maxAddresses = 50

const allIngresses = (caches: Caches) =>
  caches(Ingress)
    .list()
    .map(({ metadata }) => keyOf(metadata.namespace ?? '', metadata.name ?? ''))

/** A node is written often, and what counts of it changes seldom. */
const nodes: Watch = {
  kind: Node,
  keys({ type, item, before }: MirrorChange, caches) {
    const now = type === 'DELETED' ? undefined : addressOf(item.object as Node)
    return now === (before && addressOf(before.object as Node)) ? [] : allIngresses(caches)
  },
}

const classes: Watch = { kind: IngressClass, keys: (_change, caches) => allIngresses(caches) }

export const ingressStatusController = defineController({
  name: 'ingress-status-controller',
  reconciles: Ingress,
  watches: [nodes, classes],
  async reconcile(ingress, ctx) {
    if (ingress.metadata.deletionTimestamp) return
    const all = ctx.cache(IngressClass)
    const isOurs = isServed(ingress, name => all.get(undefined, name))
    const status = planIngressStatus(ingress, isOurs, ctx.cache(Node).list())
    if (status) await ctx.writeStatus(Ingress, ingress, status)
  },
})

/**
 * The status that an Ingress should have; undefined if it has it. The status of one that is not ours is another
 * controller's, unless there are addresses of nodes in it, which only this one writes.
 */
export function planIngressStatus(
  { status }: Ingress,
  isOurs: boolean,
  nodes: readonly Node[],
): { loadBalancer: { ingress: { ip: string }[] } } | undefined {
  const present = (status.loadBalancer.ingress ?? []).map(({ ip, hostname }) => ip || hostname || '')
  const isFromHere =
    present.length > 0 && present.every(address => nodes.some(node => addressesOf(node).includes(address)))
  if (!isOurs && !isFromHere) return undefined
  const ready = nodes.flatMap(node => addressOf(node) ?? [])
  const wanted = isOurs ? [...new Set(ready)].sort().slice(0, maxAddresses) : []
  return sameJson(present, wanted) ? undefined : { loadBalancer: { ingress: wanted.map(ip => ({ ip })) } }
}

/** The address at which a node serves; undefined if it takes no part. */
const addressOf = (node: Node): string | undefined => (takesPart(node) ? addressesOf(node)[0] : undefined)

/** From outside first. */
const addressesOf = ({ status }: Node): string[] =>
  ['ExternalIP', 'InternalIP'].flatMap(type =>
    (status.addresses ?? []).flatMap(one => (one.type === type ? one.address : [])),
  )
