// Writes the statuses of GatewayClasses, Gateways and routes: what is served and where, and why something is not. What is
// decided is in plan.ts; all objects are looked at together, since each listener may be in the way of another.
import type { IPRange } from '../../api/ip-range.ts'
import { sameJson } from '../../api/equal.ts'
import { objectKey } from '../../api/mirror.ts'
import type { AnyKind, Kind, KubeObject } from '../../api/kind.ts'
import { asJson } from '../../api/schema/node.ts'
import { Namespace } from '../../kinds/core/namespace.ts'
import { Node } from '../../kinds/core/node.ts'
import { Secret } from '../../kinds/core/secret.ts'
import { isBalanced, takesPart } from '../../kinds/core/service-balancing.ts'
import { Service } from '../../kinds/core/service.ts'
import { planAttachments } from '../../kinds/gateway/attachment.ts'
import type { AnyRoute } from '../../kinds/gateway/common.ts'
import { Gateway } from '../../kinds/gateway/gateway.ts'
import { GatewayClass, gatewayController } from '../../kinds/gateway/gatewayclass.ts'
import { GRPCRoute } from '../../kinds/gateway/grpcroute.ts'
import { HTTPRoute } from '../../kinds/gateway/httproute.ts'
import { hasNodePorts, portFactsOf, portsTaken } from '../../kinds/gateway/node-ports.ts'
import { ReferenceGrant } from '../../kinds/gateway/referencegrant.ts'
import { TLSRoute } from '../../kinds/gateway/tlsroute.ts'
import { portsOfIngresses } from '../../kinds/networking/ingress-serving.ts'
import { Ingress } from '../../kinds/networking/ingress.ts'
import { IngressClass } from '../../kinds/networking/ingressclass.ts'
import type { Context } from '../context.ts'
import { type Controller, defineKeyedController, type Watch } from '../harness.ts'
import { planClassStatus, planGatewayStatuses, planRouteStatuses, type StatusWorld } from './plan.ts'

/** How Gateways share the nodes with others. */
export interface GatewaySharing {
  /** The ports on which Ingresses are served when there are some. */
  ingressPorts: readonly number[]
  /** The addresses of which each Gateway has some of its own; empty if all have those of the nodes. */
  pool: readonly IPRange[]
}

const routeKinds: readonly Kind<AnyRoute>[] = [HTTPRoute, GRPCRoute, TLSRoute] as readonly Kind<AnyRoute>[]
/** Everything is one key. */
const key = 'all'
const always = (kind: AnyKind): Watch => ({ kind, keys: () => [key] })
const namespaces: Watch = {
  kind: Namespace,
  keys: ({ type, item, before }) =>
    type === 'MODIFIED' && before && sameJson({ ...item.object.metadata.labels }, { ...before.object.metadata.labels })
      ? []
      : [key],
}
/** Services that routes refer to, and those that have addresses or ports of the nodes. */
const services: Watch = {
  kind: Service,
  keys({ type, item, before }, caches) {
    const [now, old] = [
      type === 'DELETED' ? undefined : (item.object as Service),
      before?.object as Service | undefined,
    ]
    const outside = (one: Service | undefined) => one && [portFactsOf(one), addressesOf(one)]
    if (!sameJson(asJson(outside(now) ?? []), asJson(outside(old) ?? []))) return [key]
    const name = objectKey(item.object)
    return routeKinds.some(kind => caches(kind).byIndex('services', servicesOf, name).length) ? [key] : []
  },
}
const secrets: Watch = {
  kind: Secret,
  keys: ({ item }, caches) =>
    caches(Gateway).byIndex('secrets', secretsIn, objectKey(item.object)).length ? [key] : [],
}

const servicesOf = ({ metadata, spec }: AnyRoute): string[] =>
  (spec.rules ?? []).flatMap(({ backendRefs = [] }) =>
    backendRefs.map(({ namespace = metadata.namespace ?? '', name }) => `${namespace}/${name}`),
  )
/** The Secrets that a Gateway names, whether it may have them or not. */
const secretsIn = ({ metadata, spec }: Gateway): string[] =>
  spec.listeners.flatMap(({ tls }) =>
    (tls?.certificateRefs ?? []).map(({ namespace = metadata.namespace ?? '', name }) => `${namespace}/${name}`),
  )

/** A node is written often, and what counts of it changes seldom. */
const nodes: Watch = {
  kind: Node,
  keys({ type, item, before }) {
    const now = type === 'DELETED' ? undefined : placesOf(item.object as Node)
    return now === (before && placesOf(before.object as Node)) ? [] : [key]
  },
}

export const gatewayStatusController = (sharing: GatewaySharing): Controller =>
  defineKeyedController({
    name: 'gateway-status-controller',
    workers: 1,
    watches: [
      ...[GatewayClass, Gateway, ReferenceGrant, ...routeKinds].map(always),
      ...[Ingress, IngressClass].map(always),
      namespaces,
      services,
      secrets,
      nodes,
    ],
    async reconcile(_key, ctx) {
      const world = worldOf(ctx, sharing)
      for (const one of world.classes)
        if (one.spec.controllerName === gatewayController)
          await write(ctx, GatewayClass, one, planClassStatus(one, world))
      const attachments = planAttachments(world)
      for (const { gateway, status } of planGatewayStatuses(attachments, world))
        await write(ctx, Gateway, gateway, status)
      for (const { route, parents } of planRouteStatuses(attachments, world)) {
        const kind = routeKinds.find(one => one.kind === route.kind)
        if (kind) await write(ctx, kind, route, { parents })
      }
    },
  })

function worldOf(ctx: Context, { ingressPorts, pool }: GatewaySharing): StatusWorld {
  const ingressClasses = ctx.cache(IngressClass)
  const nodes = ctx.cache(Node).list()
  const outside = ctx.cache(Service).byIndex('node ports', one => (hasNodePorts(one) ? ['yes'] : []), 'yes')
  const ingresses = ctx.cache(Ingress).list()
  const nowMs = ctx.now()
  return {
    classes: ctx.cache(GatewayClass).list(),
    gateways: ctx.cache(Gateway).list(),
    routes: routeKinds.flatMap(kind => ctx.cache(kind).list()),
    grants: ctx.cache(ReferenceGrant).list(),
    labelsOf: name => ctx.cache(Namespace).get(undefined, name)?.metadata.labels,
    service: one => ctx.cache(Service).byKey(one),
    secret: one => ctx.cache(Secret).byKey(one),
    takenPorts: portsTaken(
      outside,
      portsOfIngresses(ingresses, name => ingressClasses.get(undefined, name), ingressPorts),
    ),
    isApart: pool.length > 0,
    pool,
    nodes: [...new Set(nodes.flatMap(node => addressOf(node) ?? []))].sort(),
    nodeAddresses: new Set(nodes.flatMap(({ status }) => (status.addresses ?? []).map(({ address }) => address))),
    balanced: new Set(outside.filter(isBalanced).flatMap(addressesOf)),
    nowMs,
    now: `${new Date(nowMs).toISOString().slice(0, 19)}Z`,
  }
}

const placesOf = (node: Node) => JSON.stringify([addressOf(node), node.status.addresses])

/** The address at which a node serves, from outside first; undefined if it takes no part. */
function addressOf(node: Node): string | undefined {
  if (!takesPart(node)) return undefined
  const of = (type: string) => node.status.addresses?.find(one => one.type === type)?.address
  return of('ExternalIP') ?? of('InternalIP')
}

/** The addresses of a Service of type LoadBalancer. */
const addressesOf = ({ status }: Service): string[] => (status.loadBalancer.ingress ?? []).flatMap(({ ip }) => ip || [])

type Stated = KubeObject & { readonly status: object }

/** Writes a status if it differs. A conflict backs the key off until the mirror has the newer object. */
async function write(
  ctx: Context,
  kind: AnyKind,
  object: KubeObject & { readonly status?: object },
  status: object,
): Promise<void> {
  if (sameJson(asJson(object.status ?? {}), asJson(status))) return
  await ctx.client.updateStatus(kind as Kind<Stated>, object as Stated, status)
}
