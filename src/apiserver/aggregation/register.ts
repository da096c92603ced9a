// Keeps an APIService without a service for every group and version that this server serves itself, so that
// `kubectl get apiservices` lists them all.
//
// - Those of built-in groups are looked at once after the start: what is missing is created, and what differs is
//   corrected. A user may change or delete them until the next start.
// - Those of CustomResourceDefinitions are kept: created again when deleted, corrected when changed, and deleted with
//   the last definition of their version.
// - The label `kube-aggregator.kubernetes.io/automanaged` marks both. An APIService without it is a user's, and is
//   never changed, even if this server has the group and version too.
// - metrics.k8s.io has none, so that a user can install a metrics server with its own.
//
// Source: kube-aggregator pkg/controllers/autoregister, pkg/controlplane/controller/crdregistration.
import { Chore } from '../../base/chore.ts'
import { isReason, messageOf } from '../../base/errors.ts'
import { sameJson } from '../../api/equal.ts'
import type { Mirror } from '../../api/mirror.ts'
import type { Operation, Serve } from '../../api/operation.ts'
import { asJson, type JsonObject } from '../../api/schema/node.ts'
import { APIService } from '../../kinds/apiregistration/apiservice.ts'
import { CustomResourceDefinition } from '../../kinds/apiextensions/customresourcedefinition.ts'
import type { ServerCore } from '../core.ts'
import { builtinPriority, customPriority, type Priority } from './priorities.ts'
import { self } from '../self.ts'

export const managedLabel = 'kube-aggregator.kubernetes.io/automanaged'
type Mode = 'onstart' | 'true'

export interface Wanted {
  mode: Mode
  spec: JsonObject
}

const retryMs = { first: 200, max: 30_000 }

export class Registration {
  readonly #serve: Serve
  readonly #services: Mirror<APIService>
  readonly #definitions: Mirror<CustomResourceDefinition>
  readonly #abort = new AbortController()
  readonly #chore: Chore
  readonly #builtin: ReadonlyMap<string, Wanted>
  /** The APIServices that existed at the start, and those that have been looked at since. */
  readonly #atStart: ReadonlySet<string>
  readonly #synced = new Set<string>()
  #unsubscribe: readonly (() => void)[] = []

  constructor(core: ServerCore, serve: Serve) {
    this.#serve = serve
    this.#services = core.storage.mirror(APIService)
    this.#definitions = core.storage.mirror(CustomResourceDefinition)
    this.#atStart = new Set(this.#services.list().map(({ metadata }) => metadata.name ?? ''))
    this.#builtin = builtin(core)
    const failed = (error: unknown) =>
      core.log.warn('an APIService could not be kept, will be retried', { why: messageOf(error) })
    const retry = { clock: core.clock, firstMs: retryMs.first, maxMs: retryMs.max, failed }
    this.#chore = new Chore({ signal: this.#abort.signal, retry }, () => this.#reconcile())
  }

  /** Resolves after the first look at all of them, so that a server is complete when it is ready. */
  async start(): Promise<void> {
    const wake = () => this.#chore.wake()
    // What fails is tried again in the background, with the log that goes with it.
    await this.#reconcile().catch(() => {})
    this.#unsubscribe = [
      this.#services.subscribe(wake, 'registration of groups'),
      this.#definitions.subscribe(wake, 'registration of groups'),
    ]
    wake()
  }

  async close(): Promise<void> {
    this.#abort.abort()
    for (const end of this.#unsubscribe) end()
    await this.#chore.settled()
  }

  /** Looks at every APIService. The failure of one does not keep the others; it is thrown after them. */
  async #reconcile(): Promise<void> {
    const wanted = new Map([...custom(this.#definitions.list()), ...this.#builtin])
    const names = new Set([...wanted.keys(), ...this.#services.list().map(({ metadata }) => metadata.name ?? '')])
    const results = await Promise.allSettled([...names].map(name => this.#reconcileOne(name, wanted.get(name))))
    for (const result of results) if (result.status === 'rejected') throw result.reason
  }

  async #reconcileOne(name: string, wanted: Wanted | undefined): Promise<void> {
    const current = this.#services.get(undefined, name)
    const step = planRegistration(wanted, current, { synced: this.#synced.has(name), atStart: this.#atStart.has(name) })
    if (step) await this.#do(step, name, wanted, current)
    this.#synced.add(name)
  }

  async #do(step: Step, name: string, wanted: Wanted | undefined, current: APIService | undefined): Promise<void> {
    const more = { subresource: '', namespace: '', user: self, options: {}, userAgent: 'kutter-apiserver' }
    const operation: Operation = { verb: step, kind: APIService, name: step === 'create' ? '' : name, ...more }
    if (step === 'create')
      operation.body = { metadata: { name, labels: { [managedLabel]: wanted!.mode } }, spec: wanted!.spec }
    if (step === 'update') operation.body = { ...(asJson(current!) as JsonObject), spec: wanted!.spec }
    try {
      await this.#serve(operation)
    } catch (error) {
      // Somebody else was faster. The change of theirs leads to another look.
      if (!isReason(error, 'AlreadyExists', 'NotFound', 'Conflict')) throw error
    }
  }
}

type Step = 'create' | 'update' | 'delete'

/** What to do about one APIService, given what is wanted of it and whether it has been looked at since the start. */
export function planRegistration(
  wanted: Wanted | undefined,
  current: Pick<APIService, 'metadata' | 'spec'> | undefined,
  { synced, atStart }: { synced: boolean; atStart: boolean },
): Step | undefined {
  if (wanted?.mode === 'onstart' && synced) return undefined
  if (!current) return wanted && 'create'
  const mode = current.metadata.labels?.[managedLabel]
  if (mode !== 'onstart' && mode !== 'true') return undefined
  if (mode === 'onstart' && (synced || !atStart)) return undefined
  if (!wanted) return 'delete'
  return sameJson(asJson(current.spec), wanted.spec) ? undefined : 'update'
}

const specOf = (group: string, version: string, priority: Priority): JsonObject => ({
  ...(group && { group }),
  version,
  groupPriorityMinimum: priority.group,
  versionPriority: priority.version,
})

function builtin({ catalog }: ServerCore): ReadonlyMap<string, Wanted> {
  const wanted = new Map<string, Wanted>()
  for (const { group, version, plural, custom: isCustom } of catalog.all) {
    const priority = builtinPriority(group, version)
    if (!plural || isCustom || !priority) continue
    wanted.set(`${version}.${group}`, { mode: 'onstart', spec: specOf(group, version, priority) })
  }
  return wanted
}

function* custom(definitions: readonly CustomResourceDefinition[]): Iterable<[string, Wanted]> {
  for (const { spec } of definitions)
    for (const { name, served } of spec.versions)
      if (served) yield [`${name}.${spec.group}`, { mode: 'true', spec: specOf(spec.group, name, customPriority) }]
}
