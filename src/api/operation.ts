// An operation is a request without its HTTP: verb, kind, name, user, options, body. `serve` of the API server answers
// it. The HTTP server makes operations from requests, and clients in the same process make them directly.
import type { AnyKind } from './kind.ts'
import type { Item } from './mirror.ts'
import type { Json, JsonObject } from './schema/node.ts'

/** The authenticated user of an operation. */
export interface User {
  name: string
  uid?: string
  groups: readonly string[]
  extra?: Readonly<Record<string, readonly string[]>>
}

export type OperationVerb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection'

export type PatchType = 'json' | 'merge' | 'strategic' | 'apply'

/** The query parameters, with their types. Source: ListOptions, CreateOptions, PatchOptions and others of meta/v1. */
export interface OperationOptions {
  labelSelector?: string
  fieldSelector?: string
  /** A selector of values, of custom.metrics.k8s.io. */
  metricLabelSelector?: string
  limit?: number
  continue?: string
  resourceVersion?: string
  resourceVersionMatch?: 'Exact' | 'NotOlderThan'
  timeoutSeconds?: number
  allowWatchBookmarks?: boolean
  sendInitialEvents?: boolean
  dryRun?: boolean
  fieldManager?: string
  fieldValidation?: 'Strict' | 'Warn' | 'Ignore'
  /** Messages about keys that the body has twice. It is not a query parameter. */
  duplicates?: readonly string[]
  /** Whether server-side apply takes over fields of other managers. */
  force?: boolean
}

export interface Operation {
  verb: OperationVerb
  kind: AnyKind
  /** The kind that the client named, if `kind` is the one as which its objects are stored. */
  view?: AnyKind
  /** The name of the subresource, or ''. */
  subresource: string
  /** The namespace; '' for a cluster-scoped kind, and for a list over all namespaces. */
  namespace: string
  /** The name of the object; '' for a collection. */
  name: string
  user: User
  options: OperationOptions
  /** The object to write, the patch, or DeleteOptions. */
  body?: Json
  patchType?: PatchType
  /** The program that writes, used as the manager when options.fieldManager is not set. */
  userAgent?: string
  /** For a watch: awaited before new events are read, so that events of the same moment are sent together. */
  gather?: () => Promise<void>
  signal?: AbortSignal
  /** Notes of admission for an audit log, by their keys; nobody keeps them if it is absent. */
  annotations?: Map<string, string>
  /** Called with the time that a webhook took, which does not count as the server's own. */
  waited?: (ms: number) => void
}

export interface WatchEvent {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'
  /** The object. For BOOKMARK it has only a resourceVersion, and for ERROR it is a Status. */
  item: Item
}

export type OperationResult =
  | { type: 'object'; kind: AnyKind; item: Item; created?: boolean }
  | { type: 'list'; kind: AnyKind; items: Item[]; revision: number; continue?: string; remaining?: number }
  | { type: 'watch'; kind: AnyKind; events: AsyncIterable<readonly WatchEvent[]> }
  | { type: 'status'; status: JsonObject }

export type ServedResult = OperationResult & { warnings?: readonly string[] }

/** Answers operations. Throws StatusError. */
export type Serve = (operation: Operation) => Promise<ServedResult>
