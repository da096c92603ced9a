// `serve`: the one way into the cluster's state. An operation passes authorization, then the handler of its
// resource and verb; admission and validation happen inside the registry.
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import { StatusError } from '../base/errors.ts'
import type { AnyKind } from '../api/kind.ts'
import type { Operation, Serve, ServedResult } from '../api/operation.ts'
import type { Store } from '../store/index.ts'
import { admissionChain } from './admission/chain.ts'
import { certificateAdmission } from './admission/certificates.ts'
import { defaultTolerations } from './admission/default-tolerations.ts'
import { escalationCheck } from './admission/escalation.ts'
import { limitRanger } from './admission/limit-ranger.ts'
import { namespaceLifecycle } from './admission/namespace-lifecycle.ts'
import { nodeTaint } from './admission/node-taint.ts'
import { nodeRestriction } from './admission/node-restriction.ts'
import { priorityAdmission } from './admission/priority.ts'
import { resourceQuota } from './admission/resource-quota.ts'
import { serviceAccountAdmission } from './admission/service-account.ts'
import {
  type AccessRequest,
  type Authorizer,
  chain,
  mastersAuthorizer,
  publicPathAuthorizer,
} from './authz/authorizer.ts'
import { nodeAuthorizer } from './authz/node.ts'
import { rbacAuthorizer } from './authz/rbac.ts'
import type { Warn } from './body.ts'
import { remove, removeCollection } from './deletion.ts'
import { accessDenied, methodNotAllowed, resourceNotFound } from './errors.ts'
import { list } from './lists.ts'
import { Registry } from './registry.ts'
import { throughView } from './view.ts'
import { handlers } from './resources/handlers.ts'
import { serviceAllocation, type ServiceRanges } from './resources/service-allocation.ts'
import { Storage } from './storage.ts'
import type { TokenIssuer } from './tokens.ts'
import { watch } from './watch.ts'
import { create, patch, update } from './writes.ts'

export interface ServerOptions extends ServiceRanges {
  store: Store
  kinds: readonly AnyKind[]
  clock: Clock
  random: Random
  log: Log
  tokens: TokenIssuer
  /** API groups that are served by somebody else, in this process. */
  extensions?: ReadonlyMap<string, Handler>
}

/** What handlers of special resources work with. */
export interface ServerCore {
  readonly registry: Registry
  readonly storage: Storage
  readonly authorizer: Authorizer
  readonly tokens: TokenIssuer
  readonly clock: Clock
  readonly log: Log
  readonly kinds: readonly AnyKind[]
  readonly extensions: ReadonlyMap<string, Handler>
}

/** Answers one special combination of resource, subresource and verb. */
export type Handler = (core: ServerCore, operation: Operation, warn: Warn) => Promise<ServedResult>

/** `group/plural/subresource:verb`, the key of a special handler. */
export const handlerKey = (kind: AnyKind, subresource: string, verb: string): string =>
  `${kind.group}/${kind.plural}/${subresource}:${verb}`

/** Opens the server's state over a store. */
export async function openServer(
  options: ServerOptions,
): Promise<{ core: ServerCore; serve: Serve; close(): Promise<void> }> {
  const { store, kinds, clock, random, log, tokens } = options
  const storage = new Storage(store, clock, log)
  const stored = (kind: AnyKind) => kind.plural && !kind.view && !options.extensions?.has(kind.group)
  for (const kind of kinds) if (stored(kind)) storage.add(kind)
  await storage.load()
  const authorizer = chain([mastersAuthorizer, publicPathAuthorizer, nodeAuthorizer(storage), rbacAuthorizer(storage)])
  const admission = admissionChain([
    namespaceLifecycle(storage),
    limitRanger(storage),
    serviceAccountAdmission(storage, random),
    priorityAdmission(storage),
    defaultTolerations(),
    nodeTaint(),
    serviceAllocation(storage, clock, random, options),
    nodeRestriction(storage, authorizer),
    certificateAdmission(clock, authorizer),
    escalationCheck(storage, authorizer),
    // Last: what it lets through has been counted.
    resourceQuota(storage, clock),
  ])
  const registry = new Registry({ storage, clock, random, admission })
  const extensions = options.extensions ?? new Map<string, Handler>()
  const core: ServerCore = { registry, storage, authorizer, tokens, clock, log, kinds, extensions }
  return { core, serve: operation => serveOperation(core, operation), close: () => storage.close() }
}

async function serveOperation(core: ServerCore, operation: Operation): Promise<ServedResult> {
  authorize(core, operation)
  const warnings: string[] = []
  const result = await dispatch(core, operation, text => warnings.push(text))
  return warnings.length ? { ...result, warnings: [...new Set(warnings)] } : result
}

/** Throws Forbidden unless the user may. */
export function authorize(core: Pick<ServerCore, 'authorizer'>, operation: Question): void {
  const decision = core.authorizer.authorize(accessRequest(operation))
  if (!decision.allowed) throw accessDenied(operation, decision.reason)
}

/** What authorization needs to see of an operation. */
type Question = Pick<Operation, 'user' | 'verb' | 'subresource' | 'namespace' | 'name' | 'options'> & {
  kind: Pick<AnyKind, 'group' | 'plural'>
}

function accessRequest({ user, verb, kind, subresource, namespace, name, options }: Question): AccessRequest {
  // Listing or watching one name is authorized as a request for that name.
  const only = name || (/(?:^|,)metadata\.name==?([^,]+)/.exec(options.fieldSelector ?? '')?.[1] ?? '')
  return {
    user,
    verb,
    group: kind.group,
    resource: kind.plural,
    subresource,
    namespace,
    name: only,
    ...(options.fieldSelector && { fieldSelector: options.fieldSelector }),
  }
}

async function dispatch(core: ServerCore, operation: Operation, warn: Warn): Promise<ServedResult> {
  const { kind, subresource, verb } = operation
  const extension = core.extensions.get(kind.group)
  if (extension) return extension(core, operation, warn)
  const special =
    handlers.get(handlerKey(kind, subresource, verb)) ??
    (subresource === 'scale' && kind.scale ? handlers.get(`scale:${verb}`) : undefined)
  if (special) return special(core, operation, warn)
  const isStatus = subresource === 'status' && kind.status
  if (subresource && !isStatus) throw resourceNotFound()
  if (!isStatus && !kind.verbs.includes(verb)) throw methodNotAllowed()
  return kind.view ? throughView(core.registry, operation, warn, generic) : generic(core.registry, operation, warn)
}

/** What every stored kind can do. */
export async function generic(registry: Registry, operation: Operation, warn: Warn): Promise<ServedResult> {
  const { kind, verb, namespace } = operation
  if (kind.namespaced && namespace === '' && !['list', 'watch', 'deletecollection'].includes(verb))
    throw new StatusError('BadRequest', 'namespace is required')
  switch (verb) {
    case 'get':
      return { type: 'object', kind, item: await registry.get(operation) }
    case 'list':
      return list(registry.storage, operation)
    case 'watch':
      return { type: 'watch', kind, events: await watch(registry.storage, operation) }
    case 'create':
      return create(registry, operation, warn)
    case 'update':
      return update(registry, operation, warn)
    case 'patch':
      return patch(registry, operation, warn)
    case 'delete':
      return remove(registry, operation)
    case 'deletecollection':
      return removeCollection(registry, operation)
  }
}
