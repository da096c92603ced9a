// Which resource a path names, and which verb a method has there.
import { deepStrictEqual, strictEqual, throws } from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../../base/testing.ts'
import { isReason } from '../../base/errors.ts'
import { builtinKinds } from '../../kinds/all.ts'
import { Catalog } from '../catalog.ts'
import { handlerKey } from '../core.ts'
import { handlers } from '../resources/handlers.ts'
import { parsePath, type ResourcePath } from './route.ts'
import { verbOf, verbOfMethod } from './verbs.ts'

const kinds = new Catalog(builtinKinds)

test('a path names a resource, or none', () => {
  const base: ResourcePath = {
    group: '',
    version: 'v1',
    namespace: '',
    plural: 'pods',
    name: '',
    subresource: '',
    rest: '',
    watch: false,
  }
  const table: [path: string, expected: Partial<ResourcePath> | undefined][] = [
    ['/api/v1/pods', {}],
    ['/api/v1/pods/', {}],
    ['/api/v1/namespaces/n/pods', { namespace: 'n' }],
    ['/api/v1/namespaces/n/pods/p', { namespace: 'n', name: 'p' }],
    ['/api/v1/namespaces/n/pods/p/log', { namespace: 'n', name: 'p', subresource: 'log' }],
    ['/api/v1/namespaces/n/pods/p/proxy/a/b', { namespace: 'n', name: 'p', subresource: 'proxy', rest: 'a/b' }],
    ['/api/v1/namespaces/n/pods/p/proxy/', { namespace: 'n', name: 'p', subresource: 'proxy' }],
    ['/apis/apps/v1/deployments', { group: 'apps', plural: 'deployments' }],
    ['/apis/apps/v1/namespaces/n/deployments/d', { group: 'apps', namespace: 'n', plural: 'deployments', name: 'd' }],
    ['/api/v1/namespaces', { plural: 'namespaces' }],
    ['/api/v1/namespaces/n', { plural: 'namespaces', name: 'n' }],
    ['/api/v1/namespaces/n/status', { plural: 'namespaces', name: 'n', subresource: 'status' }],
    ['/api/v1/namespaces/n/finalize', { plural: 'namespaces', name: 'n', subresource: 'finalize' }],
    ['/apis/apps/v1/namespaces/n/status', { group: 'apps', namespace: 'n', plural: 'status' }],
    ['/api/v1/watch/pods', { watch: true }],
    ['/api/v1/watch/namespaces/n/pods/p', { watch: true, namespace: 'n', name: 'p' }],
    ['/api/v1/watch', { plural: 'watch' }],
    ['/api/v1/nodes/n%3A1', { plural: 'nodes', name: 'n:1' }],
    // An escaped slash does not separate parts of the path.
    ['/api/v1/namespaces/a%2Fb/pods', undefined],
    ['/api/v1/pods/a%2Fb', undefined],
    ['/api/v1/namespaces/../pods', undefined],
    ['/api/v1/%zz', undefined],
    ['/api/v1', undefined],
    ['/api/v1/', undefined],
    ['/apis/apps', undefined],
    ['/healthz', undefined],
    ['', undefined],
  ]
  for (const [path, expected] of table) deepStrictEqual(parsePath(path), expected && { ...base, ...expected }, path)
})

test('a path that is made from a resource names that resource, whatever its name', () => {
  const name = fc.string({ minLength: 1 }).filter(text => !text.includes('/') && !['.', '..'].includes(text))
  fc.assert(
    fc.property(
      name,
      name.filter(text => text.isWellFormed()),
      fc.string(),
      (namespace, of, path) => {
        if (namespace.isWellFormed()) {
          const [n, p] = [namespace, of].map(encodeURIComponent)
          const parsed = parsePath(`/apis/apps/v1/namespaces/${n}/deployments/${p}/scale`)
          deepStrictEqual(
            [parsed?.group, parsed?.version, parsed?.namespace, parsed?.plural, parsed?.name, parsed?.subresource],
            ['apps', 'v1', namespace, 'deployments', of, 'scale'],
          )
        }
        // Any path is parsed without an exception.
        parsePath(`/api/v1/${path}`)
        parsePath(path)
      },
    ),
    { numRuns: 500 },
  )
})

/** The verb, or the HTTP status of the refusal. */
function answer(method: string, path: string, wantsWatch = false): string | number {
  const parsed = parsePath(path)
  const kind = parsed && kinds.find(parsed)
  if (!kind) return 404
  try {
    return verbOf(kind, parsed, method, wantsWatch, (subresource, verb) =>
      handlers.has(handlerKey(kind, subresource, verb)),
    )
  } catch (error) {
    if (isReason(error, 'NotFound', 'MethodNotAllowed')) return error.code
    throw error
  }
}

test('a method is a verb of the resource, refused if the resource has only others, and otherwise not found', () => {
  const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']
  const [list, one] = [
    ['list', 'create', 405, 405, 'deletecollection'],
    ['get', 405, 'update', 'patch', 'delete'],
  ]
  const part = ['get', 405, 'update', 'patch', 405]
  const none = [404, 404, 404, 404, 404]
  const read = ['list', 405, 405, 405, 405]
  const made = [405, 'create', 405, 405, 405]
  const table: [path: string, answers: (string | number)[]][] = [
    ['/api/v1/namespaces/n/pods', list!],
    ['/api/v1/namespaces/n/pods/p', one!],
    ['/api/v1/namespaces/n/pods/p/status', part],
    ['/api/v1/namespaces/n/pods/p/ephemeralcontainers', part],
    ['/api/v1/namespaces/n/pods/p/resize', part],
    ['/api/v1/namespaces/n/pods/p/binding', made],
    ['/api/v1/namespaces/n/pods/p/eviction', made],
    ['/api/v1/namespaces/n/pods/p/scale', none],
    ['/api/v1/namespaces/n/pods/p/status/more', none],
    ['/api/v1/namespaces/n/serviceaccounts/a/token', made],
    // Across all namespaces, only lists are possible.
    ['/api/v1/pods', read],
    ['/api/v1/pods/p', none],
    ['/apis/apps/v1/namespaces/n/deployments/d/scale', part],
    ['/apis/apps/v1/namespaces/n/controllerrevisions/c/status', none],
    // A kind without namespaces.
    ['/api/v1/nodes', list!],
    ['/api/v1/nodes/n', one!],
    ['/api/v1/namespaces/n/nodes', none],
    // Namespaces are deleted one by one, and finalized by their controller.
    ['/api/v1/namespaces', ['list', 'create', 405, 405, 405]],
    ['/api/v1/namespaces/n/finalize', ['get', 405, 'update', 405, 405]],
    ['/apis/certificates.k8s.io/v1/certificatesigningrequests/c/approval', part],
    // A review can only be created.
    ['/apis/authorization.k8s.io/v1/subjectaccessreviews', made],
    ['/apis/authentication.k8s.io/v1/tokenreviews', made],
    ['/api/v1/componentstatuses', read],
    // The old form of a watch.
    ['/api/v1/watch/pods', ['watch', 405, 405, 405, 405]],
    ['/api/v1/watch/namespaces/n/pods/p', ['watch', 405, 405, 405, 405]],
    ['/api/v1/watch/pods/p', none],
    ['/api/v1/nothings', none],
    ['/apis/none/v1/pods', none],
  ]
  for (const [path, answers] of table)
    deepStrictEqual(
      methods.map(method => answer(method, path)),
      answers,
      path,
    )
})

test('a list becomes a watch if the query asks for it, and a get does not', () => {
  const table: [path: string, expected: string | number][] = [
    ['/api/v1/namespaces/n/pods', 'watch'],
    ['/api/v1/pods', 'watch'],
    ['/api/v1/namespaces/n/pods/p', 'get'],
    ['/api/v1/componentstatuses', 'list'],
  ]
  for (const [path, expected] of table) strictEqual(answer('GET', path, true), expected, path)
  strictEqual(answer('TRACE', '/api/v1/pods'), 405)
  strictEqual(answer('constructor', '/api/v1/pods'), 405)
})

test('a request is authorized by its method, whether or not there is a route', () => {
  const [all, one, watch] = ['/api/v1/pods', '/api/v1/namespaces/n/pods/p', '/api/v1/watch/pods'].map(
    path => parsePath(path)!,
  )
  const table: [method: string, path: ResourcePath, verb: string][] = [
    ['GET', all!, 'list'],
    ['GET', one!, 'get'],
    ['GET', watch!, 'watch'],
    ['HEAD', one!, 'get'],
    ['POST', all!, 'create'],
    ['PUT', one!, 'update'],
    ['PATCH', one!, 'patch'],
    ['DELETE', one!, 'delete'],
    ['DELETE', all!, 'deletecollection'],
  ]
  for (const [method, path, verb] of table) strictEqual(verbOfMethod(method, path), verb, method)
  throws(() => verbOf(kinds.find(all!)!, all!, 'PUT', false, () => true), { reason: 'MethodNotAllowed' })
})
