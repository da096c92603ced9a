// What every part of the server works with, and how special resources are answered.
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { AnyKind } from '../api/kind.ts'
import type { Operation, ServedResult } from '../api/operation.ts'
import type { Authorizer } from './authz/authorizer.ts'
import type { Warn } from './body.ts'
import type { Registry } from './registry.ts'
import type { Storage } from './storage.ts'
import type { TokenIssuer } from './tokens.ts'

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
