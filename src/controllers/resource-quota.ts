// The ResourceQuota controller: computes what a namespace uses when a quota changes, when an object that counted is
// gone or uses less, and every five minutes. Increases are counted by admission. Source: pkg/controller/resourcequota.
import { sameJson } from '../api/equal.ts'
import type { AnyKind, Kind, KubeObject } from '../api/kind.ts'
import { fromKinds, type KindSource, storedKinds } from '../api/kind-source.ts'
import type { MirrorChange } from '../api/mirror.ts'
import { compareQuantities } from '../api/quantity.ts'
import { isCountable, totalUsage, usageOf } from '../kinds/core/quota-usage.ts'
import { ResourceQuota } from '../kinds/core/resourcequota.ts'
import type { Caches } from './context.ts'
import { type Controller, defineKeyedController, keyOf, splitKey, type Watch, watch } from './harness.ts'

const resyncMs = 5 * 60_000

/** @param kinds the kinds that the cluster serves */
export function resourceQuotaController(kinds: KindSource): Controller {
  const countedKinds = fromKinds(kinds, all => storedKinds(all).filter(isCountable))
  return defineKeyedController({
    name: 'resourcequota-controller',
    watches: [
      watch(
        ResourceQuota,
        quota => [keyOf(quota.metadata.namespace ?? '', quota.metadata.name ?? '')],
        (quota, before) => !before || !sameJson(quota.spec, before.spec),
      ),
    ],
    everyKind: kind => (isCountable(kind) && kind !== ResourceQuota ? whatGoes(kind) : undefined),
    async reconcile(key, ctx) {
      const { namespace, name } = splitKey(key)
      const quota = ctx.cache(ResourceQuota).get(namespace, name)
      if (!quota || quota.metadata.deletionTimestamp) return
      const hard = { ...quota.spec.hard }
      const limited = new Set(Object.keys(hard))
      const objects = function* () {
        for (const kind of countedKinds())
          for (const item of ctx.cache(kind as Kind<KubeObject>).items(namespace)) yield [kind, item.object] as const
      }
      const used = limited.size ? totalUsage(quota.spec, objects(), ctx.now()) : {}
      await ctx.writeStatus(ResourceQuota, quota, { hard, used })
      return { again: resyncMs }
    },
  })
}

/** Wakes the quotas of a namespace when an object in it is gone or uses less. */
const whatGoes = (kind: AnyKind): Watch => ({
  kind,
  *keys(change: MirrorChange, caches: Caches) {
    if (change.type === 'ADDED') return
    const { namespace = '' } = change.item.object.metadata
    for (const { object } of caches(ResourceQuota).items(namespace))
      if (change.type === 'DELETED' || usesLess(kind, change)) yield keyOf(namespace, object.metadata.name ?? '')
  },
})

function usesLess(kind: AnyKind, { item, before }: MirrorChange): boolean {
  if (!before) return false
  const [now, then] = [usageOf(kind, item.object, 0), usageOf(kind, before.object, 0)]
  return Object.entries(then).some(([name, value]) => compareQuantities(now[name] ?? '0', value) < 0)
}
