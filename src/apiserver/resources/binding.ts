// Binding: the scheduler's decision. Sets the pod's node once and for all, with the PodScheduled condition.
// Source: pkg/registry/core/pod/storage (BindingREST).
import { StatusError } from '../../base/errors.ts'
import { timeText } from '../../api/time.ts'
import { Binding } from '../../kinds/core/binding.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { decodeBody } from '../body.ts'
import { conflict } from '../errors.ts'
import { editable } from '../registry.ts'
import type { Handler } from '../serve.ts'

export const createBinding: Handler = async ({ registry, clock }, operation, warn) => {
  const binding = decodeBody(Binding, operation.body, operation.options, warn) as Binding
  const name = operation.name || binding.metadata.name || ''
  const { target } = binding
  if (!target.name)
    throw new StatusError('Invalid', `Binding ${JSON.stringify(name)} is invalid: target.name: Required value`)
  if (target.kind && target.kind !== 'Node')
    throw new StatusError(
      'Invalid',
      `Binding ${JSON.stringify(name)} is invalid: target.kind: Unsupported value: ${JSON.stringify(target.kind)}: supported values: "Node", "<empty>"`,
    )
  await registry.update(
    { ...operation, kind: Pod, name, subresource: 'binding' },
    old => {
      const pod = editable<Pod>(Pod, old as Pod)
      const refuse = (why: string) => conflict({ ...Pod, plural: 'pods/binding' }, name, why)
      if (binding.metadata.uid && binding.metadata.uid !== pod.metadata.uid)
        throw refuse(
          `Precondition failed: UID in precondition: ${binding.metadata.uid}, UID in object meta: ${pod.metadata.uid}`,
        )
      if (pod.metadata.deletionTimestamp) throw refuse(`pod ${name} is being deleted, cannot be assigned to a host`)
      if (pod.spec.nodeName)
        throw refuse(`pod ${name} is already assigned to node ${JSON.stringify(pod.spec.nodeName)}`)
      if (pod.spec.schedulingGates?.length) throw refuse(`pod ${name} has non-empty .spec.schedulingGates`)
      pod.spec.nodeName = target.name!
      pod.metadata.annotations = { ...pod.metadata.annotations, ...binding.metadata.annotations }
      pod.metadata.labels = { ...pod.metadata.labels, ...binding.metadata.labels }
      const condition = {
        type: 'PodScheduled',
        status: 'True',
        lastProbeTime: null as unknown as string,
        lastTransitionTime: timeText(clock.now()),
      }
      pod.status.conditions = [...(pod.status.conditions ?? []).filter(c => c.type !== 'PodScheduled'), condition]
      return pod
    },
    { retry: true, subresource: 'binding', trusted: true },
  )
  return { type: 'status', status: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 } }
}
