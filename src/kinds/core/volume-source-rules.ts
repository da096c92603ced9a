// Rules for the kinds of storage that both pods and persistent volumes name: shares, disks and what vendors sell.
// Source: pkg/apis/core/validation (validate…VolumeSource, validate…PersistentVolumeSource).
import { named, type Problems, present, supported } from '../../api/checks.ts'
import { dnsLabelErrors, dnsSubdomainErrors, rangeProblem } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import type { Json } from '../../api/schema/node.ts'
import { descendingPath, noBacksteps } from './path-rules.ts'

/** Sources of many kinds, read by the names of their fields. */
type Source = Record<string, Json>
export type SourceRule = (source: object, at: Path) => Problems

const text = (source: Source, field: string) => (source[field] as string | undefined) ?? ''
const number = (source: Source, field: string) => (source[field] as number | undefined) ?? 0

type Rule = (source: Source, at: Path) => Problems
// A source is plain JSON, whatever its type says.
const rule =
  (check: Rule): SourceRule =>
  (source, at) =>
    check(source as Source, at)

/** Fields that must be there. */
function* needs(source: Source, fields: readonly string[], at: Path): Problems {
  for (const field of fields) yield* present(source[field], at.field(field))
}

const needing = (...fields: string[]): SourceRule => rule((source, at) => needs(source, fields, at))

const hostPathTypes = [
  '',
  'BlockDevice',
  'CharDevice',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket',
]

function* hostPath(source: Source, at: Path): Problems {
  const path = text(source, 'path')
  if (!path) return yield at.field('path').required()
  yield* noBacksteps(path, at.field('path'))
  if (source.type !== undefined) yield* supported(text(source, 'type'), hostPathTypes, at.field('type'))
}

function* gitRepo(source: Source, at: Path): Problems {
  yield* needs(source, ['repository'], at)
  yield* descendingPath(text(source, 'directory'), at.field('directory'))
}

const disk = (id: string): SourceRule =>
  rule(function* (source, at) {
    yield* needs(source, [id], at)
    const partition = number(source, 'partition')
    if (partition < 0 || partition > 255) yield at.field('partition').invalid(partition, rangeProblem(1, 255))
  })

function* nfs(source: Source, at: Path): Problems {
  yield* needs(source, ['server', 'path'], at)
  const path = text(source, 'path')
  if (!path.startsWith('/')) yield at.field('path').invalid(path, 'must be an absolute path')
}

const qualifiedNames: readonly (readonly [string, RegExp])[] = [
  ['iqn', /iqn\.\d{4}-\d{2}\.([a-zA-Z0-9\-.]+)(:[^,;*&$|\s]+)$/],
  ['eui', /^eui.[a-zA-Z0-9]{16}$/],
  ['naa', /^naa.[a-zA-Z0-9]{32}$/],
]

function* initiator(name: string, unknown: string, at: Path): Problems {
  const form = qualifiedNames.find(([prefix]) => name.startsWith(prefix))
  if (!form) yield at.invalid(name, unknown)
  else if (!form[1].test(name)) yield at.invalid(name, 'must be valid format')
}

const iscsi = (unknown: string): SourceRule =>
  rule(function* (source, at) {
    yield* needs(source, ['targetPortal'], at)
    const name = text(source, 'iqn')
    if (!name) yield at.field('iqn').required()
    else yield* initiator(name, unknown, at.field('iqn'))
    yield* lunInRange(number(source, 'lun'), at.field('lun'))
    if ((source.chapAuthDiscovery || source.chapAuthSession) && !source.secretRef)
      yield at.field('secretRef').required()
    if (source.initiatorName !== undefined)
      yield* initiator(text(source, 'initiatorName'), unknown, at.field('initiatorname'))
  })

function* lunInRange(lun: number, at: Path): Problems {
  if (lun < 0 || lun > 255) yield at.invalid(lun, rangeProblem(0, 255))
}

function* fibreChannel(source: Source, at: Path): Problems {
  const targets = (source.targetWWNs as readonly string[] | undefined) ?? []
  const ids = (source.wwids as readonly string[] | undefined) ?? []
  if (!targets.length && !ids.length)
    yield at.field('targetWWNs').required('must specify either targetWWNs or wwids, but not both')
  if (targets.length && ids.length)
    yield at.field('targetWWNs').invalid(targets, 'targetWWNs and wwids can not be specified simultaneously')
  if (!targets.length) return
  if (source.lun === undefined) yield at.field('lun').required('lun is required if targetWWNs is specified')
  else yield* lunInRange(number(source, 'lun'), at.field('lun'))
}

const registries = 'must be a host:port pair or multiple pairs separated by commas'

function* quobyte(source: Source, at: Path): Problems {
  const registry = text(source, 'registry')
  if (!registry) yield at.field('registry').required(registries)
  else if (text(source, 'tenant').length >= 65)
    yield at.field('tenant').required('must be a UUID and may not exceed a length of 64 characters')
  else
    for (const pair of registry.split(','))
      if (!/^(\[[^\]]*\]|[^:]*):[^:]*$/.test(pair)) yield at.field('registry').invalid(registry, registries)
  yield* needs(source, ['volume'], at)
}

function* flocker(source: Source, at: Path): Problems {
  const [name, uuid] = [text(source, 'datasetName'), text(source, 'datasetUUID')]
  if (!name && !uuid) yield at.required('one of datasetName and datasetUUID is required')
  if (name && uuid) yield at.invalid('resource', 'datasetName and datasetUUID can not be specified simultaneously')
  if (name.includes('/')) yield at.field('datasetName').invalid(name, "must not contain '/'")
}

/** A reference to a Secret, which outside of pods names a namespace. */
function* secret(source: Source, withNamespace: boolean, at: Path): Problems {
  if (source.secretRef)
    yield* needs(source.secretRef as Source, withNamespace ? ['name', 'namespace'] : ['name'], at.field('secretRef'))
}

const cinder = (withNamespace: boolean): SourceRule =>
  rule(function* (source, at) {
    yield* needs(source, ['volumeID'], at)
    yield* secret(source, withNamespace, at)
  })

const storageos = (withNamespace: boolean): SourceRule =>
  rule(function* (source, at) {
    const [name, namespace] = [text(source, 'volumeName'), text(source, 'volumeNamespace')]
    if (!name) yield at.field('volumeName').required()
    else yield* named(dnsLabelErrors, name, at.field('volumeName'))
    if (namespace) yield* named(dnsLabelErrors, namespace, at.field('volumeNamespace'))
    yield* secret(source, withNamespace, at)
  })

function* flexVolume(source: Source, at: Path): Problems {
  yield* needs(source, ['driver'], at)
  for (const key of Object.keys((source.options as object | undefined) ?? {})) {
    const domain = `.${key.split('/')[0]!.toLowerCase()}`
    if (domain.endsWith('.kubernetes.io') || domain.endsWith('.k8s.io'))
      yield at.field('options').key(key).invalid(key, 'kubernetes.io and k8s.io namespaces are reserved')
  }
}

const managedDisk = '/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}'
const blobDisk = 'https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd'

function* azureDisk(source: Source, at: Path): Problems {
  yield* needs(source, ['diskName', 'diskURI'], at)
  const [caching, kind, uri] = [text(source, 'cachingMode'), text(source, 'kind'), text(source, 'diskURI')]
  if (source.cachingMode !== undefined)
    yield* supported(caching, ['None', 'ReadOnly', 'ReadWrite'], at.field('cachingMode'))
  if (source.kind === undefined) return
  yield* supported(kind, ['Dedicated', 'Managed', 'Shared'], at.field('kind'))
  if (kind === 'Managed' && !uri.startsWith('/subscriptions/'))
    yield at.field('diskURI').notSupported(uri, [managedDisk])
  if (kind !== 'Managed' && !uri.startsWith('https://')) yield at.field('diskURI').notSupported(uri, [blobDisk])
}

/** The name of a CSI driver. */
export function* validateDriverName(name: string, at: Path): Problems {
  if (!name) return yield at.required()
  if (name.length > 63) yield at.tooLong(63)
  for (const error of dnsSubdomainErrors(name.toLowerCase())) yield at.invalid(name, error)
}

/** By field, in the order they are looked at, of which the first one counts. */
export const vendorRules: readonly (readonly [string, SourceRule])[] = Object.entries({
  hostPath: rule(hostPath),
  gitRepo: rule(gitRepo),
  gcePersistentDisk: disk('pdName'),
  awsElasticBlockStore: disk('volumeID'),
  nfs: rule(nfs),
  iscsi: iscsi('must be valid format starting with iqn, eui, or naa'),
  glusterfs: needing('endpoints', 'path'),
  flocker: rule(flocker),
  rbd: needing('monitors', 'image'),
  cinder: cinder(false),
  cephfs: needing('monitors'),
  quobyte: rule(quobyte),
  fc: rule(fibreChannel),
  flexVolume: rule(flexVolume),
  azureFile: needing('secretName', 'shareName'),
  vsphereVolume: needing('volumePath'),
  photonPersistentDisk: needing('pdID'),
  portworxVolume: needing('volumeID'),
  azureDisk: rule(azureDisk),
  storageos: storageos(false),
  scaleIO: needing('gateway', 'system', 'volumeName'),
})

/** The same for persistent volumes, whose secrets are in namespaces of their own. */
export const persistentRules: Readonly<Record<string, SourceRule>> = {
  hostPath: rule(hostPath),
  gcePersistentDisk: disk('pdName'),
  awsElasticBlockStore: disk('volumeID'),
  glusterfs: rule(function* (source, at) {
    yield* needs(source, ['endpoints', 'path'], at)
    const namespace = source.endpointsNamespace
    if (namespace === undefined) return
    const path = at.field('endpointsNamespace')
    if (!namespace) yield path.invalid('', 'if the endpointnamespace is set, it must be a valid namespace name')
    else yield* named(dnsLabelErrors, text(source, 'endpointsNamespace'), path)
  }),
  flocker: rule(flocker),
  nfs: rule(nfs),
  rbd: needing('monitors', 'image'),
  quobyte: rule(quobyte),
  cephfs: needing('monitors'),
  iscsi: rule(function* (source, at) {
    yield* iscsi('must be valid format')(source, at)
    yield* secret(source, false, at)
  }),
  cinder: cinder(true),
  fc: rule(fibreChannel),
  flexVolume: rule(flexVolume),
  azureFile: rule(function* (source, at) {
    yield* needs(source, ['secretName', 'shareName'], at)
    if (source.secretNamespace === '') yield at.field('secretNamespace').required()
  }),
  vsphereVolume: needing('volumePath'),
  photonPersistentDisk: needing('pdID'),
  portworxVolume: needing('volumeID'),
  azureDisk: rule(azureDisk),
  scaleIO: needing('gateway', 'system', 'volumeName'),
  local: rule(function* (source, at) {
    yield* needs(source, ['path'], at)
    yield* noBacksteps(text(source, 'path'), at.field('path'))
  }),
  storageos: storageos(true),
  csi: rule(function* (source, at) {
    yield* validateDriverName(text(source, 'driver'), at.field('driver'))
    yield* needs(source, ['volumeHandle'], at)
    for (const field of [
      'controllerPublishSecretRef',
      'controllerExpandSecretRef',
      'nodePublishSecretRef',
      'nodeExpandSecretRef',
    ])
      if (source[field]) yield* qualifiedSecret(source[field] as Source, at.field(field))
  }),
}

function* qualifiedSecret(reference: Source, at: Path): Problems {
  const [name, namespace] = [text(reference, 'name'), text(reference, 'namespace')]
  if (!name) yield at.field('name').required()
  else yield* named(dnsSubdomainErrors, name, at.field('name'))
  if (!namespace) yield at.field('namespace').required()
  else yield* named(dnsLabelErrors, namespace, at.field('namespace'))
}
