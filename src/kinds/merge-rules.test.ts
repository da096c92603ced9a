// Who owns what in server-side apply and how lists merge: the same as in the OpenAPI document of Kubernetes.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { openAPIName } from '../api/schema/build.ts'
import type { JsonObject, Node, Struct } from '../api/schema/node.ts'
import { builtinKinds } from './all.ts'

const document = new URL('../../../shared/kubernetes/openapi-v1.36.json', import.meta.url)

interface Definition extends JsonObject {
  properties: { [name: string]: JsonObject }
}

/** Fields whose shape changed after the document was written. */
const newer = new Set(['core.v1.PodStatus.nodeAllocatableResourceClaimStatuses'])

test('lists and maps merge as upstream says', {
  skip: existsSync(document) ? false : 'no ../shared/kubernetes here',
}, () => {
  const { definitions } = JSON.parse(readFileSync(document, 'utf8')) as { definitions: Record<string, Definition> }
  const problems: string[] = []
  for (const struct of allStructs()) {
    const definition = definitions[openAPIName(struct.name)]
    if (!definition) continue
    if ((definition['x-kubernetes-map-type'] === 'atomic') !== struct.atomic) problems.push(`${struct.name}: atomic`)
    for (const [name, node] of Object.entries(struct.fields)) {
      const property = definition.properties?.[name]
      const at = `${struct.name}.${name}`
      if (property && !newer.has(at)) for (const what of disagreements(node, property)) problems.push(`${at}: ${what}`)
    }
  }
  assert.deepEqual(problems, [])
})

function* disagreements(node: Node, property: JsonObject): Iterable<string> {
  if (node.type === 'map' && (property['x-kubernetes-map-type'] === 'atomic') !== (node.atomic ?? false)) yield 'atomic'
  const strategy = String(property['x-kubernetes-patch-strategy'] ?? '').split(',')
  if (strategy.includes('retainKeys') !== (node.retainKeys ?? false)) yield 'retainKeys'
  if (node.type !== 'list') return
  if ((property['x-kubernetes-list-type'] ?? 'atomic') !== (node.listType ?? 'atomic')) yield 'listType'
  assert.deepEqual(property['x-kubernetes-list-map-keys'], node.keys)
  const mergeKey = strategy.includes('merge') ? (property['x-kubernetes-patch-merge-key'] ?? '') : undefined
  if (mergeKey !== node.mergeKey) yield 'mergeKey'
}

function allStructs(): Set<Struct> {
  const found = new Set<Struct>()
  const visit = (struct: Struct) => {
    if (found.has(struct)) return
    found.add(struct)
    for (const field of Object.values(struct.fields))
      for (let node: Node | undefined = field; node; node = node.item) if (node.type === 'struct') visit(node.struct!())
  }
  for (const kind of builtinKinds) visit(kind.schema)
  return found
}
