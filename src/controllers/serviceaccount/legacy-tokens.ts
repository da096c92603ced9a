// Cleans up token Secrets of the kind that old releases of Kubernetes created for every service account. One that was
// not used for a year is marked as invalid, and deleted a year later.
// Source: pkg/controller/serviceaccount/legacy_serviceaccount_token_cleaner.go.
//
//   last used ──(a year)──► label invalid-since ──(a year)──► deleted
import { ConfigMap } from '../../kinds/core/configmap.ts'
import { dayText, invalidSinceLabel, lastUsedLabel, trackingMap } from '../../kinds/core/legacy-token.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { Secret } from '../../kinds/core/secret.ts'
import { ServiceAccount } from '../../kinds/core/serviceaccount.ts'
import { defineController } from '../harness.ts'
import { isTokenSecret } from './tokens.ts'

const dayMs = 24 * 3600_000
const keepMs = 365 * dayMs

export const legacyTokenCleaner = defineController({
  name: 'legacy-service-account-token-cleaner',
  reconciles: Secret,
  when: isTokenSecret,
  reads: [ServiceAccount, Pod, ConfigMap],
  async reconcile(secret, ctx) {
    if (!isTokenSecret(secret) || secret.metadata.deletionTimestamp) return
    const { namespace = '', name = '' } = secret.metadata
    const account = ctx
      .cache(ServiceAccount)
      .get(namespace, secret.metadata.annotations?.['kubernetes.io/service-account.name'] ?? '')
    // An account lists only the Secrets that were created with it. Those that users created stay.
    if (!account?.secrets?.some(ref => ref.name === name)) return
    const used = ctx
      .cache(Pod)
      .list(namespace)
      .some(pod => pod.spec.volumes?.some(volume => volume.secret?.secretName === name))
    const since = ctx.cache(ConfigMap).get('kube-system', trackingMap)?.data?.since
    const plan = planToken(secret, { used, trackedSince: dayOf(since), now: ctx.now() })
    switch (plan.do) {
      case 'wait':
        return { again: plan.ms }
      case 'invalidate': {
        const labels = { [invalidSinceLabel]: dayText(ctx.now()) }
        await ctx.patch(Secret, secret, 'merge', { metadata: { labels } })
        return
      }
      case 'delete':
        await ctx.delete(Secret, secret, { resourceVersion: secret.metadata.resourceVersion ?? '' })
    }
  },
})

type TokenPlan = { do: 'wait'; ms: number } | { do: 'invalidate' } | { do: 'delete' }

/** The next step for one token. A day is given as its start, in ms since the epoch. */
export function planToken(
  secret: Secret,
  { used, trackedSince, now }: { used: boolean; trackedSince: number | undefined; now: number },
): TokenPlan {
  const { labels = {}, creationTimestamp = '' } = secret.metadata
  if (used || trackedSince === undefined) return { do: 'wait', ms: dayMs }
  const lastUsed = Math.max(dayOf(labels[lastUsedLabel]) ?? 0, trackedSince, Date.parse(creationTimestamp) || 0)
  if (lastUsed + keepMs > now) return { do: 'wait', ms: Math.min(lastUsed + keepMs - now, dayMs) }
  const invalid = dayOf(labels[invalidSinceLabel])
  if (invalid === undefined) return { do: 'invalidate' }
  return invalid + keepMs > now ? { do: 'wait', ms: Math.min(invalid + keepMs - now, dayMs) } : { do: 'delete' }
}

/** The start of a day such as 2026-01-31, in ms since the epoch. Undefined for any other text. */
function dayOf(text: string | undefined): number | undefined {
  const ms = /^\d{4}-\d\d-\d\d$/.test(text ?? '') ? Date.parse(`${text}T00:00:00Z`) : Number.NaN
  return Number.isNaN(ms) ? undefined : ms
}
