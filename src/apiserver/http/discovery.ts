// Discovery: the groups, versions and resources of this server, in one document for each group version, and aggregated.
// Source: meta/v1 APIGroup, APIResource; KEP-3352.
import { createHash } from 'node:crypto'
import { type AnyKind, apiVersionOf } from '../../api/kind.ts'
import type { JsonObject } from '../../api/schema/node.ts'
import { compareVersions } from '../../kinds/apiextensions/version-order.ts'
import { type Document, sendDocument } from './documents.ts'
import { healthPaths } from './health.ts'
import { type Call, type PathHandler, sendNegotiated, sendRawJson } from './call.ts'

/** The order of groups. Others follow these. */
const groupOrder = [
  'apiregistration.k8s.io',
  'apps',
  'events.k8s.io',
  'authentication.k8s.io',
  'authorization.k8s.io',
  'autoscaling',
  'batch',
  'certificates.k8s.io',
  'networking.k8s.io',
  'policy',
  'rbac.authorization.k8s.io',
  'storage.k8s.io',
  'admissionregistration.k8s.io',
  'apiextensions.k8s.io',
  'scheduling.k8s.io',
  'coordination.k8s.io',
  'node.k8s.io',
  'discovery.k8s.io',
  'resource.k8s.io',
  'flowcontrol.apiserver.k8s.io',
  'storagemigration.k8s.io',
]

interface Subresource {
  kind: string
  group?: string
  version?: string
  verbs: readonly string[]
}

const rw = ['get', 'patch', 'update']
const anyMethod = ['create', 'delete', 'get', 'patch', 'update']
const special: Record<string, Subresource> = {
  'pods/attach': { kind: 'PodAttachOptions', verbs: ['create', 'get'] },
  'pods/binding': { kind: 'Binding', verbs: ['create'] },
  'pods/ephemeralcontainers': { kind: 'Pod', verbs: rw },
  'pods/eviction': { kind: 'Eviction', group: 'policy', version: 'v1', verbs: ['create'] },
  'pods/exec': { kind: 'PodExecOptions', verbs: ['create', 'get'] },
  'pods/log': { kind: 'Pod', verbs: ['get'] },
  'pods/portforward': { kind: 'PodPortForwardOptions', verbs: ['create', 'get'] },
  'pods/proxy': { kind: 'PodProxyOptions', verbs: anyMethod },
  'pods/resize': { kind: 'Pod', verbs: rw },
  'services/proxy': { kind: 'ServiceProxyOptions', verbs: anyMethod },
  'nodes/proxy': { kind: 'NodeProxyOptions', verbs: anyMethod },
  'namespaces/finalize': { kind: 'Namespace', verbs: ['update'] },
  'serviceaccounts/token': { kind: 'TokenRequest', group: 'authentication.k8s.io', version: 'v1', verbs: ['create'] },
  'certificatesigningrequests/approval': { kind: 'CertificateSigningRequest', verbs: rw },
}

/** The subresources of a kind by name, each with its kind and verbs. */
export function subresourcesOf(kind: AnyKind): [name: string, subresource: Subresource][] {
  const out: [string, Subresource][] = kind.subresources.map(name => [
    name,
    special[`${kind.plural}/${name}`] ?? { kind: kind.kind, verbs: rw },
  ])
  if (kind.scale) out.push(['scale', { kind: 'Scale', group: 'autoscaling', version: 'v1', verbs: rw }])
  if (kind.status) out.push(['status', { kind: kind.kind, verbs: rw }])
  return out
}

/** Answers /api, /apis, and the paths below them that are not resources. */
export function discovery(kinds: () => readonly AnyKind[]): PathHandler {
  const cache: AggregatedCache = new Map()
  return call => {
    const parts = call.url.pathname.replace(/\/$/, '').split('/').slice(1)
    const served = kinds().filter(kind => kind.plural)
    if (call.url.pathname === '/') {
      sendRawJson(call.response, { paths: rootPaths(served) })
      return true
    }
    if (parts[0] === 'api') return core(call, parts, kinds(), cache)
    if (parts[0] !== 'apis') return false
    const [, group, version] = parts
    if (group === undefined) {
      if (aggregated(call, kinds(), 'apis', cache)) return true
      const groups = groupsOf(served).map(g => apiGroup(served, g))
      // Any method is answered: upstream, this path is served by the aggregation layer, which ignores the method.
      const list = { kind: 'APIGroupList', apiVersion: 'v1', groups }
      sendNegotiated(call, 200, 'application/json', Buffer.from(JSON.stringify(list)))
      return true
    }
    if (!served.some(k => k.group === group) || group === '') return false
    if (version === undefined) sendDocument(call, { kind: 'APIGroup', apiVersion: 'v1', ...apiGroup(served, group) })
    else if (parts.length === 3 && served.some(k => k.group === group && k.version === version))
      sendDocument(call, resourceList(served, group, version))
    else return false
    return true
  }
}

/** The paths that `GET /` lists. */
function rootPaths(served: readonly AnyKind[]): string[] {
  const groups = groupsOf(served).flatMap(group => [
    `/apis/${group}`,
    ...versionsOf(served, group).map(version => `/apis/${group}/${version}`),
  ])
  const versions = ['/api/v1', ...groups.filter(path => path.split('/').length === 4)]
  const apis = ['/.well-known/openid-configuration', '/api', '/api/v1', '/apis', '/apis/', ...groups]
  const others = ['/metrics', '/openapi/v2', '/openapi/v3', '/openapi/v3/', '/openid/v1/jwks', '/version']
  return [...apis, ...healthPaths(), ...others, ...versions.map(path => `/openapi/v3${path}`)].sort()
}

function core(call: Call, parts: string[], all: readonly AnyKind[], cache: AggregatedCache): boolean {
  const served = all.filter(kind => kind.plural)
  if (parts.length === 1) {
    if (aggregated(call, all, 'api', cache)) return true
    const address = call.request.headers.host ?? ''
    sendDocument(call, {
      kind: 'APIVersions',
      versions: ['v1'],
      serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress: address }],
    })
    return true
  }
  if (parts.length !== 2 || parts[1] !== 'v1') return false
  sendDocument(call, resourceList(served, '', 'v1'))
  return true
}

function groupsOf(served: readonly AnyKind[]): string[] {
  const groups = [...new Set(served.map(k => k.group))].filter(Boolean)
  const rank = (group: string) => (groupOrder.includes(group) ? groupOrder.indexOf(group) : groupOrder.length)
  return groups.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))
}

/** The versions of a group, stable ones first, and newer before older ones. */
function versionsOf(served: readonly AnyKind[], group: string): string[] {
  const versions = [...new Set(served.filter(k => k.group === group).map(k => k.version))]
  return versions.sort((a, b) => compareVersions(b, a))
}

function apiGroup(served: readonly AnyKind[], group: string): JsonObject {
  const versions = versionsOf(served, group).map(version => ({ groupVersion: `${group}/${version}`, version }))
  return { name: group, versions, preferredVersion: versions[0]! }
}

function resourceList(served: readonly AnyKind[], group: string, version: string): Document {
  const resources: JsonObject[] = []
  for (const kind of kindsOf(served, group, version)) {
    resources.push({
      name: kind.plural,
      singularName: kind.singular,
      namespaced: kind.namespaced,
      kind: kind.kind,
      verbs: verbsOf(kind),
      ...(kind.shortNames.length && { shortNames: [...kind.shortNames] }),
      ...(kind.categories.length && { categories: [...kind.categories] }),
      ...(kind.verbs.includes('get') && { storageVersionHash: storageVersionHash(kind.view?.of ?? kind) }),
    })
    for (const [name, sub] of subresourcesOf(kind)) {
      resources.push({
        name: `${kind.plural}/${name}`,
        singularName: '',
        namespaced: kind.namespaced,
        ...(sub.group && { group: sub.group, version: sub.version! }),
        kind: sub.kind,
        verbs: [...sub.verbs],
      })
    }
  }
  return {
    kind: 'APIResourceList',
    ...(group && { apiVersion: 'v1' }),
    groupVersion: apiVersionOf(group, version),
    resources,
  }
}

/** What is left of a kind whose definition is being deleted. */
const closedVerbs = ['delete', 'deletecollection', 'get', 'list', 'watch']

const verbsOf = ({ verbs, closed }: AnyKind): string[] => (closed ? [...closedVerbs] : [...verbs].sort())

/** A hash of the version in which a kind is stored. Source: apiserver discovery.StorageVersionHash. */
const storageVersionHash = ({ group, version, kind }: AnyKind): string =>
  createHash('sha256').update(`${group}/${version}/${kind}`).digest().subarray(0, 8).toString('base64')

const kindsOf = (served: readonly AnyKind[], group: string, version: string) =>
  served.filter(k => k.group === group && k.version === version).sort((a, b) => (a.plural < b.plural ? -1 : 1))

/** Aggregated documents, each with the kinds that it was made of. */
interface Aggregated {
  of: readonly AnyKind[]
  document: Document
  tag: string
}
type AggregatedCache = Map<string, Aggregated>

/** Answers in the aggregated form if the client asks for it. With the tag of its copy, it gets 304 instead. */
function aggregated(call: Call, kinds: readonly AnyKind[], root: 'api' | 'apis', cache: AggregatedCache): boolean {
  const version = /as=APIGroupDiscoveryList/.test(call.request.headers.accept ?? '') && wantedVersion(call)
  if (!version) return false
  const key = `${root} ${version}`
  let known = cache.get(key)
  if (known?.of !== kinds) cache.set(key, (known = aggregate(kinds, root, version)))
  const { request, response } = call
  response.setHeader('vary', 'Accept')
  response.setHeader('etag', known.tag)
  if (request.method === 'GET' && request.headers['if-none-match'] === known.tag) {
    response.writeHead(304)
    response.end()
  } else sendDocument(call, known.document, `;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`)
  return true
}

function aggregate(kinds: readonly AnyKind[], root: 'api' | 'apis', version: string): Aggregated {
  const served = kinds.filter(kind => kind.plural && (kind.group === '') === (root === 'api'))
  const groups = ['', ...groupsOf(served)].filter(group => served.some(k => k.group === group))
  const items = groups.map(group => ({
    metadata: { ...(group && { name: group }) },
    versions: versionsOf(served, group).map(v => ({
      version: v,
      resources: kindsOf(served, group, v).map(aggregatedResource),
      freshness: 'Current',
    })),
  }))
  const document = { kind: 'APIGroupDiscoveryList', apiVersion: `apidiscovery.k8s.io/${version}`, metadata: {}, items }
  const tag = JSON.stringify(createHash('sha512').update(JSON.stringify(document)).digest('hex').toUpperCase())
  return { of: kinds, document, tag }
}

/** The version of the aggregated form that the client asks for first. */
const wantedVersion = ({ request }: Call) =>
  /g=apidiscovery\.k8s\.io;v=(v2);as=APIGroupDiscoveryList/.exec(request.headers.accept ?? '')?.[1]

function aggregatedResource(kind: AnyKind): JsonObject {
  const subresources = subresourcesOf(kind).map(([name, sub]) => ({
    subresource: name,
    // Group and version are given only if they are not those of the resource.
    responseKind: { group: sub.group ?? '', version: sub.version ?? '', kind: sub.kind },
    verbs: [...sub.verbs],
  }))
  return {
    resource: kind.plural,
    responseKind: { group: '', version: '', kind: kind.kind },
    scope: kind.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: kind.singular,
    verbs: verbsOf(kind),
    ...(kind.shortNames.length && { shortNames: [...kind.shortNames] }),
    ...(kind.categories.length && { categories: [...kind.categories] }),
    ...(subresources.length && { subresources }),
  }
}
