// The controller that binds claims to volumes, one pair at a time; what it does is decided in plan.ts. A key is a claim or
// a volume, and a change of one wakes the other.
// Source: pkg/controller/volume/persistentvolume (pv_controller.go, pv_controller_base.go).
import type { Draft } from '../../api/schema/node.ts'
import { timeText } from '../../api/time.ts'
import { PersistentVolume } from '../../kinds/core/persistentvolume.ts'
import { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { storageClassOf, volumeAnnotations as names } from '../../kinds/core/volume-annotations.ts'
import { isBoundTo } from '../../kinds/core/volume-match.ts'
import { claimsOf } from '../../kinds/core/pod-claims.ts'
import { defaultStorageClass } from '../../kinds/default-class.ts'
import { StorageClass } from '../../kinds/storage/storageclass.ts'
import type { Caches, Context } from '../context.ts'
import { defineKeyedController, keyOf, watch } from '../harness.ts'
import { type ClaimStep, planClaim, planVolume, type VolumeStep } from './plan.ts'

type Claim = PersistentVolumeClaim
type Volume = PersistentVolume

const claimKey = (namespace: string, name: string) => `claim ${keyOf(namespace, name)}`
const keyOfClaim = ({ metadata }: Claim) => claimKey(metadata.namespace ?? '', metadata.name ?? '')
const keyOfVolume = (name: string) => `volume ${name}`

const refOf = ({ spec }: Volume): string[] =>
  spec.claimRef ? [keyOf(spec.claimRef.namespace ?? '', spec.claimRef.name ?? '')] : []
const namedBy = ({ spec }: Claim): string[] => (spec.volumeName ? [spec.volumeName] : [])

/** The claims that a volume or class which has come may serve. */
const unbound = (caches: Caches, storageClass: string | undefined): string[] =>
  caches(PersistentVolumeClaim)
    .list()
    .filter(({ spec, metadata }) => !spec.volumeName && metadata.annotations?.[names.bindCompleted] === undefined)
    .filter(claim => storageClass === undefined || ['', storageClass].includes(storageClassOf(claim)))
    .map(keyOfClaim)

const unscheduledClaims = (pod: Pod) => (pod.spec.nodeName ? [] : claimsOf(pod))

export const volumeBinder = defineKeyedController({
  name: 'persistent-volume-binder',
  // Claims choose among the same volumes, so one is served after the other.
  workers: 1,
  watches: [
    watch(PersistentVolumeClaim, (claim, caches) => [
      keyOfClaim(claim),
      ...namedBy(claim).map(keyOfVolume),
      ...caches(PersistentVolume)
        .byIndex('claimRef', refOf, keyOf(claim.metadata.namespace ?? '', claim.metadata.name ?? ''))
        .map(({ metadata }) => keyOfVolume(metadata.name ?? '')),
    ]),
    watch(PersistentVolume, (volume, caches) => [
      keyOfVolume(volume.metadata.name ?? ''),
      ...refOf(volume).map(key => `claim ${key}`),
      ...caches(PersistentVolumeClaim)
        .byIndex('volumeName', namedBy, volume.metadata.name ?? '')
        .map(keyOfClaim),
      ...(volume.status.phase === 'Available' ? unbound(caches, storageClassOf(volume)) : []),
    ]),
    watch(StorageClass, ({ metadata }, caches) => unbound(caches, metadata.name)),
    // Claims that wait for a pod say for which.
    watch(
      Pod,
      pod => unscheduledClaims(pod).map(key => `claim ${key}`),
      (pod, before) => !pod.spec.nodeName && !before,
    ),
  ],
  async reconcile(key, ctx) {
    const [what = '', of = ''] = key.split(' ')
    if (what === 'claim') {
      const claim = ctx.cache(PersistentVolumeClaim).byKey(of)
      if (claim) await carryOutClaim(claim, planClaim(claim, worldOf(claim, ctx)), ctx)
    } else {
      const volume = ctx.cache(PersistentVolume).get(undefined, of)
      if (volume) await carryOutVolume(volume, planVolume(volume, await claimOf(volume, ctx)), ctx)
    }
  },
})

const worldOf = ({ metadata }: Claim, ctx: Context) => ({
  volume: (name: string) => ctx.cache(PersistentVolume).get(undefined, name),
  volumes: () => ctx.cache(PersistentVolume).list(),
  storageClass: (name: string) => ctx.cache(StorageClass).get(undefined, name),
  defaultClass: () => defaultStorageClass(ctx.cache(StorageClass).list()),
  waitingPods: () =>
    ctx
      .cache(Pod)
      .byIndex('unscheduled claims', unscheduledClaims, keyOf(metadata.namespace ?? '', metadata.name ?? ''))
      .map(pod => pod.metadata.name ?? ''),
})

/** The claim that a volume names. Before one is taken for gone, the API server is asked. */
async function claimOf({ spec }: Volume, ctx: Context): Promise<Claim | undefined> {
  const { namespace = '', name = '', uid } = spec.claimRef ?? {}
  if (!uid) return undefined
  const isIt = (claim: Claim | undefined) => claim?.metadata.uid === uid
  const cached = ctx.cache(PersistentVolumeClaim).get(namespace, name)
  if (isIt(cached)) return cached
  const { items } = await ctx.client.list(PersistentVolumeClaim, { namespace, fieldSelector: `metadata.name=${name}` })
  return items.find(isIt)
}

async function carryOutClaim(claim: Claim, step: ClaimStep, ctx: Context): Promise<void> {
  if ('event' in step && step.event) ctx.event(claim, step.event.type, step.event.reason, step.event.message)
  switch (step.do) {
    case 'bind':
      return bind(step.volume, claim, ctx)
    case 'lose':
      await ctx.writeStatus(PersistentVolumeClaim, claim, { ...claim.status, phase: 'Lost' })
      return
    case 'setClass':
      await ctx.update(PersistentVolumeClaim, { ...claim, spec: { ...claim.spec, storageClassName: step.name } })
      return
    case 'provision':
      await setProvisioner(claim, step.provisioner, ctx)
      return
    case 'wait':
      await setPending(claim, ctx)
  }
}

async function setPending(claim: Claim, ctx: Context): Promise<void> {
  const { capacity: _capacity, accessModes: _modes, ...status } = claim.status
  await ctx.writeStatus(PersistentVolumeClaim, claim, { ...status, phase: 'Pending' })
}

async function setProvisioner(claim: Claim, provisioner: string, ctx: Context): Promise<void> {
  const annotations = { ...claim.metadata.annotations }
  const asked =
    annotations[names.provisioner] === provisioner && annotations[names.oldProvisioner] === provisioner
      ? claim
      : await ctx.update(PersistentVolumeClaim, {
          ...claim,
          metadata: {
            ...claim.metadata,
            annotations: { ...annotations, [names.provisioner]: provisioner, [names.oldProvisioner]: provisioner },
          },
        })
  await setPending(asked, ctx)
}

/** Completes a binding from wherever it stands. */
async function bind(volume: Volume, claim: Claim, ctx: Context): Promise<void> {
  const owned = await nameClaim(volume, claim, ctx)
  await setPhase(owned, 'Bound', ctx)
  const named = await nameVolume(claim, owned, ctx)
  const isBecoming = named.status.phase !== 'Bound'
  const { accessModes, capacity, volumeAttributesClassName } = owned.spec
  await ctx.writeStatus(PersistentVolumeClaim, named, {
    ...named.status,
    phase: 'Bound',
    accessModes: [...(accessModes ?? [])],
    // A bound claim is resized by others.
    ...(isBecoming && { capacity: { ...capacity } }),
    ...(isBecoming &&
      volumeAttributesClassName !== undefined && { currentVolumeAttributesClassName: volumeAttributesClassName }),
  } as Draft<Claim['status']>)
}

async function nameClaim(volume: Volume, claim: Claim, ctx: Context): Promise<Volume> {
  const { claimRef } = volume.spec
  if (claimRef?.uid && claimRef.uid === claim.metadata.uid) return volume
  const { namespace = '', name = '', uid = '', resourceVersion = '' } = claim.metadata
  const isChosen = !isBoundTo(volume, claim)
  return ctx.update(PersistentVolume, {
    ...volume,
    metadata: isChosen ? annotated(volume.metadata, names.boundByController) : volume.metadata,
    spec: {
      ...volume.spec,
      claimRef: { kind: 'PersistentVolumeClaim', apiVersion: 'v1', namespace, name, uid, resourceVersion },
    },
  })
}

async function nameVolume(claim: Claim, volume: Volume, ctx: Context): Promise<Claim> {
  const volumeName = volume.metadata.name ?? ''
  const isChosen = claim.spec.volumeName !== volumeName
  const isDone = claim.metadata.annotations?.[names.bindCompleted] !== undefined
  if (!isChosen && isDone) return claim
  const metadata = isChosen ? annotated(claim.metadata, names.boundByController) : claim.metadata
  return ctx.update(PersistentVolumeClaim, {
    ...claim,
    metadata: annotated(metadata, names.bindCompleted),
    spec: { ...claim.spec, volumeName },
  })
}

const annotated = <M extends Claim['metadata']>(metadata: M, name: string): M => ({
  ...metadata,
  annotations: { ...metadata.annotations, [name]: 'yes' },
})

async function carryOutVolume(volume: Volume, step: VolumeStep, ctx: Context): Promise<void> {
  switch (step.do) {
    case 'available':
      return setPhase(volume, 'Available', ctx)
    case 'bound':
      return setPhase(volume, 'Bound', ctx)
    case 'nothing':
      if (step.event) ctx.event(volume, step.event.type, step.event.reason, step.event.message)
      return
    case 'unbind':
      return setPhase(await unbind(volume, ctx), 'Available', ctx)
    case 'release':
      // One whose deletion failed stays so until it succeeds.
      return volume.status.phase === 'Failed' ? undefined : setPhase(volume, 'Released', ctx)
    case 'fail':
      if (volume.status.phase === 'Failed') return
      ctx.event(volume, step.event.type, step.event.reason, step.event.message)
      return setPhase(volume, 'Failed', ctx, step.event.message)
  }
}

/** Takes away what binding added: a user's choice of the claim remains, without its uid. */
async function unbind(volume: Volume, ctx: Context): Promise<Volume> {
  const { [names.boundByController]: chosen, ...annotations } = volume.metadata.annotations ?? {}
  const { claimRef, ...spec } = volume.spec
  const { uid: _uid, ...named } = claimRef ?? {}
  return ctx.update(PersistentVolume, {
    ...volume,
    metadata: { ...volume.metadata, annotations },
    spec: chosen === undefined ? { ...spec, claimRef: named } : spec,
  } as Draft<Volume>)
}

async function setPhase(
  volume: Volume,
  phase: 'Available' | 'Bound' | 'Released' | 'Failed',
  ctx: Context,
  message?: string,
): Promise<void> {
  const { message: _message, reason: _reason, ...status } = volume.status
  const isNew = status.phase !== phase
  await ctx.writeStatus(PersistentVolume, volume, {
    ...status,
    phase,
    ...(message !== undefined && { message }),
    ...(isNew && { lastPhaseTransitionTime: timeText(ctx.now()) }),
  })
}
