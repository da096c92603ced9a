// Volumes whose files are written from API objects: configMap, secret, downwardAPI, and projected, which puts several
// of these and service account tokens into one directory. While the pod runs, the files are written again when an
// object changes or a token is due (pod/volumes.ts calls `refresh`).
// Source: kubernetes pkg/volume/{configmap,secret,downwardapi,projected}.
import { orAborted } from '../../base/waiters.ts'
import type { DownwardAPIVolumeFile, KeyToPath, ProjectedVolumeSource } from '../../kinds/core/volume.ts'
import { fieldValue, resourceValue } from '../config/fields.ts'
import { namespaceOf, uidOf } from '../pod/spec.ts'
import { type FileContent, writeAtomically } from './atomic.ts'
import { trustBundleFile } from './trust-bundle.ts'
import { setOwnership } from './ownership.ts'
import type { VolumePlugin, VolumeRequest } from './volume.ts'
import type { Pod } from '../../kinds/core/pod.ts'

interface Files {
  payload: Map<string, FileContent>
  /** When they must be written again, in ms since the epoch. */
  renewAt?: number
}

type Source = (request: VolumeRequest) => Promise<Files>

const defaultMode = 0o644
const tokenSeconds = 3600

const configMap: Source = async ({ pod, volume, context }) => {
  const { name = '', items, optional, defaultMode: mode = defaultMode } = volume.configMap!
  return { payload: await configMapFiles(pod, { name, items, optional }, mode, context) }
}

const secret: Source = async ({ pod, volume, context }) => {
  const { secretName = '', items, optional, defaultMode: mode = defaultMode } = volume.secret!
  return { payload: await secretFiles(pod, { name: secretName, items, optional }, mode, context) }
}

const downwardAPI: Source = async request => {
  const { items = [], defaultMode: mode = defaultMode } = request.volume.downwardAPI!
  return { payload: downwardFiles(request, items, mode) }
}

const projected: Source = async request => {
  const { pod, volume, context } = request
  const { sources, defaultMode: mode = defaultMode } = volume.projected as ProjectedVolumeSource
  const payload = new Map<string, FileContent>()
  let renewAt: number | undefined
  const add = (files: Map<string, FileContent>) => {
    for (const [path, content] of files) payload.set(path, content)
  }
  for (const source of sources ?? []) {
    if (source.configMap)
      add(await configMapFiles(pod, { ...source.configMap, name: source.configMap.name ?? '' }, mode, context))
    else if (source.secret)
      add(await secretFiles(pod, { ...source.secret, name: source.secret.name ?? '' }, mode, context))
    else if (source.downwardAPI) add(downwardFiles(request, source.downwardAPI.items ?? [], mode))
    else if (source.serviceAccountToken) {
      const { audience = '', expirationSeconds = tokenSeconds, path } = source.serviceAccountToken
      const token = await context.tokens.get(pod, audience, expirationSeconds)
      // A token is for its pod alone, if it is certain who that is.
      const owner = commonUser(pod)
      const isOwned = owner !== undefined || pod.spec.securityContext?.fsGroup !== undefined
      payload.set(path, { data: Buffer.from(token.token), mode: isOwned ? 0o600 : mode, owner })
      renewAt = Math.min(renewAt ?? token.renewAt, token.renewAt)
    } else if (source.clusterTrustBundle) {
      const { path } = source.clusterTrustBundle
      const bundles = await context.objects.trustBundles(uidOf(pod))
      payload.set(path, { data: trustBundleFile(source.clusterTrustBundle, bundles), mode })
    } else throw new Error(`the projection ${Object.keys(source).join(', ')} is not supported`)
  }
  return { payload, ...(renewAt !== undefined && { renewAt }) }
}

interface ObjectSource {
  name: string
  items?: readonly KeyToPath[] | undefined
  optional?: boolean | undefined
}

type Context = VolumeRequest['context']

async function configMapFiles(pod: Pod, { name, items, optional }: ObjectSource, mode: number, { objects }: Context) {
  const found = await objects.configMap(uidOf(pod), namespaceOf(pod), name)
  if (!found && !optional) throw new Error(`configmap "${name}" not found`)
  const data = new Map<string, Buffer>()
  for (const [key, value] of Object.entries(found?.data ?? {})) data.set(key, Buffer.from(value))
  for (const [key, value] of Object.entries(found?.binaryData ?? {})) data.set(key, Buffer.from(value, 'base64'))
  return chosen('config', data, items, optional, mode)
}

async function secretFiles(pod: Pod, { name, items, optional }: ObjectSource, mode: number, { objects }: Context) {
  const found = await objects.secret(uidOf(pod), namespaceOf(pod), name)
  if (!found && !optional) throw new Error(`secret "${name}" not found`)
  const data = new Map(Object.entries(found?.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64')]))
  return chosen('secret', data, items, optional, mode)
}

// Without items, every key becomes a file. With items, only their keys do, at the paths of the items.
function chosen(
  kind: 'config' | 'secret',
  data: Map<string, Buffer>,
  items: ObjectSource['items'],
  optional: boolean | undefined,
  mode: number,
): Map<string, FileContent> {
  if (!items?.length) return new Map(Array.from(data, ([key, bytes]) => [key, { data: bytes, mode }]))
  const out = new Map<string, FileContent>()
  for (const item of items) {
    const bytes = data.get(item.key)
    if (bytes) out.set(item.path, { data: bytes, mode: item.mode ?? mode })
    else if (!optional) throw new Error(`references non-existent ${kind} key: ${item.key}`)
  }
  return out
}

function downwardFiles(
  { pod, context }: VolumeRequest,
  items: readonly DownwardAPIVolumeFile[],
  mode: number,
): Map<string, FileContent> {
  const out = new Map<string, FileContent>()
  for (const item of items) {
    const text = item.fieldRef
      ? fieldValue(pod, item.fieldRef.fieldPath, context.facts, context.podIPs(uidOf(pod)))
      : item.resourceFieldRef
        ? resourceValue(pod, undefined, item.resourceFieldRef, context.facts)
        : ''
    out.set(item.path, { data: Buffer.from(text), mode: item.mode ?? mode })
  }
  return out
}

/** The user that all containers run as, if they agree on one. */
function commonUser(pod: Pod): number | undefined {
  const users = new Set(
    [...(pod.spec.initContainers ?? []), ...pod.spec.containers].map(
      c => c.securityContext?.runAsUser ?? pod.spec.securityContext?.runAsUser,
    ),
  )
  return users.size === 1 ? [...users][0] : undefined
}

function filesPlugin(
  name: string,
  field: 'configMap' | 'secret' | 'downwardAPI' | 'projected',
  source: Source,
  memory: boolean,
): VolumePlugin {
  const write = async (request: VolumeRequest): Promise<number | undefined> => {
    // Objects and tokens come from the API server, which may take long. After an abort nothing may be written.
    const { payload, renewAt } = await orAborted(source(request), request.signal)
    await writeAtomically(request.dir, payload, request.context.clock.now(), dir =>
      setOwnership(dir, request.pod, true),
    )
    return renewAt
  }
  return {
    name,
    memory,
    readOnly: true,
    matches: volume => volume[field] !== undefined,
    setUp: async request => void (await write(request)),
    refresh: write,
  }
}

export const files: readonly VolumePlugin[] = [
  filesPlugin('configmap', 'configMap', configMap, false),
  filesPlugin('secret', 'secret', secret, true),
  filesPlugin('downward-api', 'downwardAPI', downwardAPI, true),
  filesPlugin('projected', 'projected', projected, true),
]
