// The events of an audit: Event of audit.k8s.io/v1.
// Source: apiserver pkg/apis/audit/v1/types.go, pkg/audit/request.go.
import type { OperationResult, User } from '../../api/operation.ts'
import { asJson, type Json, type JsonObject } from '../../api/schema/node.ts'
import type { AuditLevel, AuditStage } from './policy.ts'

export interface ObjectRef {
  readonly resource: string
  readonly namespace?: string
  readonly name?: string
  readonly uid?: string
  readonly apiGroup?: string
  readonly apiVersion?: string
  readonly resourceVersion?: string
  readonly subresource?: string
}

interface AuditUser {
  readonly username?: string
  readonly uid?: string
  readonly groups?: readonly string[]
  readonly extra?: Readonly<Record<string, readonly string[]>>
}

/** The fields in the order in which Kubernetes writes them. */
export interface AuditEvent {
  readonly kind: 'Event'
  readonly apiVersion: 'audit.k8s.io/v1'
  readonly level: AuditLevel
  readonly auditID: string
  readonly stage: AuditStage
  readonly requestURI: string
  readonly verb: string
  readonly user: AuditUser
  readonly impersonatedUser?: AuditUser
  readonly sourceIPs?: readonly string[]
  readonly userAgent?: string
  readonly objectRef?: ObjectRef
  readonly responseStatus?: JsonObject
  readonly requestObject?: Json
  readonly responseObject?: Json
  readonly requestReceivedTimestamp: string
  readonly stageTimestamp: string
  readonly annotations?: Readonly<Record<string, string>>
}

export const auditUser = ({ name, uid, groups, extra }: User): AuditUser => ({
  username: name,
  ...(uid && { uid }),
  ...(groups.length && { groups }),
  ...(extra && { extra }),
})

/** What the answer to a request was, as far as an audit writes it down. */
export function responseBody(result: OperationResult): Json | undefined {
  if (result.type === 'object') return asJson(result.item.object)
  if (result.type === 'status') return result.status
  if (result.type === 'watch') return undefined
  const { kind, items, revision } = result
  return {
    kind: `${kind.kind}List`,
    apiVersion: kind.apiVersion,
    metadata: { resourceVersion: String(revision) },
    items: items.map(item => asJson(item.object)),
  }
}

/** An object, or the objects of a list, without the owners of their fields. */
export function withoutManagedFields(body: Json): Json {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body
  const { metadata, items } = body
  const own = isObject(metadata) && metadata.managedFields !== undefined
  return {
    ...body,
    ...(own && { metadata: Object.fromEntries(Object.entries(metadata).filter(([key]) => key !== 'managedFields')) }),
    ...(Array.isArray(items) && { items: items.map(withoutManagedFields) }),
  } as JsonObject
}

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
