// Which volume a claim gets: the smallest that has what the claim asks for. The controller of volumes decides it for
// claims that are bound at once, and the scheduler, for a node, for claims that wait for their first consumer.
// Source: component-helpers/storage/volume (helpers.go, pv_helpers.go); pkg/controller/volume/persistentvolume/index.go.
import { matchesSelector, selectorOf } from '../../api/labels.ts'
import type { LabelSelector } from '../../api/meta.ts'
import { compareQuantities } from '../../api/quantity.ts'
import { matchesTerms } from './node-selection.ts'
import type { PersistentVolume } from './persistentvolume.ts'
import type { PersistentVolumeClaim } from './persistentvolumeclaim.ts'
import { storageClassOf } from './volume-annotations.ts'

type Claim = PersistentVolumeClaim
type Volume = PersistentVolume

/** Whether a volume names this claim, be it by the user's choice without a uid, or bound to it. */
export function isBoundTo({ spec }: Volume, { metadata }: Claim): boolean {
  const { claimRef } = spec
  if (!claimRef || claimRef.name !== metadata.name || claimRef.namespace !== metadata.namespace) return false
  return !claimRef.uid || claimRef.uid === metadata.uid
}

const requestOf = ({ spec }: Claim) => spec.resources.requests?.storage ?? '0'
const capacityOf = ({ spec }: Volume) => spec.capacity?.storage ?? '0'
const modeOf = ({ spec }: Pick<Claim | Volume, 'spec'>) => spec.volumeMode ?? 'Filesystem'

const hasModes = (volume: Volume, { spec }: Claim) =>
  (spec.accessModes ?? []).every(mode => volume.spec.accessModes?.includes(mode))

const hasAttributes = (volume: Volume, claim: Claim) =>
  (volume.spec.volumeAttributesClassName ?? '') === (claim.spec.volumeAttributesClassName ?? '')

/** Why a volume cannot be that of a claim that names it. Undefined if it can. */
export function mismatch(volume: Volume, claim: Claim): string | undefined {
  if (compareQuantities(requestOf(claim), capacityOf(volume)) > 0) return 'requested PV is too small'
  if (storageClassOf(volume) !== storageClassOf(claim)) return 'storageClassName does not match'
  if (!hasAttributes(volume, claim)) return 'VolumeAttributesClassName does not match'
  if (modeOf(volume) !== modeOf(claim)) return 'incompatible volumeMode'
  return hasModes(volume, claim) ? undefined : 'incompatible accessMode'
}

/** Whether pods on a node can reach a volume. */
export function isReachable({ spec }: Volume, node: Parameters<typeof matchesTerms>[0]): boolean {
  const terms = spec.nodeAffinity?.required?.nodeSelectorTerms
  return !terms || matchesTerms(node, terms)
}

interface Where {
  /** The node from which the volume must be reached. */
  node?: Parameters<typeof matchesTerms>[0]
  /** Whether the claim waits for its first consumer. Without a node it then gets only a volume that names it. */
  delayed?: boolean
  /** The names of volumes that other claims get. */
  taken?: ReadonlySet<string>
}

/**
 * The volume for a claim that names none: one that names the claim, or the smallest that fits, of those with the fewest
 * access modes. Of equal ones the first counts.
 */
export function bestVolume(claim: Claim, volumes: Iterable<Volume>, { node, delayed, taken }: Where = {}) {
  const selector = claim.spec.selector && selectorOf(claim.spec.selector as LabelSelector)
  let best: Volume | undefined
  for (const volume of volumes) {
    const { metadata, spec, status } = volume
    if (taken?.has(metadata.name ?? '') || metadata.deletionTimestamp) continue
    const isOwn = isBoundTo(volume, claim)
    if (spec.claimRef && !isOwn) continue
    if (compareQuantities(capacityOf(volume), requestOf(claim)) < 0) continue
    if (modeOf(volume) !== modeOf(claim) || !hasAttributes(volume, claim)) continue
    const reachable = !node || isReachable(volume, node)
    if (isOwn) return reachable ? volume : undefined
    if (!node && delayed) continue
    if (status.phase !== 'Available' || !reachable) continue
    if (selector && !matchesSelector(selector, metadata.labels)) continue
    if (storageClassOf(volume) !== storageClassOf(claim) || !hasModes(volume, claim)) continue
    if (!best || isBetter(volume, best)) best = volume
  }
  return best
}

function isBetter(one: Volume, other: Volume): boolean {
  const [a, b] = [one.spec.accessModes?.length ?? 0, other.spec.accessModes?.length ?? 0]
  return a === b ? compareQuantities(capacityOf(one), capacityOf(other)) < 0 : a < b
}
