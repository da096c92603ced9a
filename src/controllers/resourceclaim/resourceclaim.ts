// The ResourceClaim controller. For pods it makes claims from templates, and reserves claims for those that got their
// node by other ways than the scheduler. For claims it removes the reservations of pods that are gone, gives devices
// back that nobody uses, and deletes claims of pods that have ended.
//
// Its keys are of two sorts, `pod:namespace/name` and `claim:namespace/name`.
// Source: pkg/controller/resourceclaim/controller.go.
import { isReason, messageOf } from '../../base/errors.ts'
import { counter } from '../../base/metrics.ts'
import type { Draft } from '../../api/schema/node.ts'
import { Pod } from '../../kinds/core/pod.ts'
import {
  canBeReserved,
  claimFinalizer,
  claimNameOf,
  claimNamesOf,
  isMadeFor,
  isReservedFor,
  podClaimAnnotation,
  type PodClaim,
  podOfClaim,
} from '../../kinds/resource/claim-use.ts'
import { ResourceClaim } from '../../kinds/resource/resourceclaim.ts'
import { ResourceClaimTemplate } from '../../kinds/resource/resourceclaimtemplate.ts'
import type { Context } from '../context.ts'
import { type Controller, defineKeyedController, type Reference, splitKey, watch } from '../harness.ts'
import { isDone, isGone, planClaim } from './plan.ts'

const creates = counter(
  'resourceclaim_controller_creates_total',
  'Number of ResourceClaims made from templates, by status (success or failure) and whether they ask for admin access.',
)

const podKey = (namespace = '', name = '') => `pod:${namespace}/${name}`
const claimKey = (namespace = '', name = '') => `claim:${namespace}/${name}`
const keyOfPod = ({ metadata }: Pod) => podKey(metadata.namespace, metadata.name)

/** The claims that a pod has, or names and does not have yet. */
const claimsIndex = (pod: Pod) => claimNamesOf(pod).map(name => `${pod.metadata.namespace}/${name}`)
/** The templates of a pod's claims. */
const templatesIndex = ({ metadata, spec }: Pod) =>
  (spec.resourceClaims ?? []).flatMap(({ resourceClaimTemplateName: name }) =>
    name ? [`${metadata.namespace}/${name}`] : [],
  )

export const resourceClaimController: Controller = defineKeyedController({
  name: 'resource-claim-controller',
  workers: 10,
  watches: [
    {
      kind: Pod,
      *keys({ type, item, before }) {
        for (const object of [item.object, before?.object]) {
          const pod = object as Pod | undefined
          if (!pod || !(pod.spec.resourceClaims?.length || pod.status.extendedResourceClaimStatus)) continue
          if (type !== 'DELETED') yield keyOfPod(pod)
          if (type !== 'DELETED' && !isDone(pod)) continue
          for (const name of claimNamesOf(pod)) yield claimKey(pod.metadata.namespace, name)
        }
      },
    },
    watch(ResourceClaim, function* ({ metadata: { namespace, name } }, caches) {
      yield claimKey(namespace, name)
      for (const pod of caches(Pod).byIndex('device claims', claimsIndex, `${namespace}/${name}`)) yield keyOfPod(pod)
    }),
    // Kubernetes waits for the next failure to end; a template that appears is reason enough.
    watch(ResourceClaimTemplate, ({ metadata: { namespace, name } }, caches) =>
      caches(Pod).byIndex('claim templates', templatesIndex, `${namespace}/${name}`).map(keyOfPod),
    ),
  ],
  async reconcile(key, ctx) {
    const colon = key.indexOf(':')
    const ref = splitKey(key.slice(colon + 1))
    if (key.startsWith('pod:')) await reconcilePod(ref, ctx)
    else await reconcileClaim(ref, ctx)
  },
})

async function reconcilePod({ namespace, name }: Reference, ctx: Context): Promise<void> {
  const pod = ctx.cache(Pod).get(namespace, name)
  if (!pod || pod.metadata.deletionTimestamp || isDone(pod)) return
  const made = new Map<string, string>()
  for (const entry of pod.spec.resourceClaims ?? []) {
    try {
      const claim = await ensureClaim(pod, entry, ctx)
      if (claim) made.set(entry.name, claim)
    } catch (error) {
      ctx.event(pod, 'Warning', 'FailedResourceClaimCreation', `PodResourceClaim ${entry.name}: ${messageOf(error)}`)
      throw error
    }
  }
  if (made.size) await writeNames(pod, made, ctx)
  if (pod.spec.nodeName) await reserve(pod, ctx)
}

/** The name of the claim that a pod has got, if it is not in the pod's status yet. */
async function ensureClaim(pod: Pod, entry: PodClaim, ctx: Context): Promise<string | undefined> {
  const { namespace = '' } = pod.metadata
  const template = entry.resourceClaimTemplateName
  if (!template) return undefined
  const known = claimNameOf(pod, entry)
  if (known === 'none') return undefined
  const recorded = known && ctx.cache(ResourceClaim).get(namespace, known.name)
  if (recorded && isMadeFor(recorded, pod)) return undefined
  const found = ctx
    .cache(ResourceClaim)
    .ownedBy(pod)
    .find(claim => isMadeFor(claim, pod) && claim.metadata.annotations?.[podClaimAnnotation] === entry.name)
  if (found) return found.metadata.name
  const source = ctx.cache(ResourceClaimTemplate).get(namespace, template)
  if (!source) {
    const missing = `resourceclaimtemplate.resource.k8s.io ${JSON.stringify(template)} not found`
    throw new Error(`resource claim template ${JSON.stringify(template)}: ${missing}`)
  }
  return createClaim(pod, entry, source, ctx)
}

async function createClaim(pod: Pod, entry: PodClaim, { spec }: ResourceClaimTemplate, ctx: Context): Promise<string> {
  const { labels, annotations } = spec.metadata
  const asksForAdmin = spec.spec.devices.requests?.some(({ exactly }) => exactly?.adminAccess) ?? false
  const count = (status: string) => creates.add({ status, admin_access: String(asksForAdmin) })
  const draft = {
    metadata: {
      generateName: generateName(pod.metadata.name ?? '', entry.name),
      annotations: { ...annotations, [podClaimAnnotation]: entry.name },
      ...(labels && { labels }),
    },
    spec: spec.spec,
  }
  try {
    const claim = await ctx.create(ResourceClaim, draft as Draft<ResourceClaim>, { owner: pod })
    count('success')
    return claim.metadata.name ?? ''
  } catch (error) {
    count('failure')
    throw new Error(`create ResourceClaim : ${messageOf(error)}`, { cause: error })
  }
}

const maxBase = 57

/** Both names, each shortened in proportion, so that five random characters fit into a label. */
export function generateName(pod: string, claim: string): string {
  const base = `${pod}-${claim}`
  if (base.length <= maxBase) return `${base}-`
  const part = (text: string) => text.slice(0, Math.floor((text.length * maxBase) / base.length))
  return `${part(pod)}-${part(claim)}-`
}

/** Writes the names of claims into the pod's status. Those of other entries stay. */
async function writeNames(pod: Pod, made: ReadonlyMap<string, string>, ctx: Context): Promise<void> {
  const resourceClaimStatuses = [...made].map(([name, resourceClaimName]) => ({ name, resourceClaimName }))
  const body = { metadata: { uid: pod.metadata.uid }, status: { resourceClaimStatuses } }
  await ctx.patch(Pod, pod, 'strategic', body, { subresource: 'status' })
}

/** A pod that named its node itself gets reservations of claims that have devices. */
async function reserve(pod: Pod, ctx: Context): Promise<void> {
  const { namespace = '', name = '', uid = '' } = pod.metadata
  for (const entry of pod.spec.resourceClaims ?? []) {
    const named = claimNameOf(pod, entry)
    if (!named || named === 'none') continue
    const claim = ctx.cache(ResourceClaim).get(namespace, named.name)
    if (!claim?.status.allocation || claim.metadata.deletionTimestamp || (named.owned && !isMadeFor(claim, pod)))
      continue
    if (isReservedFor(claim, uid) || !canBeReserved(claim)) continue
    await ctx.writeStatus(ResourceClaim, claim, {
      ...claim.status,
      reservedFor: [...(claim.status.reservedFor ?? []), { resource: 'pods', name, uid }],
    })
  }
}

async function reconcileClaim({ namespace, name }: Reference, ctx: Context): Promise<void> {
  const claim = ctx.cache(ResourceClaim).get(namespace, name)
  if (!claim) return
  const valid = []
  for (const consumer of claim.status.reservedFor ?? []) {
    const isPod = !consumer.apiGroup && consumer.resource === 'pods'
    if (!isPod) throw new Error(`unsupported ReservedFor entry: ${consumer.resource} ${consumer.name}`)
    let pod = ctx.cache(Pod).get(namespace, consumer.name)
    // The mirror may be behind the reservation, so the API server is asked before it is removed.
    if (pod?.metadata.uid !== consumer.uid) pod = await ctx.client.find(Pod, { namespace, name: consumer.name })
    if (!isGone(consumer, pod)) valid.push(consumer)
  }
  const made = podOfClaim(claim)
  const plan = planClaim(claim, valid, made && ctx.cache(Pod).get(namespace, made.name))
  let current = claim
  if (plan.status) current = await ctx.writeStatus(ResourceClaim, current, plan.status)
  if (plan.unprotect) {
    const finalizers = current.metadata.finalizers?.filter(one => one !== claimFinalizer) ?? []
    try {
      await ctx.update(ResourceClaim, { ...current, metadata: { ...current.metadata, finalizers } })
    } catch (error) {
      // A claim without finalizers that was deleted is gone with the last of them.
      if (!isReason(error, 'NotFound')) throw error
    }
  }
  if (plan.remove) await ctx.delete(ResourceClaim, claim)
}
