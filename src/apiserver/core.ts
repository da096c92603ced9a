// The parts of the API server that handlers use, and the type of handlers for special resources.
import type { X509Certificate } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { AnyKind } from '../api/kind.ts'
import type { Catalog } from './catalog.ts'
import type { Operation, ServedResult } from '../api/operation.ts'
import type { Auditor } from './audit/auditor.ts'
import type { Passwords } from './authn/password-file.ts'
import type { TokenSource } from './authn/token-source.ts'
import type { RequestAuthorizer } from './authz/chosen.ts'
import type { Warn } from './body.ts'
import type { Registry } from './registry.ts'
import type { Storage } from './storage.ts'
import type { TokenIssuer } from './tokens.ts'

/** The parts of the server that handlers use. */
export interface ServerCore {
  readonly registry: Registry
  readonly storage: Storage
  readonly authorizer: RequestAuthorizer
  readonly tokens: TokenIssuer
  readonly clock: Clock
  readonly log: Log
  /** The kinds that are served at the moment. */
  readonly catalog: Catalog
  readonly extensions: ReadonlyMap<string, Handler>
  /** Where users of tokens come from that are not the cluster's own. */
  readonly tokenSources?: readonly TokenSource[]
  /** The users who may come with a name and a password. */
  readonly passwords?: Passwords
  /** Whether requests without credentials for a path are answered; without it all are. */
  readonly anonymous?: (path: string) => boolean
  /** Writes down what users do; without it nobody does. */
  readonly auditor?: Auditor
  /** The authority of front proxies, whose headers name the user of a request. */
  readonly frontProxyCa?: X509Certificate
}

/** Answers operations with one combination of resource, subresource and verb. */
export type Handler = (core: ServerCore, operation: Operation, warn: Warn) => Promise<ServedResult>

/** The key of a handler: `group/plural/subresource:verb`. */
export const handlerKey = (kind: AnyKind, subresource: string, verb: string): string =>
  `${kind.group}/${kind.plural}/${subresource}:${verb}`
