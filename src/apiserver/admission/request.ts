// What admission is asked about: a request whose object is decoded and not stored yet.
import type { KubeObject } from '../../api/kind.ts'
import type { Operation } from '../../api/operation.ts'
import type { Mutable } from '../../api/schema/node.ts'

/** What the server does to and demands of objects besides their kind's own rules. */
export interface Admission {
  /** May change the object. Throws to refuse. */
  mutate(request: AdmissionRequest): Promise<void> | void
  /** May only refuse. */
  validate(request: AdmissionRequest): Promise<void> | void
}

export interface AdmissionRequest {
  type: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT'
  operation: Operation
  /** The object to be stored; absent on DELETE. */
  object?: Mutable<KubeObject>
  old?: KubeObject
  /** Tells the client something that does not refuse the request. */
  warn?: (text: string) => void
}
