// RuntimeClass: sets a new pod's overhead, and adds the node selector and tolerations of its runtime class. A pod is
// refused if the class does not exist, or if the pod contradicts it. Source: plugin/pkg/admission/runtimeclass.
import { sameJson } from '../../api/equal.ts'
import { compareQuantities } from '../../api/quantity.ts'
import type { Toleration } from '../../kinds/core/affinity.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { RuntimeClass } from '../../kinds/node/runtimeclass.ts'
import { forbidden } from '../errors.ts'
import type { Storage } from '../storage.ts'
import { type AdmissionPlugin, isFor } from './chain.ts'
import type { AdmissionRequest } from './request.ts'
import type { Mutable } from '../../api/schema/node.ts'

export function runtimeClassAdmission(storage: Storage): AdmissionPlugin {
  const classOf = (request: AdmissionRequest, { spec }: Pod) => {
    const name = spec.runtimeClassName
    if (!name) return undefined
    const found = storage.mirror(RuntimeClass).get(undefined, name)
    if (!found) throw refuse(request, `pod rejected: RuntimeClass ${JSON.stringify(name)} not found`)
    return found
  }
  return {
    name: 'RuntimeClass',
    mutate(request) {
      if (request.type !== 'CREATE' || !isFor(request, '', 'pods')) return
      const pod = request.object as Mutable<Pod>
      const found = classOf(request, pod)
      const fixed = found?.overhead?.podFixed
      if (fixed) {
        if (pod.spec.overhead && !equal(pod.spec.overhead, fixed)) throw mismatch(request)
        pod.spec.overhead = { ...fixed }
      }
      if (found?.scheduling) setScheduling(request, pod, found.scheduling)
    },
    validate(request) {
      if (request.type !== 'CREATE' || !isFor(request, '', 'pods')) return
      const pod = request.object as Mutable<Pod>
      const fixed = classOf(request, pod)?.overhead?.podFixed
      if (fixed) {
        if (!equal(pod.spec.overhead ?? {}, fixed)) throw mismatch(request)
      } else if (Object.keys(pod.spec.overhead ?? {}).length)
        throw refuse(request, 'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead')
    },
  }
}

const refuse = ({ operation: { kind }, ...request }: AdmissionRequest, why: string) =>
  forbidden(kind, ('object' in request && (request.object as Mutable<Pod>).metadata.name) || '', why)

const mismatch = (request: AdmissionRequest) =>
  refuse(request, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")

type Amounts = Readonly<Record<string, string>>

const equal = (a: Amounts, b: Amounts): boolean =>
  Object.keys(a).length === Object.keys(b).length &&
  Object.entries(a).every(([name, amount]) => b[name] !== undefined && compareQuantities(amount, b[name]) === 0)

function setScheduling(
  request: AdmissionRequest,
  { spec }: Mutable<Pod>,
  { nodeSelector = {}, tolerations = [] }: NonNullable<RuntimeClass['scheduling']>,
): void {
  for (const [key, value] of Object.entries(nodeSelector)) {
    const own = spec.nodeSelector?.[key]
    if (own !== undefined && own !== value)
      throw refuse(
        request,
        `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${own}`,
      )
  }
  if (Object.keys(nodeSelector).length) spec.nodeSelector = { ...spec.nodeSelector, ...nodeSelector }
  const merged = mergeTolerations([...(spec.tolerations ?? []), ...tolerations])
  if (merged.length) spec.tolerations = structuredClone(merged) as Mutable<Toleration>[]
}

/** Removes tolerations that another one covers. Of equal ones, the first stays. Source: pkg/util/tolerations. */
function mergeTolerations(all: readonly Toleration[]): readonly Toleration[] {
  const merged: Toleration[] = []
  for (const [i, one] of all.entries()) {
    if (merged.some(other => coversToleration(other, one))) continue
    if (all.slice(i + 1).some(other => !sameJson(other, one) && coversToleration(other, one))) continue
    merged.push(one)
  }
  return merged
}

/** Whether `wide` tolerates all taints that `narrow` tolerates, at least as long. */
function coversToleration(wide: Toleration, narrow: Toleration): boolean {
  if (sameJson(wide, narrow)) return true
  const everyKey = !wide.key && wide.operator === 'Exists'
  if ((narrow.key ?? '') !== (wide.key ?? '') && !everyKey) return false
  if (wide.effect && narrow.effect !== wide.effect) return false
  if (wide.effect === 'NoExecute' && wide.tolerationSeconds !== undefined) {
    const { tolerationSeconds: seconds } = narrow
    if (seconds === undefined || seconds > wide.tolerationSeconds) return false
  }
  if (wide.operator === 'Exists') return true
  return (wide.operator || 'Equal') === 'Equal' && narrow.operator === 'Equal' && narrow.value === wide.value
}
