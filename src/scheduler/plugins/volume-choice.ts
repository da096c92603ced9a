// Which volumes the unbound claims of a pod would get on a node, and which would be provisioned there.
// Source: plugins/volumebinding/binder.go (findMatchingVolumes, checkVolumeProvisions, hasEnoughCapacity).
import { matchesSelector, selectorOf } from '../../api/labels.ts'
import type { LabelSelector } from '../../api/meta.ts'
import type { Mirror } from '../../api/mirror.ts'
import { compareQuantities } from '../../api/quantity.ts'
import type { Node } from '../../kinds/core/node.ts'
import type { PersistentVolume } from '../../kinds/core/persistentvolume.ts'
import type { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import { storageClassOf, volumeAnnotations as names } from '../../kinds/core/volume-annotations.ts'
import { bestVolume } from '../../kinds/core/volume-match.ts'
import type { CSIDriver } from '../../kinds/storage/csidriver.ts'
import type { CSIStorageCapacity } from '../../kinds/storage/csistoragecapacity.ts'
import type { StorageClass } from '../../kinds/storage/storageclass.ts'
import type { No } from '../framework.ts'

type Claim = PersistentVolumeClaim

export interface StorageMirrors {
  volumes: Mirror<PersistentVolume>
  classes: Mirror<StorageClass>
  drivers: Mirror<CSIDriver>
  capacities: Mirror<CSIStorageCapacity>
}

/** What is to be done for the claims of a pod on a node. */
export interface Choice {
  bind: readonly { claim: Claim; volume: PersistentVolume }[]
  provision: readonly Claim[]
}

/** What was reserved for a claim whose pod is on its way to a node. */
export interface Reserved {
  node: string
  /** Undefined if the volume is being provisioned. */
  volume: string | undefined
}

interface ChoiceOptions {
  mirrors: StorageMirrors
  /** By the claim's key. */
  reserved: ReadonlyMap<string, Reserved>
}

export const keyOfClaim = ({ metadata }: Claim): string => `${metadata.namespace ?? ''}/${metadata.name ?? ''}`

const noVolume: No = { no: "node(s) didn't find available persistent volumes to bind", ever: false }
const noSpace: No = { no: 'node(s) did not have enough free storage', ever: false }

/** Chooses for all claims together: the smallest claim chooses first, and no volume is chosen twice. */
export function chooseVolumes(claims: readonly Claim[], node: Node, { mirrors, reserved }: ChoiceOptions): Choice | No {
  const taken = new Set([...reserved.values()].map(({ volume }) => volume ?? ''))
  const bind: { claim: Claim; volume: PersistentVolume }[] = []
  const provision: Claim[] = []
  for (const claim of [...claims].sort(bySize)) {
    const own = reserved.get(keyOfClaim(claim))
    const chosenNode = own?.node ?? claim.metadata.annotations?.[names.selectedNode]
    if (chosenNode !== undefined && chosenNode !== node.metadata.name) return noVolume
    // What another pod with the same claim has reserved, this one shares.
    if (own) continue
    const volume =
      chosenNode === undefined ? bestVolume(claim, mirrors.volumes.list(), { node, delayed: true, taken }) : undefined
    if (volume) {
      taken.add(volume.metadata.name ?? '')
      bind.push({ claim, volume })
    } else provision.push(claim)
  }
  for (const claim of provision) {
    const problem = provisionProblem(claim, node, mirrors)
    if (problem) return problem
  }
  return { bind, provision }
}

const sizeOf = ({ spec }: Claim) => spec.resources.requests?.storage ?? '0'
const bySize = (a: Claim, b: Claim) => compareQuantities(sizeOf(a), sizeOf(b))

/** Why no volume can be provisioned for a claim on a node. */
function provisionProblem(claim: Claim, node: Node, { classes, drivers, capacities }: StorageMirrors): No | undefined {
  const storageClass = classes.get(undefined, storageClassOf(claim))
  if (!storageClass) return noVolume
  const { provisioner, allowedTopologies } = storageClass
  if (!provisioner || provisioner === 'kubernetes.io/no-provisioner') return noVolume
  if (allowedTopologies?.length && !allowedTopologies.some(term => allows(term, node))) return noVolume
  if (!drivers.get(undefined, provisioner)?.spec.storageCapacity) return undefined
  const fits = capacities.list().some(capacity => hasRoom(capacity, storageClass, claim, node))
  return fits ? undefined : noSpace
}

type Term = NonNullable<StorageClass['allowedTopologies']>[number]

const allows = ({ matchLabelExpressions = [] }: Term, { metadata }: Node): boolean =>
  matchLabelExpressions.every(({ key, values }) => {
    const value = metadata.labels?.[key ?? '']
    return value !== undefined && values?.includes(value)
  })

function hasRoom(capacity: CSIStorageCapacity, { metadata }: StorageClass, claim: Claim, node: Node): boolean {
  if (capacity.storageClassName !== metadata.name) return false
  const limit = capacity.maximumVolumeSize ?? capacity.capacity
  if (limit === undefined || compareQuantities(limit, sizeOf(claim)) < 0) return false
  // Without a topology the storage is not reachable from any node.
  if (!capacity.nodeTopology) return false
  const selector = selectorOf(capacity.nodeTopology as LabelSelector)
  return selector !== undefined && matchesSelector(selector, node.metadata.labels)
}
