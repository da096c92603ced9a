// An API server for tests of this room: the real one over the memory store, with a virtual clock and any user that a
// test needs. It starts with the namespace `default` and its service account, and nothing else.
import { generateKeyPairSync } from 'node:crypto'
import type { TestContext } from 'node:test'
import { VirtualClock } from '../base/clock.ts'
import { silentLog } from '../base/log.ts'
import { seededRandom } from '../base/random.ts'
import type { AnyKind, Draft, Kind, KubeObject } from '../api/kind.ts'
import type { Item } from '../api/mirror.ts'
import type { Operation, OperationVerb, PatchType, Serve, ServedResult, User } from '../api/operation.ts'
import type { Json, JsonObject } from '../api/schema/node.ts'
import { builtinKinds } from '../kinds/all.ts'
import { Namespace } from '../kinds/core/namespace.ts'
import { ServiceAccount } from '../kinds/core/serviceaccount.ts'
import { openMemoryStore, type Store } from '../store/index.ts'
import type { PluginSwitches } from './admission/plugins.ts'
import type { Decision } from './authz/authorizer.ts'
import type { AuthorizerChoice } from './authz/chosen.ts'
import type { ServerCore } from './core.ts'
import type { Encryption } from './encryption/encryption.ts'
import { tokenIssuer } from './issuer.ts'
import { openServer } from './open.ts'

type More = Partial<Omit<Operation, 'kind' | 'verb'>>

/** Sends a user's requests to a server. A key is `name` or `namespace/name`; drafts contain their own. */
export class Caller {
  readonly #serve: Serve
  readonly user: User

  constructor(serve: Serve, user: User) {
    this.#serve = serve
    this.user = user
  }

  ask(verb: OperationVerb, kind: AnyKind, more: More = {}): Promise<ServedResult> {
    const plain = { subresource: '', namespace: '', name: '', options: {}, userAgent: 'test' }
    return this.#serve({ verb, kind, user: this.user, ...plain, ...more })
  }

  /** Creates an object, in the namespace `default` unless the draft names one or the kind has none. */
  async create<T extends KubeObject>(kind: Kind<T>, draft: Draft<T>, more: More = {}): Promise<T> {
    const { namespace = 'default' } = (draft as Draft<KubeObject>).metadata ?? {}
    return objectOf<T>(await this.ask('create', kind, { ...at(kind, namespace), body: draft as Json, ...more }))
  }

  async get<T extends KubeObject>(kind: Kind<T>, key: string, more: More = {}): Promise<T> {
    return objectOf<T>(await this.ask('get', kind, { ...placeOf(kind, key), ...more }))
  }

  async update<T extends KubeObject>(kind: Kind<T>, object: Draft<T>, more: More = {}): Promise<T> {
    const { namespace = 'default', name = '' } = (object as Draft<KubeObject>).metadata ?? {}
    return objectOf<T>(await this.ask('update', kind, { ...at(kind, namespace), name, body: object as Json, ...more }))
  }

  async patch<T extends KubeObject>(
    kind: Kind<T>,
    key: string,
    patchType: PatchType,
    body: unknown,
    more: More = {},
  ): Promise<T> {
    return objectOf<T>(await this.ask('patch', kind, { ...placeOf(kind, key), patchType, body: body as Json, ...more }))
  }

  /** Applies an object as the given field manager. */
  apply<T extends KubeObject>(kind: Kind<T>, key: string, body: object, manager: string, force = false): Promise<T> {
    const { namespace, name } = placeOf(kind, key)
    const metadata = { name, ...(namespace && { namespace }), ...(body as { metadata?: object }).metadata }
    const full = { apiVersion: kind.apiVersion, kind: kind.kind, ...body, metadata }
    return this.patch(kind, key, 'apply', full, { options: { fieldManager: manager, force } })
  }

  remove(kind: AnyKind, key: string, options: JsonObject = {}, more: More = {}): Promise<ServedResult> {
    return this.ask('delete', kind, { ...placeOf(kind, key), body: options, ...more })
  }

  async list(kind: AnyKind, more: More = {}): Promise<Extract<ServedResult, { type: 'list' }>> {
    const result = await this.ask('list', kind, more)
    if (result.type !== 'list') throw new Error(`expected a list, received ${result.type}`)
    return result
  }
}

const at = (kind: AnyKind, namespace: string) => (kind.namespaced ? { namespace } : {})

function placeOf(kind: AnyKind, key: string): { namespace: string; name: string } {
  const slash = key.indexOf('/')
  if (slash >= 0) return { namespace: key.slice(0, slash), name: key.slice(slash + 1) }
  return { namespace: kind.namespaced ? 'default' : '', name: key }
}

function objectOf<T>(result: ServedResult): T {
  if (result.type !== 'object') throw new Error(`expected an object, received ${result.type}`)
  return result.item.object as T
}

/** A decision that was made at once, as all are without servers that are asked. */
export function atOnce(decision: Decision | Promise<Decision>): Decision {
  if (decision instanceof Promise) throw new Error('the decision is not there yet')
  return decision
}

/** The names of items, in their order. */
export const namesOf = (items: readonly Item[]): string[] => items.map(item => item.object.metadata.name ?? '')

interface TestServer {
  clock: VirtualClock
  core: ServerCore
  serve: Serve
  /** A superuser. */
  admin: Caller
  as(name: string, ...groups: string[]): Caller
}

// One key for all tests.
const key = generateKeyPairSync('ec', {
  namedCurve: 'prime256v1',
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
}).privateKey

interface TestServerOptions {
  readonly isNew?: boolean
  readonly plugins?: PluginSwitches
  readonly encryption?: Encryption
  readonly authorizers?: AuthorizerChoice
}

/** Opens a server that is closed when the test ends. With `isNew: false` the store has been used by one before. */
export async function openTestServer(
  t: TestContext,
  store: Store = openMemoryStore(),
  { isNew = true, ...more }: TestServerOptions = {},
): Promise<TestServer> {
  const clock = new VirtualClock()
  const { core, serve, close } = await openServer({
    store,
    kinds: builtinKinds,
    clock,
    random: seededRandom(1),
    log: silentLog,
    tokens: tokenIssuer({ key }, clock, silentLog),
    serviceCidrs: ['10.96.0.0/16'],
    nodePorts: [30000, 32767],
    ...more,
  })
  t.after(async () => {
    await close()
    await store.close()
  })
  const as = (name: string, ...groups: string[]) =>
    new Caller(serve, { name, groups: [...groups, 'system:authenticated'] })
  const admin = as('admin', 'system:masters')
  if (!isNew) return { clock, core, serve, admin, as }
  await admin.create(Namespace, { metadata: { name: 'default' } })
  await admin.create(ServiceAccount, { metadata: { name: 'default' } })
  return { clock, core, serve, admin, as }
}
