// Random objects of every kind: valid ones in which a few fields are made absent, null, empty, extreme or unknown, and
// structs that are generated from the schema. The same seed gives the same objects.
import type { Random } from '../../src/base/random.ts'
import type { AnyKind } from '../../src/api/kind.ts'
import type { Fields, Json, JsonObject, Node } from '../../src/api/schema/node.ts'

/** The probability that a value has another type than the schema states. */
const wrongShare = 0.01
/** Generated structs are at most this deep. */
const maxDepth = 5

/** Fields that state a number of objects to create. */
const counts = new Set(['replicas', 'parallelism', 'completions', 'minReplicas', 'maxReplicas'])

const words = ['', 'a', 'web', 'default', 'node-0', 'app', 'http', '10.0.0.1', 'fd00::1', '10.0.0.0/8', '*', 'x/y']
const long = 'x'.repeat(300)
const integers = [0, 1, 2, 80, -1, 65_535, 2 ** 31 - 1, -(2 ** 31)]
const scalars: Readonly<Record<string, readonly Json[]>> = {
  string: [...words, long, 'Unknown', 'ä'],
  bool: [true, false],
  int32: integers,
  int64: [...integers, 2 ** 53 - 1, -(2 ** 53) + 1],
  double: [0, 0.5, -1, 1e300],
  bytes: ['', 'dmFsdWU='],
  quantity: ['0', '1', '100m', '1Gi', '-1', '1e18', '0.001', '5'],
  intOrString: [0, 80, -1, '50%', '0%', '101%', 'http', ''],
  time: ['2026-01-01T00:00:00Z', '0001-01-01T00:00:00Z', '9999-12-31T23:59:59Z', '1970-01-01T00:00:00Z'],
  microTime: ['2026-01-01T00:00:00.000000Z', '0001-01-01T00:00:00.000000Z'],
  duration: ['0s', '1h0m0s', '-5s', '1ns'],
  json: [{}, [], 'x', 1, { a: [1] }],
}

export class Fuzz {
  readonly #random: Random
  readonly #nullShare: number

  /** @param nullShare the probability that a value is null */
  constructor(random: Random, nullShare: number) {
    this.#random = random
    this.#nullShare = nullShare
  }

  chance(share: number): boolean {
    return this.#random.float() < share
  }

  pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random.float() * list.length)]!
  }

  /** Returns a copy of an object of this kind with `changes` random changes. */
  object(kind: AnyKind, example: JsonObject, changes: number): JsonObject {
    const copy = structuredClone(example)
    const { kind: _, apiVersion: __, metadata: ___, ...fields } = kind.schema.fields
    for (let i = 0; i < changes; i++) this.#change(copy, fields)
    return copy
  }

  /** Generates a status of this kind. */
  status(kind: AnyKind): Json {
    const node = kind.schema.fields.status
    return node ? this.value(node, 0) : {}
  }

  /** Generates labels, annotations, owners and finalizers, which may be wrong. */
  metadata(name: string, namespace: string | undefined): JsonObject {
    const nothing = this.chance(this.#nullShare * 5) ? null : undefined
    const owner = {
      apiVersion: this.pick(['v1', 'apps/v1', 'x']),
      kind: this.pick(['Pod', 'ReplicaSet', 'Node', 'Nothing']),
      name: this.pick(words),
      uid: this.pick(['', 'u', '1']),
      ...(this.chance(0.5) && { controller: this.chance(0.5) }),
    }
    return {
      name,
      ...(namespace !== undefined && { namespace }),
      ...(this.chance(0.4) && { labels: nothing ?? this.pick<JsonObject>([{}, { app: 'web' }, { app: '' }]) }),
      ...(this.chance(0.2) && { annotations: nothing ?? this.pick<JsonObject>([{}, { a: '' }, { a: long }]) }),
      ...(this.chance(0.2) && { ownerReferences: nothing ?? this.pick([[], [owner], [owner, owner]]) }),
      ...(this.chance(0.1) && { finalizers: nothing ?? this.pick([[], ['example.com/hold']]) }),
    }
  }

  /** Generates a value for a field. Half of the optional fields of structs are absent. */
  value(node: Node, depth: number, name = ''): Json {
    if (this.chance(this.#nullShare)) return null
    if (this.chance(wrongShare)) return this.pick<Json>(['x', 1, true, [], {}, [null]])
    if (node.enum?.length && this.chance(0.85)) return this.pick(node.enum)
    if (node.type === 'list') return this.#list(node, depth)
    if (node.type === 'map')
      return Object.fromEntries(
        this.#repeat(() => [this.pick(words) || 'k', this.value(node.item!, depth + 1)] as const),
      )
    if (node.type === 'struct') return this.#struct(node.struct!().fields, depth)
    // Large numbers of objects would keep the test busy, and would test nothing more.
    if (counts.has(name)) return this.pick([0, 1, 2, 3])
    return this.pick(scalars[node.type]!)
  }

  #list(node: Node, depth: number): Json[] {
    return this.#repeat(() => this.value(node.item!, depth + 1))
  }

  #repeat<T>(make: () => T): T[] {
    return Array.from({ length: this.pick([0, 1, 1, 2, 3]) }, make)
  }

  #struct(fields: Fields, depth: number): JsonObject {
    const share = depth >= maxDepth ? 0 : 0.5 / (1 + depth / 2)
    const made: JsonObject = {}
    for (const [name, node] of Object.entries(fields))
      if (this.chance(node.required || node.always ? 0.8 : share)) made[name] = this.value(node, depth + 1, name)
    return made
  }

  /** Changes one field, at any depth. */
  #change(object: JsonObject, fields: Fields): void {
    const names = Object.keys(fields)
    if (!names.length) return
    // Changes of fields that exist find more than changes of fields that do not.
    const there = names.filter(name => object[name] !== undefined)
    const name = this.pick(there.length && this.chance(0.7) ? there : names)
    const node = fields[name]!
    const now = object[name]
    if (now && typeof now === 'object' && this.chance(0.75) && this.#changeInside(now, node)) return
    if (this.chance(0.15)) delete object[name]
    else object[name] = this.value(node, 1, name)
  }

  #changeInside(now: Json[] | JsonObject, node: Node): boolean {
    if (node.type === 'struct' && !Array.isArray(now)) {
      this.#change(now, node.struct!().fields)
      return true
    }
    if (node.type !== 'list' || !Array.isArray(now) || !now.length) return false
    const at = Math.floor(this.#random.float() * now.length)
    const element = now[at]
    if (element && typeof element === 'object' && this.chance(0.8)) return this.#changeInside(element, node.item!)
    if (this.chance(0.3)) now.push(this.value(node.item!, 1))
    else now[at] = this.value(node.item!, 1)
    return true
  }
}
