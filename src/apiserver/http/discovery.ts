// Discovery: the groups, versions and resources of this server, in one document for each group version, and aggregated.
// Source: meta/v1 APIGroup, APIResource; KEP-3352.
import { createHash } from 'node:crypto'
import { type AnyKind, apiVersionOf } from '../../api/kind.ts'
import type { JsonObject } from '../../api/schema/node.ts'
import { APIService } from '../../kinds/apiregistration/apiservice.ts'
import { compareVersions } from '../../kinds/apiextensions/version-order.ts'
import type { RemoteVersion } from '../aggregation/documents.ts'
import { builtinPriority, customPriority } from '../aggregation/priorities.ts'
import { type Document, sendDocument } from './documents.ts'
import { healthPaths } from './health.ts'
import { type Call, type PathHandler, sendNegotiated, sendRawJson } from './call.ts'

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
export function discovery(
  kinds: () => readonly AnyKind[],
  remote: () => readonly RemoteVersion[] = () => nothing,
): PathHandler {
  const cache: AggregatedCache = new Map()
  return call => {
    const parts = call.url.pathname.replace(/\/$/, '').split('/').slice(1)
    const others = remote()
    const served = servedHere(kinds(), others)
    if (call.url.pathname === '/') {
      sendRawJson(call.response, { paths: rootPaths(served, others) })
      return true
    }
    if (parts[0] === 'api') return core(call, parts, { kinds: kinds(), others }, cache)
    if (parts[0] !== 'apis') return false
    const [, group, version] = parts
    if (group === undefined) {
      if (aggregated(call, { kinds: kinds(), others }, 'apis', cache)) return true
      const groups = groupsOf(served, others).map(g => apiGroup(served, others, g))
      // Any method is answered: upstream, this path is served by the aggregation layer, which ignores the method.
      const list = { kind: 'APIGroupList', apiVersion: 'v1', groups }
      sendNegotiated(call, 200, 'application/json', Buffer.from(JSON.stringify(list)))
      return true
    }
    if (group === '' || ![...served, ...others].some(k => k.group === group)) return false
    if (version === undefined)
      sendDocument(call, { kind: 'APIGroup', apiVersion: 'v1', ...apiGroup(served, others, group) })
    else if (parts.length === 3 && served.some(k => k.group === group && k.version === version))
      sendDocument(call, resourceList(served, group, version))
    else return false
    return true
  }
}

/** The paths that `GET /` lists. */
function rootPaths(served: readonly AnyKind[], remote: readonly RemoteVersion[]): string[] {
  const groups = groupsOf(served, remote).flatMap(group => [
    `/apis/${group}`,
    ...versionsOf(served, remote, group).map(version => `/apis/${group}/${version}`),
  ])
  const versions = ['/api/v1', ...groups.filter(path => path.split('/').length === 4)]
  const apis = ['/.well-known/openid-configuration', '/api', '/api/v1', '/apis', '/apis/', ...groups]
  const others = ['/metrics', '/openapi/v2', '/openapi/v3', '/openapi/v3/', '/openid/v1/jwks', '/version']
  return [...apis, ...healthPaths(), ...others, ...versions.map(path => `/openapi/v3${path}`)].sort()
}

function core(call: Call, parts: string[], all: Sources, cache: AggregatedCache): boolean {
  const served = all.kinds.filter(kind => kind.plural)
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

const nothing: readonly RemoteVersion[] = []

/** The kinds that have a path, and that no other server has instead. */
function servedHere(kinds: readonly AnyKind[], remote: readonly RemoteVersion[]): AnyKind[] {
  const elsewhere = new Set(remote.map(({ group, version }) => `${group}/${version}`))
  return kinds.filter(kind => kind.plural && !elsewhere.has(`${kind.group}/${kind.version}`))
}

/** The groups, those of the highest priority first. This server's own registry of groups precedes all others. */
function groupsOf(served: readonly AnyKind[], remote: readonly RemoteVersion[]): string[] {
  const priorities = new Map<string, number>()
  for (const { group, version } of served)
    if (!priorities.has(group)) priorities.set(group, (builtinPriority(group, version) ?? customPriority).group)
  for (const { group, groupPriority } of remote)
    priorities.set(group, Math.max(priorities.get(group) ?? 0, groupPriority))
  if (priorities.has(APIService.group)) priorities.set(APIService.group, Infinity)
  priorities.delete('')
  return [...priorities.keys()].sort((a, b) => priorities.get(b)! - priorities.get(a)! || (a < b ? -1 : 1))
}

/** The versions of a group: by their priority, then stable ones first, and newer before older ones. */
function versionsOf(served: readonly AnyKind[], remote: readonly RemoteVersion[], group: string): string[] {
  const priorities = new Map<string, number>()
  for (const { group: of, version } of served)
    if (of === group) priorities.set(version, (builtinPriority(group, version) ?? customPriority).version)
  for (const { group: of, version, versionPriority } of remote)
    if (of === group) priorities.set(version, versionPriority)
  return [...priorities.keys()].sort((a, b) => priorities.get(b)! - priorities.get(a)! || compareVersions(b, a))
}

function apiGroup(served: readonly AnyKind[], remote: readonly RemoteVersion[], group: string): JsonObject {
  const versions = versionsOf(served, remote, group).map(version => ({ groupVersion: `${group}/${version}`, version }))
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

/** What this server serves, and what others do. */
interface Sources {
  kinds: readonly AnyKind[]
  others: readonly RemoteVersion[]
}

/** Aggregated documents, each with what it was made of. */
interface Aggregated {
  of: Sources
  document: Document
  tag: string
}
type AggregatedCache = Map<string, Aggregated>

/** Answers in the aggregated form if the client asks for it. With the tag of its copy, it gets 304 instead. */
function aggregated(call: Call, sources: Sources, root: 'api' | 'apis', cache: AggregatedCache): boolean {
  const version = /as=APIGroupDiscoveryList/.test(call.request.headers.accept ?? '') && wantedVersion(call)
  if (!version) return false
  const key = `${root} ${version}`
  let known = cache.get(key)
  if (known?.of.kinds !== sources.kinds || known.of.others !== sources.others)
    cache.set(key, (known = aggregate(sources, root, version)))
  const { request, response } = call
  response.setHeader('vary', 'Accept')
  response.setHeader('etag', known.tag)
  if (request.method === 'GET' && request.headers['if-none-match'] === known.tag) {
    response.writeHead(304)
    response.end()
  } else sendDocument(call, known.document, `;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`)
  return true
}

function aggregate(of: Sources, root: 'api' | 'apis', version: string): Aggregated {
  const inRoot = ({ group }: { group: string }) => (group === '') === (root === 'api')
  const others = of.others.filter(inRoot)
  const served = servedHere(of.kinds, others).filter(inRoot)
  const groups = root === 'api' ? [''] : groupsOf(served, others)
  const items = groups.map(group => ({
    metadata: { ...(group && { name: group }) },
    versions: versionsOf(served, others, group).map(v => {
      const other = others.find(one => one.group === group && one.version === v)
      if (other) return { version: v, resources: [...other.resources], freshness: other.freshness }
      return { version: v, resources: kindsOf(served, group, v).map(aggregatedResource), freshness: 'Current' }
    }),
  }))
  const document = { kind: 'APIGroupDiscoveryList', apiVersion: `apidiscovery.k8s.io/${version}`, metadata: {}, items }
  const tag = JSON.stringify(createHash('sha512').update(JSON.stringify(document)).digest('hex').toUpperCase())
  return { of, document, tag }
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
