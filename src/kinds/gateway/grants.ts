// Which references of Gateway API to objects of other namespaces are allowed: those that a ReferenceGrant beside the object
// names.
import type { ObjectReference } from './common.ts'
import { gatewayGroup } from './definition.ts'
import type { Gateway, Listener } from './gateway.ts'
import type { ReferenceGrant } from './referencegrant.ts'

/** An object that refers to others. */
interface From {
  kind: string
  namespace: string
}

/** Whether an object may refer to another one. The group of the latter is that of the core. */
export function mayRefer(
  from: From,
  { kind = '', namespace = from.namespace, name }: ObjectReference,
  grants: readonly ReferenceGrant[],
): boolean {
  if (namespace === from.namespace) return true
  return grants.some(
    ({ metadata, spec }) =>
      metadata.namespace === namespace &&
      spec.from.some(one => one.group === gatewayGroup && one.kind === from.kind && one.namespace === from.namespace) &&
      spec.to.some(one => one.group === '' && one.kind === kind && (!one.name || one.name === name)),
  )
}

type CertificateRef = { key: string; problem?: undefined } | { problem: 'InvalidCertificateRef' | 'RefNotPermitted' }

/** The Secret of each certificate of a listener as `namespace/name`, or why there is none. */
export function certificatesOf(
  { metadata }: Gateway,
  { tls }: Listener,
  grants: readonly ReferenceGrant[],
): CertificateRef[] {
  const namespace = metadata.namespace ?? ''
  return (tls?.certificateRefs ?? []).map(ref => {
    const { group = '', kind = 'Secret' } = ref
    if (group !== '' || kind !== 'Secret') return { problem: 'InvalidCertificateRef' }
    if (!mayRefer({ kind: 'Gateway', namespace }, { ...ref, kind }, grants)) return { problem: 'RefNotPermitted' }
    return { key: `${ref.namespace ?? namespace}/${ref.name}` }
  })
}

/** The Secrets that a Gateway may have for its listeners. */
export const secretsOfGateway = (gateway: Gateway, grants: readonly ReferenceGrant[]): string[] =>
  gateway.spec.listeners.flatMap(listener =>
    certificatesOf(gateway, listener, grants).flatMap(one => (one.problem === undefined ? one.key : [])),
  )
