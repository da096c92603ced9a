// Priority: sets a pod's priority and preemption policy from its PriorityClass, and allows only one default class.
//
// A new pod without a class gets the default class, or priority 0 if there is none. A pod may contain the values of its
// class, but no others. An update that leaves the values out keeps the old ones, even if the class has changed since.
// Source: plugin/pkg/admission/priority.
import type { Pod } from '../../kinds/core/pod.ts'
import { PriorityClass } from '../../kinds/scheduling/priorityclass.ts'
import { forbidden } from '../errors.ts'
import type { Storage } from '../storage.ts'
import { type AdmissionPlugin, isFor } from './chain.ts'
import type { Mutable } from '../../api/schema/node.ts'

export function priorityAdmission(storage: Storage): AdmissionPlugin {
  return {
    name: 'Priority',
    validate({ type, operation: { kind, name }, object }) {
      if (kind !== PriorityClass) return
      if (type === 'DELETE' && name.startsWith('system-'))
        throw forbidden(kind, name, 'this is a system priority class and cannot be deleted')
      if (!(object as PriorityClass | undefined)?.globalDefault) return
      const other = defaultClass(storage)?.metadata.name
      if (other !== undefined && (type === 'CREATE' || other !== name))
        throw forbidden(kind, name, `PriorityClass ${other} is already marked as default. Only one default can exist`)
    },
    mutate(request) {
      if (!isFor(request, '', 'pods')) return
      const pod = request.object as Mutable<Pod>
      const { kind, name } = request.operation
      if (request.type === 'UPDATE') {
        const old = request.old as Pod
        pod.spec.priority ??= old.spec.priority as number
        pod.spec.preemptionPolicy ??= old.spec.preemptionPolicy as NonNullable<Pod['spec']['preemptionPolicy']>
        if (pod.spec.priority === undefined) delete pod.spec.priority
        if (pod.spec.preemptionPolicy === undefined) delete pod.spec.preemptionPolicy
        return
      }
      if (request.type !== 'CREATE') return
      const asked = pod.spec.priorityClassName
      const found = asked ? storage.mirror(PriorityClass).get(undefined, asked) : defaultClass(storage)
      if (asked && !found) throw forbidden(kind, name, `no PriorityClass with name ${asked} was found`)
      if (found && !asked) pod.spec.priorityClassName = found.metadata.name ?? ''
      const priority = found?.value ?? 0
      if (pod.spec.priority !== undefined && pod.spec.priority !== priority) {
        throw forbidden(
          kind,
          name,
          `the integer value of priority (${pod.spec.priority}) must not be provided in pod spec; priority admission controller computed ${priority} from the given PriorityClass name`,
        )
      }
      pod.spec.priority = priority
      const policy = (found?.preemptionPolicy as 'Never' | undefined) ?? 'PreemptLowerPriority'
      if (pod.spec.preemptionPolicy !== undefined && pod.spec.preemptionPolicy !== policy) {
        throw forbidden(
          kind,
          name,
          `the string value of PreemptionPolicy (${pod.spec.preemptionPolicy}) must not be provided in pod spec; priority admission controller computed ${policy} from the given PriorityClass name`,
        )
      }
      pod.spec.preemptionPolicy = policy
    },
  }
}

/** The default class. Two classes that were created at the same moment can both be default; the lower value counts. */
function defaultClass(storage: Storage): PriorityClass | undefined {
  return storage
    .mirror(PriorityClass)
    .list()
    .filter(c => c.globalDefault)
    .sort((a, b) => (a.value ?? 0) - (b.value ?? 0))[0]
}
