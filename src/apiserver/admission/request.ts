// What admission receives: a request that is authorized and decoded, and whose object is not stored yet.
import type { AnyKind, KubeObject } from '../../api/kind.ts'
import type { Operation } from '../../api/operation.ts'
import type { Mutable } from '../../api/schema/node.ts'
import type { Requirements } from './requirements.ts'

/** What the server does to objects, and what it demands of them, in addition to the rules of their kinds. */
export interface Admission {
  /** May change the object, in place. Throws a StatusError to refuse the request. */
  mutate(request: AdmissionRequest): Promise<void> | void
  /** Must not change the object. Throws a StatusError to refuse the request. */
  validate(request: AdmissionRequest): Promise<void> | void
}

/**
 * A plugin that calls programs of users may ask for a second round of all plugins, since what it changed may be of
 * importance to those before it. There is no third one.
 */
export interface Reinvocation {
  round: 0 | 1
  wanted: boolean
}

export interface AdmissionRequest {
  type: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT'
  operation: Operation
  /**
   * The object to be stored, or for a resource that is not stored, the object that was sent. Absent on DELETE. For
   * CONNECT it has the options of the stream.
   */
  object?: Mutable<KubeObject>
  /** The stored object; absent on CREATE. */
  old?: KubeObject
  /** The kind of the object, if it is not that of the operation: Binding, Eviction, TokenRequest, options of streams. */
  body?: Pick<AnyKind, 'group' | 'version' | 'kind'> & Partial<Pick<AnyKind, 'schema' | 'defaults'>>
  /** Whether the server has made up the name, after the object was sent. */
  nameIsGenerated?: boolean
  /** Whether and how the plugins mutate the object a second time. The chain sets it. */
  reinvocation?: Reinvocation
  /** A plugin adds what it has decided by. Present where something is stored. */
  requires?: Requirements
  /** Sends a warning to the client, whether or not the request succeeds. */
  warn?: (text: string) => void
}
