// The ServiceCIDR controller: gives every range a finalizer and then reports it Ready. A range in deletion stays as
// long as an address of a Service is in no other range. Source: pkg/controller/servicecidrs.
import { type Cidr, cidrContains, parseCidr } from '../api/ip.ts'
import type { Draft } from '../api/schema/node.ts'
import { parseTime, timeText } from '../api/time.ts'
import { IPAddress, managedByLabel, serviceAllocator } from '../kinds/networking/ipaddress.ts'
import { ServiceCIDR, type ServiceCIDRStatus } from '../kinds/networking/servicecidr.ts'
import { defineController, watch } from './harness.ts'

const finalizer = 'networking.k8s.io/service-cidr-finalizer'
/** For this long an API server may not have received the deletion yet and still allocate from the range. */
const graceMs = 10_000

export const serviceCidrController = defineController({
  name: 'service-cidr-controller',
  identity: 'service-cidrs-controller',
  reconciles: ServiceCIDR,
  watches: [
    // Every change of an address or a range may hold or release any range in deletion.
    watch(IPAddress, (_address, caches) => leaving(caches(ServiceCIDR).list())),
    watch(ServiceCIDR, (_range, caches) => leaving(caches(ServiceCIDR).list())),
  ],
  async reconcile(range, ctx) {
    const addresses = ctx
      .cache(IPAddress)
      .list()
      .filter(a => a.metadata.labels?.[managedByLabel] === serviceAllocator)
      .map(a => a.metadata.name ?? '')
    const plan = planRange(range, ctx.cache(ServiceCIDR).list(), addresses, ctx.now())
    switch (plan.do) {
      case 'nothing':
        return
      case 'wait':
        return { again: plan.ms }
      case 'finalizers': {
        const { finalizers: _, ...metadata } = range.metadata
        await ctx.update(ServiceCIDR, {
          ...range,
          metadata: { ...metadata, finalizers: plan.finalizers },
        } as Draft<ServiceCIDR>)
        return
      }
      case 'status':
        await ctx.writeStatus(ServiceCIDR, range, plan.status)
    }
  },
})

const leaving = (ranges: readonly ServiceCIDR[]) =>
  ranges.filter(range => range.metadata.deletionTimestamp).map(range => range.metadata.name ?? '')

type RangePlan =
  | { do: 'nothing' }
  | { do: 'wait'; ms: number }
  | { do: 'finalizers'; finalizers: string[] }
  | { do: 'status'; status: Draft<ServiceCIDRStatus> }

/** The next step of one range. `addresses` are the addresses of Services. */
export function planRange(
  range: ServiceCIDR,
  all: readonly ServiceCIDR[],
  addresses: readonly string[],
  now: number,
): RangePlan {
  const { deletionTimestamp, finalizers = [] } = range.metadata
  const mine = finalizers.includes(finalizer)
  if (!deletionTimestamp) {
    if (!mine) return { do: 'finalizers', finalizers: [...finalizers, finalizer] }
    return condition(range, 'True', '', 'Kubernetes Service CIDR is ready', now)
  }
  if (!mine) return { do: 'nothing' }
  if (isNeeded(range, all, addresses)) {
    const message =
      'There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR'
    return condition(range, 'False', 'Terminating', message, now)
  }
  const left = parseTime(deletionTimestamp)! + graceMs - now
  if (left > 0) return { do: 'wait', ms: left }
  return { do: 'finalizers', finalizers: finalizers.filter(f => f !== finalizer) }
}

function condition(
  range: ServiceCIDR,
  status: 'True' | 'False',
  reason: string,
  message: string,
  now: number,
): RangePlan {
  const conditions = range.status.conditions ?? []
  const before = conditions.find(c => c.type === 'Ready')
  if (before?.status === status && before.message === message) return { do: 'nothing' }
  const lastTransitionTime = before?.status === status ? before.lastTransitionTime : timeText(now)
  const ready = { type: 'Ready', status, reason, message, lastTransitionTime: lastTransitionTime ?? timeText(now) }
  return { do: 'status', status: { conditions: [...conditions.filter(c => c.type !== 'Ready'), ready] } }
}

const cidrsOf = (range: ServiceCIDR): Cidr[] => (range.spec.cidrs ?? []).flatMap(text => parseCidr(text) ?? [])

function isNeeded(range: ServiceCIDR, all: readonly ServiceCIDR[], addresses: readonly string[]): boolean {
  const others = all.filter(other => other !== range && other.metadata.name !== range.metadata.name).flatMap(cidrsOf)
  return cidrsOf(range).some(
    cidr =>
      !others.some(other => includes(other, cidr)) &&
      addresses.some(ip => cidrContains(cidr, ip) && !others.some(other => cidrContains(other, ip))),
  )
}

const includes = (outer: Cidr, inner: Cidr) =>
  outer.family === inner.family && inner.base >= outer.base && inner.base + inner.size <= outer.base + outer.size
