// Serves the kinds of CustomResourceDefinitions, and follows the definitions as they are created, changed and deleted.
//
//   created ─► names accepted, Established ─► its objects opened in storage ─► its kinds in the catalog
//   deleted ─► terminating: no creations ─► all objects deleted ─► finalizer removed ─► kinds and storage dropped
//
// - Each definition is reconciled by itself, after each of its changes, never twice at the same time. A failure is
//   logged with the name and retried with back-off, and does not affect other definitions.
// - When a definition is removed, those of its group whose names were in conflict are reconciled again.
// - When a definition changes, all its kinds are replaced. Open watches go on with the old schema, and end when the
//   definition is removed.
//
// Source: apiextensions-apiserver pkg/apiserver/customresource_handler.go, pkg/controller/{status,establish,finalizer}.
import { Chore } from '../../base/chore.ts'
import type { Clock } from '../../base/clock.ts'
import { isReason, messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { sameJson } from '../../api/equal.ts'
import { type AnyKind, asObject, type KubeObject } from '../../api/kind.ts'
import type { Operation, Serve } from '../../api/operation.ts'
import type { Mirror } from '../../api/mirror.ts'
import type { Mutable } from '../../api/schema/node.ts'
import { timeText } from '../../api/time.ts'
import { conditionOf, isTrue } from '../../kinds/apiextensions/conditions.ts'
import { CustomResourceDefinition } from '../../kinds/apiextensions/customresourcedefinition.ts'
import { cleanupFinalizer } from '../../kinds/apiextensions/terminating.ts'
import { customKinds } from '../../kinds/custom/kind.ts'
import type { Convert } from '../../kinds/custom/versions.ts'
import type { Catalog } from '../catalog.ts'
import type { Registry } from '../registry.ts'
import type { Storage } from '../storage.ts'
import { self } from '../self.ts'
import { planStatus, takenNames, withCondition } from './names.ts'

type Definition = CustomResourceDefinition

interface DefinitionsOptions {
  storage: Storage
  registry: Registry
  catalog: Catalog
  serve: Serve
  convert: Convert
  clock: Clock
  log: Log
}

const retryMs = { first: 200, max: 30_000 }

export class Definitions {
  readonly #options: DefinitionsOptions
  readonly #mirror: Mirror<Definition>
  readonly #chores = new Map<string, Chore>()
  readonly #abort = new AbortController()
  /** What the kinds in the catalog were made from, by the name of their definition. */
  readonly #served = new Map<
    string,
    Pick<Definition, 'spec'> & { names: object; terminating: boolean; kinds: readonly AnyKind[] }
  >()

  constructor(options: DefinitionsOptions) {
    this.#options = options
    this.#mirror = options.storage.mirror(CustomResourceDefinition)
  }

  /** Serves the established definitions of the store, and follows all changes from then on. */
  async start(): Promise<void> {
    for (const definition of this.#mirror.list()) if (isTrue(definition, 'Established')) await this.#serve(definition)
    this.#mirror.follow(({ item }) => this.#wake(item.object.metadata.name ?? ''), 'definitions')
  }

  async close(): Promise<void> {
    this.#abort.abort()
    await Promise.all([...this.#chores.values()].map(chore => chore.settled()))
  }

  #wake(name: string): void {
    let chore = this.#chores.get(name)
    if (!chore) {
      const { clock, log } = this.#options
      const failed = (error: unknown) =>
        log.warn('a CustomResourceDefinition could not be served, will be retried', { name, why: messageOf(error) })
      chore = new Chore(
        {
          signal: this.#abort.signal,
          retry: { clock, firstMs: retryMs.first, maxMs: retryMs.max, failed },
        },
        () => this.#reconcile(name),
      )
      this.#chores.set(name, chore)
    }
    chore.wake()
  }

  async #reconcile(name: string): Promise<void> {
    const definition = this.#mirror.get(undefined, name)
    if (!definition) return this.#drop(name)
    if (definition.metadata.deletionTimestamp) return this.#terminate(definition)
    const now = timeText(this.#options.clock.now())
    const status = planStatus(definition, takenNames(definition, this.#mirror.list()), now)
    // The update of the status leads to another reconcile.
    if (status !== definition.status) return this.#update(definition, next => Object.assign(next, { status }))
    if (isTrue(definition, 'Established')) await this.#serve(definition)
  }

  /** Puts the kinds of a definition into the catalog, unless it has them already. */
  async #serve(definition: Definition): Promise<void> {
    const { spec, status, metadata } = definition
    const { name = '', deletionTimestamp } = metadata
    const before = this.#served.get(name)
    const made = { spec, names: status.acceptedNames, terminating: deletionTimestamp !== undefined }
    if (
      before?.terminating === made.terminating &&
      sameJson(before.spec, spec) &&
      sameJson(before.names, status.acceptedNames)
    )
      return
    const { catalog, storage, convert } = this.#options
    const kinds = customKinds(definition, convert)
    const stored = kinds[0]
    if (stored && !catalog.isFixed(stored)) await storage.open(stored)
    this.#served.set(name, { ...made, kinds })
    catalog.set(name, kinds)
  }

  #drop(name: string): void {
    this.#chores.delete(name)
    const { catalog, storage } = this.#options
    const served = this.#served.get(name)
    this.#served.delete(name)
    catalog.set(name, [])
    const [kind] = served?.kinds ?? []
    if (kind && !catalog.isFixed(kind)) storage.drop(kind)
    const group = name.slice(name.indexOf('.') + 1)
    for (const other of this.#mirror.list())
      if (other.spec.group === group && !isTrue(other, 'NamesAccepted')) this.#wake(other.metadata.name ?? '')
  }

  /** Deletes the objects of a definition, and then removes its finalizer. */
  async #terminate(definition: Definition): Promise<void> {
    if (isTrue(definition, 'Established')) await this.#serve(definition)
    if (!definition.metadata.finalizers?.includes(cleanupFinalizer)) return
    if (!isTrue(definition, 'Established'))
      return this.#release(definition, 'NeverEstablished', 'resource was never established')
    const kind = this.#served.get(definition.metadata.name ?? '')?.kinds[0]
    if (kind && !this.#options.catalog.isFixed(kind)) {
      if (conditionOf(definition, 'Terminating')?.reason === 'InstanceDeletionPending')
        return this.#setTerminating(definition, {
          status: 'True',
          reason: 'InstanceDeletionInProgress',
          message: 'CustomResource deletion is in progress',
        })
      await this.#deleteAll(kind)
    }
    await this.#release(definition, 'InstanceDeletionCompleted', 'removed all instances')
  }

  /** Deletes all objects of a kind, and waits until they are removed, which finalizers can delay without limit. */
  async #deleteAll(kind: AnyKind): Promise<void> {
    const { storage } = this.#options
    const { mirror } = storage.of(kind)
    for (const { metadata } of mirror.list())
      if (!metadata.deletionTimestamp) await this.#delete(kind, metadata.namespace ?? '', metadata.name ?? '')
    while (mirror.size && !this.#abort.signal.aborted)
      await new Promise<void>(resolve => {
        const done = () => {
          stop()
          this.#abort.signal.removeEventListener('abort', done)
          resolve()
        }
        const stop = mirror.subscribe(done, 'termination of a definition')
        this.#abort.signal.addEventListener('abort', done, { once: true })
      })
    this.#abort.signal.throwIfAborted()
  }

  async #delete(kind: AnyKind, namespace: string, name: string): Promise<void> {
    try {
      await this.#options.serve({ ...this.#operation(kind, name), verb: 'delete', subresource: '', namespace })
    } catch (error) {
      if (!isReason(error, 'NotFound')) throw error
    }
  }

  #release(definition: Definition, reason: string, message: string): Promise<void> {
    return this.#setTerminating(definition, { status: 'False', reason, message }, next => {
      next.metadata.finalizers = (next.metadata.finalizers ?? []).filter(finalizer => finalizer !== cleanupFinalizer)
    })
  }

  /** Sets the condition Terminating, together with another change. */
  #setTerminating(
    definition: Definition,
    condition: { status: string; reason: string; message: string },
    also?: (next: Mutable<Definition>) => void,
  ): Promise<void> {
    const now = timeText(this.#options.clock.now())
    return this.#update(definition, next => {
      const conditions = next.status.conditions ?? []
      next.status.conditions = withCondition(conditions, { type: 'Terminating', ...condition }, now)
      also?.(next)
    })
  }

  /** Changes a definition. After a conflict it does nothing, since the other write leads to another reconcile. */
  async #update(definition: Definition, change: (next: Mutable<Definition>) => unknown): Promise<void> {
    const operation = this.#operation(CustomResourceDefinition, definition.metadata.name ?? '')
    const propose = (live: KubeObject) => {
      const next = structuredClone(live) as Mutable<Definition>
      next.metadata.resourceVersion = definition.metadata.resourceVersion!
      change(next)
      return asObject(next)
    }
    try {
      await this.#options.registry.update(operation, propose, { rules: 'none', retry: false })
    } catch (error) {
      if (!isReason(error, 'NotFound', 'Conflict')) throw error
    }
  }

  #operation(kind: AnyKind, name: string): Operation {
    return { verb: 'update', kind, subresource: 'status', namespace: '', name, user: self, options: {} }
  }
}
