// The part of JSONPath that columns and scale paths use: `.spec.replicas`, `.metadata.labels.app\.io/x`,
// `.status.conditions[?(@.type=="Ready")].status`, `[0]`, `[*]`.
import type { Json, JsonObject } from './schema/node.ts'

type Step = { field: string } | { index: number } | { all: true } | { where: string[]; equals: string }

const compiled = new Map<string, Step[]>()
const maxCompiled = 2_000

/** Splits a path into steps. Throws for syntax that is not supported. */
function compilePath(path: string): Step[] {
  const known = compiled.get(path)
  if (known) return known
  const steps: Step[] = []
  const pattern =
    /\.((?:\\.|[^.[\]\\])+)|\[(\d+)\]|\[(\*)\]|\[['"]([^'"]*)['"]\]|\[\?\(@((?:\.[\w-]+)+)\s*==\s*['"]([^'"]*)['"]\)\]/gy
  let at = 0
  for (let match = pattern.exec(path); match; match = pattern.exec(path)) {
    at = pattern.lastIndex
    const [, field, index, all, quoted, where, equals] = match
    if (index !== undefined) steps.push({ index: Number(index) })
    else if (all) steps.push({ all: true })
    else if (where) steps.push({ where: where.slice(1).split('.'), equals: equals! })
    else steps.push({ field: (field ?? quoted)!.replace(/\\(.)/g, '$1') })
  }
  if (at !== path.length)
    throw new Error(`JSONPath ${JSON.stringify(path)}: cannot read ${JSON.stringify(path.slice(at))}`)
  if (compiled.size >= maxCompiled) compiled.clear()
  compiled.set(path, steps)
  return steps
}

/** All values at a path. */
export function readAll(value: unknown, path: string): Json[] {
  return compilePath(path).reduce<Json[]>((values, step) => values.flatMap(v => take(v, step)), [value as Json])
}

/** The first value at a path; undefined without one. */
export const readPath = (value: unknown, path: string): Json | undefined => readAll(value, path)[0]

function take(value: Json, step: Step): Json[] {
  if (value === null || typeof value !== 'object') return []
  if ('field' in step) {
    const found = Array.isArray(value) ? undefined : value[step.field]
    return found === undefined ? [] : [found]
  }
  if ('index' in step) return Array.isArray(value) && step.index < value.length ? [value[step.index]!] : []
  const elements = Array.isArray(value) ? value : Object.values(value)
  if ('all' in step) return elements
  return elements.filter(
    e => step.where.reduce<Json | undefined>((v, name) => (v as JsonObject | undefined)?.[name], e) === step.equals,
  )
}

/** Sets the value at a path of plain fields, and creates objects on the way. */
export function writePath(target: object, path: string, value: Json): void {
  const fields = compilePath(path).map(step => ('field' in step ? step.field : ''))
  let object = target as JsonObject
  for (const field of fields.slice(0, -1)) object = (object[field] ??= {}) as JsonObject
  object[fields.at(-1)!] = value
}
