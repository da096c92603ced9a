// Writes the statuses of GatewayClasses, Gateways and routes: what is served and where, and why something is not. What is
// decided is in plan.ts; all objects are looked at together, since each listener may be in the way of another.
import { sameJson } from '../../api/equal.ts'
import type { AnyKind, Kind, KubeObject } from '../../api/kind.ts'
import { asJson } from '../../api/schema/node.ts'
import { Namespace } from '../../kinds/core/namespace.ts'
import { Node } from '../../kinds/core/node.ts'
import { Secret } from '../../kinds/core/secret.ts'
import { takesPart } from '../../kinds/core/service-balancing.ts'
import { Service } from '../../kinds/core/service.ts'
import { planAttachments } from '../../kinds/gateway/attachment.ts'
import type { AnyRoute } from '../../kinds/gateway/common.ts'
import { Gateway } from '../../kinds/gateway/gateway.ts'
import { GatewayClass, gatewayController } from '../../kinds/gateway/gatewayclass.ts'
import { GRPCRoute } from '../../kinds/gateway/grpcroute.ts'
import { HTTPRoute } from '../../kinds/gateway/httproute.ts'
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
}

const routeKinds: readonly Kind<AnyRoute>[] = [HTTPRoute, GRPCRoute, TLSRoute] as readonly Kind<AnyRoute>[]
/** Everything is one key. */
const key = 'all'
const always = (kind: AnyKind): Watch => ({ kind, keys: () => [key] })
/** A node is written often, and what counts of it changes seldom. */
const nodes: Watch = {
  kind: Node,
  keys({ type, item, before }) {
    const now = type === 'DELETED' ? undefined : addressOf(item.object as Node)
    return now === (before && addressOf(before.object as Node)) ? [] : [key]
  },
}

export const gatewayStatusController = ({ ingressPorts }: GatewaySharing): Controller =>
  defineKeyedController({
    name: 'gateway-status-controller',
    workers: 1,
    watches: [
      ...[GatewayClass, Gateway, ReferenceGrant, ...routeKinds].map(always),
      ...[Namespace, Service, Secret, Ingress, IngressClass].map(always),
      nodes,
    ],
    async reconcile(_key, ctx) {
      const world = worldOf(ctx, ingressPorts)
      for (const one of world.classes)
        if (one.spec.controllerName === gatewayController)
          await write(ctx, GatewayClass, one, planClassStatus(one, world.now))
      const attachments = planAttachments(world)
      for (const { gateway, status } of planGatewayStatuses(attachments, world))
        await write(ctx, Gateway, gateway, status)
      for (const { route, parents } of planRouteStatuses(attachments, world)) {
        const kind = routeKinds.find(one => one.kind === route.kind)
        if (kind) await write(ctx, kind, route, { parents })
      }
    },
  })

function worldOf(ctx: Context, ingressPorts: readonly number[]): StatusWorld {
  const ingressClasses = ctx.cache(IngressClass)
  const addresses = ctx
    .cache(Node)
    .list()
    .flatMap(node => addressOf(node) ?? [])
  const nowMs = ctx.now()
  return {
    classes: ctx.cache(GatewayClass).list(),
    gateways: ctx.cache(Gateway).list(),
    routes: routeKinds.flatMap(kind => ctx.cache(kind).list()),
    grants: ctx.cache(ReferenceGrant).list(),
    labelsOf: name => ctx.cache(Namespace).get(undefined, name)?.metadata.labels,
    service: one => ctx.cache(Service).byKey(one),
    secret: one => ctx.cache(Secret).byKey(one),
    takenPorts: new Set(
      portsOfIngresses(ctx.cache(Ingress).list(), name => ingressClasses.get(undefined, name), ingressPorts),
    ),
    addresses: [...new Set(addresses)].sort(),
    nowMs,
    now: `${new Date(nowMs).toISOString().slice(0, 19)}Z`,
  }
}

/** The address at which a node serves, from outside first; undefined if it takes no part. */
function addressOf(node: Node): string | undefined {
  if (!takesPart(node)) return undefined
  const of = (type: string) => node.status.addresses?.find(one => one.type === type)?.address
  return of('ExternalIP') ?? of('InternalIP')
}

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
