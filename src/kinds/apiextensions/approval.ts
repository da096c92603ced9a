// Groups of Kubernetes itself are for kinds that were reviewed, or that are marked as not reviewed.
// Source: apiextensions-apiserver pkg/apihelpers (GetAPIApprovalState).
import type { KubeObject } from '../../api/kind.ts'

export const approvalAnnotation = 'api-approved.kubernetes.io'
const proposal = 'see https://github.com/kubernetes/enhancements/pull/1111'
const needed = `protected groups must have approval annotation "${approvalAnnotation}"`

export interface ApprovalState {
  state: 'missing' | 'invalid' | 'bypassed' | 'approved'
  message: string
}

interface Grouped extends KubeObject {
  readonly spec: { readonly group: string }
}

/** Whether a group is reserved. */
const isProtected = (group: string) => /(^|\.)(k8s|kubernetes)\.io$/.test(group)

/** The state of a definition's approval; undefined for a group that needs none. */
export function approvalOf({ metadata, spec }: Grouped): ApprovalState | undefined {
  if (!isProtected(spec.group)) return undefined
  const value = metadata.annotations?.[approvalAnnotation]
  if (!value) return { state: 'missing', message: `${needed}, ${proposal}` }
  if (value.startsWith('unapproved')) return { state: 'bypassed', message: `not approved: ${JSON.stringify(value)}` }
  if (/^[a-zA-Z][a-zA-Z0-9+.-]*:\/\/[^/?#]/.test(value)) return { state: 'approved', message: `approved in ${value}` }
  return {
    state: 'invalid',
    message: `${needed} with either a URL or a reason starting with "unapproved", ${proposal}`,
  }
}
