// Parses the path of a URL into the resource that it names.
// Source: API concepts "resource URIs"; apiserver request/requestinfo.go.

/** A path below /api or /apis that names a resource. */
export interface ResourcePath {
  group: string
  version: string
  namespace: string
  plural: string
  name: string
  subresource: string
  /** The path after a subresource, as in .../proxy/some/path, without the leading slash. */
  rest: string
  /** Whether the path has the old form of watches, /api/v1/watch/… */
  watch: boolean
}

/** Parses a path. Undefined when it is not a resource, or has malformed escapes. */
export function parsePath(pathname: string): ResourcePath | undefined {
  let parts: string[]
  try {
    parts = pathname.split('/').slice(1).map(decodeURIComponent)
  } catch {
    return undefined
  }
  const core = parts[0] === 'api'
  if (!core && parts[0] !== 'apis') return undefined
  const [group, version] = core ? ['', parts[1]] : [parts[1], parts[2]]
  let rest = parts.slice(core ? 2 : 3)
  // A slash at the end is ignored, except for a proxied program.
  if (rest.at(-1) === '' && !rest.includes('proxy')) rest = rest.slice(0, -1)
  if (!version || rest.length === 0 || rest[0] === '') return undefined
  const watch = rest[0] === 'watch' && rest.length > 1
  if (watch) rest = rest.slice(1)
  let namespace = ''
  // /namespaces/x/status and /namespaces/x/finalize are subresources of the namespace itself.
  if (
    rest[0] === 'namespaces' &&
    rest.length > 2 &&
    !(core && rest.length === 3 && ['status', 'finalize'].includes(rest[2]!))
  ) {
    namespace = rest[1]!
    rest = rest.slice(2)
  }
  const [plural = '', name = '', subresource = '', ...tail] = rest
  if ([namespace, name, plural].some(part => part.includes('/'))) return undefined
  if ([namespace, plural].some(part => part === '.' || part === '..')) return undefined
  return { group: group!, version, namespace, plural, name, subresource, rest: tail.join('/'), watch }
}
