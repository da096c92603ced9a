// What pods and volumes may say of storage and of nodes, but had better not.
// Source: pkg/api/pod, pkg/api/persistentvolume, pkg/api/persistentvolumeclaim, pkg/api/node (warnings.go).
import type { Path } from '../../api/path.ts'
import { quantityMilli } from '../../api/quantity.ts'
import type { NodeSelectorTerm } from './affinity.ts'
import type { PersistentVolumeSpec } from './persistentvolumespec.ts'
import type { PodSpec } from './podspec.ts'
import type { Volume } from './volume.ts'

type Warnings = Iterable<string>

/** Labels of nodes that have other names by now. */
const renamedLabels: Readonly<Record<string, readonly [since: string, name: string]>> = {
  'beta.kubernetes.io/arch': ['v1.14', 'kubernetes.io/arch'],
  'beta.kubernetes.io/os': ['v1.14', 'kubernetes.io/os'],
  'failure-domain.beta.kubernetes.io/region': ['v1.17', 'topology.kubernetes.io/region'],
  'failure-domain.beta.kubernetes.io/zone': ['v1.17', 'topology.kubernetes.io/zone'],
  'beta.kubernetes.io/instance-type': ['v1.17', 'node.kubernetes.io/instance-type'],
}

function renaming(key: string): string | undefined {
  const renamed = renamedLabels[key]
  return renamed && `deprecated since ${renamed[0]}; use "${renamed[1]}" instead`
}

/** Of the nodes that a pod wants. */
export function* warnOfNodes(spec: PodSpec, at: Path): Warnings {
  for (const key of Object.keys(spec.nodeSelector ?? {}))
    if (renaming(key)) yield `${at.field('nodeSelector').key(key)}: ${renaming(key)}`
  const { requiredDuringSchedulingIgnoredDuringExecution: required, preferredDuringSchedulingIgnoredDuringExecution } =
    spec.affinity?.nodeAffinity ?? {}
  const path = at.field('affinity', 'nodeAffinity')
  for (const [i, term] of (required?.nodeSelectorTerms ?? []).entries())
    yield* warnOfTerm(term, path.field('requiredDuringSchedulingIgnoredDuringExecution', 'nodeSelectorTerms').index(i))
  for (const [i, { preference }] of (preferredDuringSchedulingIgnoredDuringExecution ?? []).entries())
    yield* warnOfTerm(
      preference,
      path.field('preferredDuringSchedulingIgnoredDuringExecution').index(i).field('preference'),
    )
  for (const [i, { topologyKey }] of (spec.topologySpreadConstraints ?? []).entries())
    yield* warnOfKey(topologyKey, at.field('topologySpreadConstraints').index(i).field('topologyKey'))
}

function* warnOfTerm({ matchExpressions = [] }: NodeSelectorTerm, at: Path): Warnings {
  for (const [i, { key }] of matchExpressions.entries())
    yield* warnOfKey(key, at.field('matchExpressions').index(i).field('key'))
}

function* warnOfKey(key: string, at: Path): Warnings {
  if (renaming(key)) yield `${at}: ${key} is ${renaming(key)}`
}

/** Storage that Kubernetes itself used to know how to mount. */
const goneSources = Object.entries({
  photonPersistentDisk: 'deprecated in v1.11, non-functional in v1.16+',
  gitRepo: 'deprecated in v1.11, and disabled by default in v1.33+',
  scaleIO: 'deprecated in v1.16, non-functional in v1.22+',
  flocker: 'deprecated in v1.22, non-functional in v1.25+',
  storageos: 'deprecated in v1.22, non-functional in v1.25+',
  quobyte: 'deprecated in v1.22, non-functional in v1.25+',
  glusterfs: 'deprecated in v1.25, non-functional in v1.26+',
  cephfs: 'deprecated in v1.28, non-functional in v1.31+',
  rbd: 'deprecated in v1.28, non-functional in v1.31+',
})

function* warnOfSource(source: object, at: Path): Warnings {
  for (const [field, what] of goneSources)
    if (source[field as keyof typeof source]) yield `${at.field(field === 'storageos' ? 'storageOS' : field)}: ${what}`
}

/** Of the volumes of a pod. */
export function* warnOfVolumes(volumes: readonly Volume[], at: Path): Warnings {
  for (const [i, volume] of volumes.entries()) {
    yield* warnOfSource(volume, at.index(i))
    const claim = volume.ephemeral?.volumeClaimTemplate?.spec
    const path = at.index(i).field('ephemeral', 'volumeClaimTemplate', 'spec', 'resources', 'requests')
    yield* warnOfFraction(claim?.resources?.requests?.['storage'], path.key('storage'))
  }
  for (const volume of volumes) yield* warnOfFiles(volume)
}

/** Of a persistent volume. */
export function* warnOfStorage(spec: PersistentVolumeSpec, at: Path): Warnings {
  if (spec.persistentVolumeReclaimPolicy === 'Recycle')
    yield `${at.field('persistentVolumeReclaimPolicy')}: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.`
  for (const [i, term] of (spec.nodeAffinity?.required?.nodeSelectorTerms ?? []).entries())
    yield* warnOfTerm(term, at.field('nodeAffinity', 'required', 'nodeSelectorTerms').index(i))
  yield* warnOfSource(spec, at)
}

function* warnOfFiles({ name, configMap, secret, downwardAPI, projected }: Volume): Warnings {
  const called = `volume ${JSON.stringify(name)}`
  if (configMap)
    yield* overlaps(`${called} (ConfigMap ${JSON.stringify(configMap.name ?? '')})`, pathsOf(configMap.items))
  if (secret) yield* overlaps(`${called} (Secret ${JSON.stringify(secret.secretName ?? '')})`, pathsOf(secret.items))
  if (downwardAPI) yield* overlaps(`${called} (DownwardAPI)`, pathsOf(downwardAPI.items))
  // A source is said to be none at all where it has nothing in it.
  for (const source of projected?.sources ?? [])
    if (!Object.values(source).some(Boolean)) yield `${called} (Projected) has no sources provided`
}

const pathsOf = (items: readonly { readonly path: string }[] | undefined) => (items ?? []).map(item => item.path)

/** One file in the place of another, or below it. */
function* overlaps(where: string, paths: readonly string[]): Warnings {
  for (const [i, path] of paths.entries())
    for (const before of paths.slice(0, i))
      if (path === before || path.startsWith(`${before}/`) || before.startsWith(`${path}/`))
        yield `${where}: overlapping paths: ${JSON.stringify(path)} with ${JSON.stringify(before)}`
}

/** There are no parts of bytes. */
export function* warnOfFraction(amount: string | undefined, at: Path): Warnings {
  if (amount !== undefined && quantityMilli(amount) % 1000 !== 0)
    yield `${at}: fractional byte value ${JSON.stringify(amount)} is invalid, must be an integer`
}
