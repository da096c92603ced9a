// What admission receives: a request that is authorized and decoded, and whose object is not stored yet.
import type { KubeObject } from '../../api/kind.ts'
import type { Operation } from '../../api/operation.ts'
import type { Mutable } from '../../api/schema/node.ts'

/** What the server does to objects, and what it demands of them, in addition to the rules of their kinds. */
export interface Admission {
  /** May change the object. Throws a StatusError to refuse the request. Not called for DELETE and CONNECT. */
  mutate(request: AdmissionRequest): Promise<void> | void
  /** Must not change the object. Throws a StatusError to refuse the request. */
  validate(request: AdmissionRequest): Promise<void> | void
}

export interface AdmissionRequest {
  type: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT'
  operation: Operation
  /** The object to be stored, or for a resource that is not stored, the object that was sent. Absent on DELETE. */
  object?: Mutable<KubeObject>
  /** The stored object; absent on CREATE. */
  old?: KubeObject
  /** Sends a warning to the client, whether or not the request succeeds. */
  warn?: (text: string) => void
}
