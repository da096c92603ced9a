// OpenAPI v2 of extension servers, which is one document for the whole cluster: what each says about its own group and
// version is taken out of its document, and added to that of this server.
//
// - Of paths that two documents have, the first one counts. A definition that differs from one of the same name is
//   added as NAME_v2, or under the next number that is free, and its references follow it.
// - Parameters are put where they are referred to, so there are no names of parameters that could differ.
// - A document that is not in the form of OpenAPI, or is nested deeper than 200 levels, is left out as a whole.
//
// Source: kube-aggregator pkg/controllers/openapi/aggregator; kube-openapi pkg/aggregator.
import { sameJson } from '../../api/equal.ts'
import type { Json, JsonObject } from '../../api/schema/node.ts'
import { encodeOpenAPIv2 } from '../openapi/gnostic.ts'

/** The part of a document that is about one group and version. */
export interface Swagger {
  readonly paths: JsonObject
  readonly definitions: JsonObject
}

const maxDepth = 200
const definitionMark = '#/definitions/'
const parameterMark = '#/parameters/'
const gvkField = 'x-kubernetes-group-version-kind'

/**
 * What a document says about the paths below `prefix`, such as `apis/metrics.k8s.io/v1beta1`. Throws if it is not in the
 * form of OpenAPI. Undefined if it has no such path.
 */
export function readSwagger(document: Json, prefix: string): Swagger | undefined {
  if (!isObject(document) || !isObject(document.paths)) throw new Error('the document has no paths')
  const all = isObject(document.definitions) ? document.definitions : {}
  const parameters = isObject(document.parameters) ? document.parameters : {}
  const kept = Object.entries(document.paths).filter(([path]) => path.startsWith(`/${prefix}/`))
  if (!kept.length) return undefined
  const paths = mapped(Object.fromEntries(kept), node => {
    const name = referred(node, parameterMark)
    return name === undefined ? node : (own(parameters, name) ?? {})
  }) as JsonObject
  const definitions = new Map<string, Json>()
  const waiting = references(paths)
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const definition = own(all, name)
    if (definitions.has(name) || definition === undefined) continue
    definitions.set(name, definition)
    waiting.push(...references(definition))
  }
  const swagger = { paths, definitions: Object.fromEntries(definitions) }
  // What can be encoded has the right form, so that requests for the whole document cannot fail because of it.
  encodeOpenAPIv2({ swagger: '2.0', info: {}, ...swagger })
  return swagger
}

/** A document of this server, with those of other servers, of which the first has precedence. */
export function mergeSwagger(document: JsonObject, others: readonly Swagger[]): JsonObject {
  if (!others.length) return document
  const paths = new Map(Object.entries(document.paths as JsonObject))
  const definitions = new Map(Object.entries(document.definitions as JsonObject))
  for (const other of others) {
    const names = planNames(definitions, other.definitions)
    const renamed = (node: JsonObject): Json => {
      const name = referred(node, definitionMark)
      const to = name === undefined ? undefined : names.get(name)
      return to === undefined || to === name ? node : { ...node, $ref: definitionMark + to }
    }
    for (const [name, definition] of Object.entries(other.definitions)) {
      const to = names.get(name)!
      const before = definitions.get(to)
      definitions.set(
        to,
        before ? withKinds(before as JsonObject, definition as JsonObject) : mapped(definition, renamed),
      )
    }
    for (const [path, item] of Object.entries(other.paths)) if (!paths.has(path)) paths.set(path, mapped(item, renamed))
  }
  return { ...document, paths: Object.fromEntries(paths), definitions: Object.fromEntries(definitions) }
}

/** The names under which definitions are added: their own, unless it belongs to another definition already. */
function planNames(taken: ReadonlyMap<string, Json>, added: JsonObject): Map<string, string> {
  const isFree = (name: string, definition: Json) => {
    const before = taken.get(name)
    return before === undefined ? true : sameJson(withoutKinds(before), withoutKinds(definition))
  }
  return new Map(
    Object.entries(added).map(([name, definition]) => {
      let to = name
      for (let i = 2; !isFree(to, definition) || (to !== name && Object.hasOwn(added, to)); i++) to = `${name}_v${i}`
      return [name, to]
    }),
  )
}

const withoutKinds = (definition: Json): Json => {
  const { [gvkField]: _kinds, ...rest } = definition as JsonObject
  return rest
}

/** A definition that stands for the kinds of another one too. */
function withKinds(definition: JsonObject, other: JsonObject): JsonObject {
  const [kinds, more] = [definition, other].map(one => (Array.isArray(one[gvkField]) ? one[gvkField] : []))
  const added = more!.filter(kind => !kinds!.some(known => sameJson(known, kind)))
  return added.length ? { ...definition, [gvkField]: [...kinds!, ...added] } : definition
}

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const own = (object: JsonObject, name: string): Json | undefined =>
  Object.hasOwn(object, name) ? object[name] : undefined

/** The name that a node refers to. Undefined if it is no such reference. */
const referred = ({ $ref }: JsonObject, mark: string): string | undefined =>
  typeof $ref === 'string' && $ref.startsWith(mark) ? $ref.slice(mark.length) : undefined

/** A copy of a value in which each object, with its changed content, is replaced. */
function mapped(value: Json, replace: (node: JsonObject) => Json, depth = 0): Json {
  if (depth > maxDepth) throw new Error(`the document is nested deeper than ${maxDepth} levels`)
  if (Array.isArray(value)) return value.map(element => mapped(element, replace, depth + 1))
  if (!isObject(value)) return value
  const entries = Object.entries(value).map(([name, field]) => [name, mapped(field, replace, depth + 1)] as const)
  return replace(Object.fromEntries(entries))
}

/** The names of all definitions that a value refers to. */
function references(value: Json): string[] {
  const found: string[] = []
  mapped(value, node => {
    const name = referred(node, definitionMark)
    if (name !== undefined) found.push(name)
    return node
  })
  return found
}
