// An operation is a request with the HTTP taken off: verb, resource, name, user, options, body. The API server's
// `serve` answers it; the HTTP server and the in-process client are two ways to make one.
import type { AnyKind } from './kind.ts'
import type { Item } from './mirror.ts'
import type { Json, JsonObject } from './schema/node.ts'

/** Who asks. */
export interface User {
  name: string
  uid?: string
  groups: readonly string[]
  extra?: Readonly<Record<string, readonly string[]>>
}

export type OperationVerb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection'

export type PatchType = 'json' | 'merge' | 'strategic' | 'apply'

/** Query parameters, already typed. Sources: ListOptions, CreateOptions, PatchOptions … of meta/v1. */
export interface OperationOptions {
  labelSelector?: string
  fieldSelector?: string
  /** Which values of a metric; of custom.metrics.k8s.io. */
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
  /** Keys that the body had twice, in the words of the error about them; no query parameter. */
  duplicates?: readonly string[]
  /** Server-side apply takes over fields others own. */
  force?: boolean
}

export interface Operation {
  verb: OperationVerb
  kind: AnyKind
  /** '' for none. */
  subresource: string
  /** '' for cluster-scoped kinds, and for lists over all namespaces. */
  namespace: string
  /** '' for collections. */
  name: string
  user: User
  options: OperationOptions
  /** The object to write, or DeleteOptions. */
  body?: Json
  patchType?: PatchType
  /** Names the program that writes, where options.fieldManager does not. */
  userAgent?: string
  /** Of a watch: waited for when there is something new, so that what comes at once is told at once. */
  gather?: () => Promise<void>
  signal?: AbortSignal
}

export interface WatchEvent {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'
  /** BOOKMARK: an object with nothing but its resourceVersion; ERROR: a Status. */
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
