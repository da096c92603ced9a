// Reads what another server says about its resources. Nothing of it is trusted: what lacks a name or has the wrong form
// is left out, and unknown fields are dropped. Source: apidiscovery.k8s.io/v2; meta/v1 (APIResourceList).
import type { Json, JsonObject } from '../../api/schema/node.ts'

/** Limits of what one server may list for a group and version. */
const maxResources = 2000
const maxWords = 100

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const listOf = (value: Json | undefined): readonly Json[] => (Array.isArray(value) ? value : [])
const textOf = (value: Json | undefined) => (typeof value === 'string' ? value : '')
const wordsOf = (value: Json | undefined): string[] =>
  listOf(value)
    .filter(word => typeof word === 'string')
    .slice(0, maxWords)

/** The resources of a group and version in an APIGroupDiscoveryList. Undefined if it is none or lacks the version. */
export function readGroupVersion(document: Json, group: string, version: string): JsonObject[] | undefined {
  if (!isObject(document) || document.kind !== 'APIGroupDiscoveryList') return undefined
  const found = listOf(document.items)
    .filter(isObject)
    .find(({ metadata }) => (isObject(metadata) ? textOf(metadata.name) : '') === group)
  const wanted = listOf(found?.versions)
    .filter(isObject)
    .find(one => one.version === version)
  return wanted && listOf(wanted.resources).filter(isObject).slice(0, maxResources).flatMap(resource)
}

function resource(given: JsonObject): JsonObject[] {
  const responseKind = kindOf(given.responseKind)
  if (!textOf(given.resource) || !responseKind) return []
  const subresources = listOf(given.subresources)
    .filter(isObject)
    .flatMap(one =>
      textOf(one.subresource) ? [subresource(textOf(one.subresource), one, kindOf(one.responseKind))] : [],
    )
  return [
    {
      resource: textOf(given.resource),
      responseKind,
      scope: given.scope === 'Namespaced' ? 'Namespaced' : 'Cluster',
      singularResource: textOf(given.singularResource),
      ...described(given),
      ...(subresources.length && { subresources }),
    },
  ]
}

/** Verbs, short names and categories, which have the same names in both forms. */
function described(given: JsonObject): JsonObject {
  const [shortNames, categories] = [wordsOf(given.shortNames), wordsOf(given.categories)]
  return {
    verbs: wordsOf(given.verbs),
    ...(shortNames.length && { shortNames }),
    ...(categories.length && { categories }),
  }
}

const subresource = (name: string, given: JsonObject, responseKind: JsonObject | undefined): JsonObject => ({
  subresource: name,
  ...(responseKind && { responseKind }),
  verbs: wordsOf(given.verbs),
})

function kindOf(given: Json | undefined): JsonObject | undefined {
  if (!isObject(given) || !textOf(given.kind)) return undefined
  return { group: textOf(given.group), version: textOf(given.version), kind: textOf(given.kind) }
}

/** The resources of an APIResourceList, in the aggregated form. Undefined if it is none. */
export function readResourceList(document: Json): JsonObject[] | undefined {
  if (!isObject(document) || document.kind !== 'APIResourceList') return undefined
  const all = listOf(document.resources).filter(isObject).slice(0, maxResources)
  const below = (name: string) =>
    all.flatMap(one => {
      const [plural, sub] = textOf(one.name).split('/')
      return plural === name && sub ? [subresource(sub, one, kindOf(one))] : []
    })
  return all.flatMap(given => {
    const name = textOf(given.name)
    const responseKind = kindOf(given)
    if (!name || name.includes('/') || !responseKind) return []
    const subresources = below(name)
    return [
      {
        resource: name,
        responseKind,
        scope: given.namespaced === true ? 'Namespaced' : 'Cluster',
        singularResource: textOf(given.singularName),
        ...described(given),
        ...(subresources.length && { subresources }),
      },
    ]
  })
}
