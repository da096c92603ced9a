// Which tolerations tolerate which taints. Source: core/v1/toleration.go, component-helpers/scheduling/corev1.
import { holdsForIntegers } from '../../api/int64.ts'
import type { Toleration } from './affinity.ts'

interface TaintLike {
  readonly key: string
  readonly value?: string
  readonly effect: string
}

export const tolerated = (tolerations: readonly Toleration[] | undefined, taint: TaintLike): boolean =>
  tolerations !== undefined && tolerations.some(toleration => tolerates(toleration, taint))

export function tolerates(toleration: Toleration, taint: TaintLike): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false
  if (toleration.key && toleration.key !== taint.key) return false
  switch (toleration.operator || 'Equal') {
    case 'Exists':
      return true
    case 'Equal':
      return (toleration.key ?? '') !== '' && (toleration.value ?? '') === (taint.value ?? '')
    case 'Lt':
      return comparable(toleration, taint) && holdsForIntegers(taint.value, '<', toleration.value)
    case 'Gt':
      return comparable(toleration, taint) && holdsForIntegers(taint.value, '>', toleration.value)
    default:
      return false
  }
}

/** Written in their one spelling, without a plus or leading zeros. */
const isInteger = (text: string | undefined) => text !== undefined && /^(0|-?[1-9]\d*)$/.test(text)
const comparable = (toleration: Toleration, taint: TaintLike) => isInteger(toleration.value) && isInteger(taint.value)
