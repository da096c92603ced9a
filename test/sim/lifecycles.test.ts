// Every operation on every kind: create, read, list, watch, patch, update, apply, write the status, delete one by one
// and by selector. The conformance suite tests this for one resource after the other.
import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { settle } from '../../src/base/clock.ts'
import { isReason } from '../../src/base/errors.ts'
import type { AnyKind, KubeObject } from '../../src/api/kind.ts'
import type { Operation, OperationResult, ServedResult, WatchEvent } from '../../src/api/operation.ts'
import type { JsonObject, Mutable } from '../../src/api/schema/node.ts'
import { builtinKinds } from '../../src/kinds/all.ts'
import { openSim, type Sim } from './cluster.ts'
import { type Example, examples } from './lifecycle-objects.ts'

const kept = builtinKinds.filter(kind => kind.plural && kind.verbs.includes('create') && kind.verbs.includes('list'))
const keyOf = (kind: AnyKind) => `${kind.group}/${kind.plural}`

test('every stored kind has an example, and no other kind has one', () => {
  deepStrictEqual(Object.keys(examples).sort(), [...new Set(kept.map(keyOf))].sort())
})

const namespace = 'lifecycle'
const selection = { labelSelector: 'test=yes' }

for (const kind of kept) {
  test(`the life of a ${kind.kind} of ${kind.apiVersion}`, async () => {
    const sim = await openSim({ controllers: false, scheduler: false })
    try {
      await new Life(sim, kind, examples[keyOf(kind)]!).live()
    } finally {
      await sim.close()
    }
  })
}

class Life {
  readonly #sim: Sim
  readonly #kind: AnyKind
  readonly #example: Example
  readonly #seen: string[] = []

  constructor(sim: Sim, kind: AnyKind, example: Example) {
    this.#sim = sim
    this.#kind = kind
    this.#example = example
  }

  async live(): Promise<void> {
    await this.#prepare()
    const ending = new AbortController()
    const watch = await this.#watch(ending.signal)
    await this.#createAndRead()
    await this.#settled()
    await this.#change()
    if (this.#kind.status && this.#example.status) await this.#changeStatus(this.#example.status)
    await this.#apply()
    await this.#end()
    await settle()
    ending.abort()
    await watch.done
    strictEqual(this.#seen.filter(e => e === `ADDED ${this.#name(1)}`).length, 1)
    ok(this.#seen.includes(`MODIFIED ${this.#name(1)}`))
    if (!this.#example.held) ok(this.#seen.includes(`DELETED ${this.#name(1)}`))
  }

  async #prepare(): Promise<void> {
    const { plane } = this.#sim
    const make = (plural: string, object: JsonObject) =>
      plane.serve({
        ...this.#operation({ verb: 'create', body: object }),
        namespace: plural === 'namespaces' ? '' : namespace,
        kind: builtinKinds.find(k => k.plural === plural && k.group === '')!,
      })
    await make('namespaces', { metadata: { name: namespace } })
    await make('serviceaccounts', { metadata: { name: 'default', namespace } })
  }

  #name(n: number): string {
    return this.#example.name?.(n) ?? `one${n}`
  }

  #operation(more: Partial<Operation>): Operation {
    return {
      verb: 'get',
      kind: this.#kind,
      subresource: '',
      namespace: this.#kind.namespaced ? namespace : '',
      name: '',
      user: { name: 'tester', groups: ['system:masters'] },
      options: {},
      ...more,
    }
  }

  #serve(more: Partial<Operation>): Promise<ServedResult> {
    return this.#sim.plane.serve(this.#operation(more))
  }

  async #object(more: Partial<Operation>): Promise<KubeObject & JsonObject> {
    const result = await this.#serve(more)
    ok(result.type === 'object', `an object was expected, not a ${result.type}`)
    return result.item.object as unknown as KubeObject & JsonObject
  }

  async #names(more: Partial<Operation>): Promise<string[]> {
    const result: OperationResult = await this.#serve({ verb: 'list', ...more })
    ok(result.type === 'list')
    return result.items.map(item => item.object.metadata.name ?? '').sort()
  }

  #body(n: number, metadata: JsonObject = { labels: { test: 'yes' } }): JsonObject {
    const { kind, apiVersion } = this.#kind
    const own = exampleFor(this.#kind, this.#example, n)
    return { kind, apiVersion, metadata: { name: this.#name(n), ...metadata }, ...structuredClone(own) }
  }

  async #watch(signal: AbortSignal): Promise<{ done: Promise<void> }> {
    const result = await this.#serve({ verb: 'watch', options: selection, signal })
    ok(result.type === 'watch')
    const read = async () => {
      for await (const events of result.events as AsyncIterable<readonly WatchEvent[]>)
        for (const { type, item } of events) this.#seen.push(`${type} ${item.object.metadata.name}`)
    }
    return { done: read() }
  }

  async #createAndRead(): Promise<void> {
    for (const n of [1, 2, 3]) {
      const made = await this.#object({
        verb: 'create',
        body: this.#body(n),
        options: { fieldValidation: 'Strict' },
      })
      ok(made.metadata.uid && made.metadata.resourceVersion && made.metadata.creationTimestamp)
      deepStrictEqual([made.kind, made.apiVersion], [this.#kind.kind, this.#kind.apiVersion])
    }
    const all = [1, 2, 3].map(n => this.#name(n)).sort()
    deepStrictEqual(await this.#names({ options: selection }), all)
    deepStrictEqual(await this.#names({ namespace: '', options: selection }), all)
    deepStrictEqual(await this.#names({ options: { fieldSelector: `metadata.name=${this.#name(2)}` } }), [
      this.#name(2),
    ])
    const again = this.#serve({ verb: 'create', body: this.#body(1) })
    await again.then(
      () => ok(false, 'the name was taken'),
      (error: unknown) => ok(isReason(error, 'AlreadyExists')),
    )
  }

  async #change(): Promise<void> {
    const name = this.#name(1)
    for (const patchType of ['merge', 'strategic'] as const) {
      const body = { metadata: { annotations: { [patchType]: 'yes' } } }
      const patched = await this.#object({ verb: 'patch', name, patchType, body })
      strictEqual(patched.metadata.annotations?.[patchType], 'yes')
    }
    const body = [{ op: 'add', path: '/metadata/annotations/json', value: 'yes' }]
    strictEqual(
      (await this.#object({ verb: 'patch', name, patchType: 'json', body })).metadata.annotations?.json,
      'yes',
    )
    const now = structuredClone(await this.#object({ name })) as Mutable<KubeObject>
    now.metadata.annotations = { ...now.metadata.annotations, updated: 'yes' }
    const updated = await this.#object({ verb: 'update', name, body: now })
    strictEqual(updated.metadata.annotations?.updated, 'yes')
    ok(Number(updated.metadata.resourceVersion) > Number(now.metadata.resourceVersion))
    await this.#serve({ verb: 'update', name, body: now }).then(
      () => ok(false, 'the version was old'),
      (error: unknown) => ok(isReason(error, 'Conflict')),
    )
  }

  async #changeStatus(status: JsonObject): Promise<void> {
    const name = this.#name(1)
    const subresource = 'status'
    const body = { metadata: { annotations: { patchedstatus: 'true' } }, status }
    const patched = await this.#object({ verb: 'patch', name, subresource, patchType: 'merge', body })
    const keptAsItWas = this.#kind.statusKeeps?.includes('annotations')
    strictEqual(patched.metadata.annotations?.patchedstatus, keptAsItWas ? undefined : 'true')
    contains(patched.status, status)
    await this.#settled()
    const read = structuredClone(await this.#object({ name, subresource }))
    contains(read.status, status)
    const updated = await this.#object({ verb: 'update', name, subresource, body: read })
    contains(updated.status, status)
  }

  async #apply(): Promise<void> {
    const name = this.#name(4)
    const options = { fieldManager: 'e2e', force: true }
    const patch = { verb: 'patch', name, patchType: 'apply', options } as const
    const made = await this.#serve({ ...patch, body: this.#body(4) })
    ok(made.type === 'object' && made.created)
    const second = await this.#object({ ...patch, body: this.#body(4, { labels: { test: 'yes', more: 'yes' } }) })
    strictEqual(second.metadata.labels?.more, 'yes')
    ok(second.metadata.managedFields?.some(m => m.manager === 'e2e' && m.operation === 'Apply'))
    const third = await this.#object({ ...patch, body: this.#body(4) })
    strictEqual(third.metadata.labels?.more, undefined)
  }

  /** Waits until the server itself, which writes the status of some kinds, leaves the objects alone. */
  async #settled(): Promise<void> {
    let before: string | undefined
    for (let now = ''; now !== before; ) {
      before = now
      await settle(10)
      const result = await this.#serve({ verb: 'list', options: selection })
      ok(result.type === 'list')
      now = result.items.map(({ revision }) => revision).join()
    }
  }

  async #end(): Promise<void> {
    // Without a propagation policy, the deletion of a Job leaves its pods.
    const body = { propagationPolicy: 'Background' }
    await this.#serve({ verb: 'delete', name: this.#name(1), body })
    if (this.#kind.verbs.includes('deletecollection')) {
      const result = await this.#serve({ verb: 'deletecollection', options: selection, body })
      ok(result.type === 'list')
    } else for (const n of [2, 3, 4]) await this.#serve({ verb: 'delete', name: this.#name(n), body })
    if (!this.#example.held) {
      // The finalizer of a definition is the server's own, and takes a moment.
      for (let i = 0; i < 100 && (await this.#names({ options: selection })).length; i++) await settle()
      return void deepStrictEqual(await this.#names({ options: selection }), [])
    }
    for (const n of [1, 2, 3, 4])
      ok((await this.#object({ name: this.#name(n) })).metadata.deletionTimestamp, 'it was only marked')
  }
}

/** Adapts the fields of an example that must match its name. */
function exampleFor(kind: AnyKind, { object = {}, name }: Example, n: number): JsonObject {
  if (kind.kind === 'CustomResourceDefinition') {
    const spec = object.spec as JsonObject
    return { spec: { ...spec, names: { ...(spec.names as JsonObject), plural: name!(n).split('.')[0]! } } }
  }
  if (kind.kind === 'APIService') return { spec: { ...(object.spec as JsonObject), version: name!(n).split('.')[0]! } }
  return object
}

/** Throws unless everything in `part` is in `whole`. */
function contains(whole: unknown, part: unknown, at = 'status'): void {
  if (typeof part !== 'object' || part === null) return strictEqual(whole, part, at)
  ok(typeof whole === 'object' && whole !== null, `${at} is missing`)
  for (const [key, value] of Object.entries(part)) contains((whole as JsonObject)[key], value, `${at}.${key}`)
}
