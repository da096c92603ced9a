// Ephemeral volumes: a claim is made of the template in the pod, which owns it, so that it goes with the pod.
// Source: pkg/controller/volume/ephemeral/controller.go.
import { messageOf } from '../../base/errors.ts'
import type { Draft } from '../../api/schema/node.ts'
import { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import { claimsOf } from '../../kinds/core/pod-claims.ts'
import { Pod } from '../../kinds/core/pod.ts'
import type { Context } from '../context.ts'
import { defineController, watch } from '../harness.ts'
import { isControlledBy } from '../owner-reference.ts'

type Volume = NonNullable<Pod['spec']['volumes']>[number]

const isEphemeral = (pod: Pod) => pod.spec.volumes?.some(({ ephemeral }) => ephemeral !== undefined) ?? false
const ephemeralClaims = (pod: Pod) => (isEphemeral(pod) ? claimsOf(pod) : [])

export const ephemeralVolumeController = defineController({
  name: 'ephemeral-volume-controller',
  reconciles: Pod,
  when: pod => isEphemeral(pod) && !pod.metadata.deletionTimestamp,
  watches: [
    // A claim that was deleted while its pod still needs it is made again.
    watch(
      PersistentVolumeClaim,
      ({ metadata }, caches) =>
        caches(Pod)
          .byIndex('ephemeral claims', ephemeralClaims, `${metadata.namespace}/${metadata.name}`)
          .map(pod => `${pod.metadata.namespace}/${pod.metadata.name}`),
      () => false,
    ),
  ],
  async reconcile(pod, ctx) {
    if (pod.metadata.deletionTimestamp) return
    for (const volume of pod.spec.volumes ?? []) if (volume.ephemeral) await ensureClaim(pod, volume, ctx)
  },
})

async function ensureClaim(pod: Pod, volume: Volume, ctx: Context): Promise<void> {
  const { namespace = '', name: podName = '' } = pod.metadata
  const name = `${podName}-${volume.name}`
  const found = ctx.cache(PersistentVolumeClaim).get(namespace, name)
  const fail = (error: unknown) => {
    ctx.event(pod, 'Warning', 'FailedBinding', `ephemeral volume ${volume.name}: ${messageOf(error)}`)
    return error
  }
  if (found) {
    if (isControlledBy(found, pod)) return
    throw fail(new Error(`PVC ${namespace}/${name} was not created for pod ${namespace}/${podName} (pod is not owner)`))
  }
  const { metadata, spec } = volume.ephemeral!.volumeClaimTemplate!
  const { labels, annotations } = metadata ?? {}
  const draft = { metadata: { name, ...(labels && { labels }), ...(annotations && { annotations }) }, spec }
  try {
    await ctx.create(PersistentVolumeClaim, draft as Draft<PersistentVolumeClaim>, { owner: pod })
  } catch (error) {
    throw fail(new Error(`create PVC ${name}: ${messageOf(error)}`, { cause: error }))
  }
}
