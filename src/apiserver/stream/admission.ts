// Admission of streams: exec, attach, port-forward and proxy requests are the operation CONNECT, whose object has the
// options of the stream. Logs are only read, and pass no admission.
// Source: apiserver pkg/endpoints/handlers/rest.go (ConnectResource).
import type { AnyKind } from '../../api/kind.ts'
import { asObject } from '../../api/kind.ts'
import type { User } from '../../api/operation.ts'
import { asJson, type JsonObject } from '../../api/schema/node.ts'
import type { AdmissionRequest } from '../admission/request.ts'
import type { ServerCore } from '../core.ts'
import type { RequestUrl } from '../http/call.ts'
import type { ResourcePath } from '../http/route.ts'

const optionKinds: Readonly<Record<string, string>> = {
  'pods/exec': 'PodExecOptions',
  'pods/attach': 'PodAttachOptions',
  'pods/portforward': 'PodPortForwardOptions',
  'pods/proxy': 'PodProxyOptions',
  'services/proxy': 'ServiceProxyOptions',
  'nodes/proxy': 'NodeProxyOptions',
}
const flags = ['stdin', 'stdout', 'stderr', 'tty']
const lists = ['command', 'ports']

/** Asks admission about a stream. Returns the URL with the options as admission leaves them. */
export async function admitStream(
  { registry: { admission } }: ServerCore,
  user: User,
  kind: AnyKind,
  path: ResourcePath,
  url: RequestUrl,
): Promise<RequestUrl> {
  const { plural, subresource, namespace, name } = path
  const options = optionKinds[`${plural}/${subresource}`]
  if (options === undefined) return url
  const isProxy = subresource === 'proxy'
  const sent: JsonObject = isProxy ? (path.rest ? { path: path.rest } : {}) : optionsIn(url.searchParams)
  const operation = { verb: 'create', kind, subresource, namespace, name, user, options: {} } as const
  const body = { group: '', version: 'v1', kind: options }
  const request: AdmissionRequest = { type: 'CONNECT', operation, object: asObject({ ...sent }), body }
  await admission.mutate(request)
  await admission.validate(request)
  if (isProxy) return url
  const searchParams = queryOf(asJson(request.object!))
  return { ...url, searchParams, search: `?${searchParams.toString()}` }
}

function optionsIn(query: URLSearchParams): JsonObject {
  const options: JsonObject = {}
  for (const key of new Set(query.keys())) {
    const value = query.get(key) ?? ''
    if (flags.includes(key)) {
      if (['true', '1', ''].includes(value)) options[key] = true
    } else options[key] = lists.includes(key) ? query.getAll(key) : value
  }
  return options
}

function queryOf(options: JsonObject): URLSearchParams {
  const query = new URLSearchParams()
  for (const [key, value] of Object.entries(options)) {
    if (key === 'kind' || key === 'apiVersion') continue
    for (const one of Array.isArray(value) ? value : [value]) query.append(key, String(one))
  }
  return query
}
