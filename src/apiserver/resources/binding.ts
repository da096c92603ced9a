// Binding: stores the scheduler's decision. It sets the pod's node and the condition PodScheduled in one write.
//
// A pod is bound once. A binding is refused for a pod that is bound, terminating, gated, or has another UID than the
// binding expects. The binding itself is not stored. Source: pkg/registry/core/pod/storage (BindingREST).
import { StatusError } from '../../base/errors.ts'
import { withFields } from '../../api/schema/decode.ts'
import { timeText } from '../../api/time.ts'
import { Binding } from '../../kinds/core/binding.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { decodeBody } from '../body.ts'
import { conflict, otherUid } from '../errors.ts'
import type { AdmissionRequest } from '../admission/request.ts'
import type { Handler } from '../core.ts'
import { placeInNamespace } from '../placement.ts'
import type { Mutable } from '../../api/schema/node.ts'

export const createBinding: Handler = async ({ registry, clock }, operation, warn) => {
  const binding = decodeBody(Binding, operation.body, operation.options, warn) as Mutable<Binding>
  const name = operation.name || binding.metadata.name || ''
  if (operation.name && binding.metadata.name && binding.metadata.name !== operation.name)
    throw new StatusError('BadRequest', 'name in URL does not match name in Binding object')
  const { target } = binding
  // Upstream returns these errors without a Status, so clients get them as internal errors.
  if (!target.name) throw new StatusError('', 'target.name: Required value')
  if (target.kind && target.kind !== 'Node')
    throw new StatusError(
      '',
      `target.kind: Unsupported value: ${JSON.stringify(target.kind)}: supported values: "Node", "<empty>"`,
    )
  placeInNamespace({ ...operation, kind: Binding }, binding)
  const named = { ...operation, name }
  const admission: AdmissionRequest = { type: 'CREATE', operation: named, object: binding, body: Binding, warn }
  await registry.admission.mutate(admission)
  await registry.admission.validate(admission)
  await registry.update(
    { ...named, kind: Pod, subresource: 'binding' },
    old => {
      const pod = old as Pod
      const refuse = (why: string) => conflict({ ...Pod, plural: 'pods/binding' }, name, why)
      if (binding.metadata.uid && binding.metadata.uid !== pod.metadata.uid)
        throw otherUid(Pod, pod.metadata, binding.metadata.uid, '')
      if (pod.metadata.deletionTimestamp) throw refuse(`pod ${name} is being deleted, cannot be assigned to a host`)
      if (pod.spec.nodeName)
        throw refuse(`pod ${name} is already assigned to node ${JSON.stringify(pod.spec.nodeName)}`)
      if (pod.spec.schedulingGates?.length) throw refuse(`pod ${name} has non-empty .spec.schedulingGates`)
      return bound(pod, binding, timeText(clock.now()))
    },
    { retry: true, rules: 'none', isAdmitted: true },
  )
  return { type: 'status', status: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 } }
}

/** The bound pod. It shares all unchanged parts with the stored one, since one binding changes few fields. */
function bound(pod: Pod, { target, metadata }: Binding, now: string): Mutable<Pod> {
  const condition = { type: 'PodScheduled', status: 'True', lastProbeTime: null, lastTransitionTime: now }
  const { annotations, labels } = pod.metadata
  const conditions = [...(pod.status.conditions ?? []).filter(c => c.type !== 'PodScheduled'), condition]
  return {
    ...pod,
    metadata: withFields(partOf('metadata'), pod.metadata, {
      ...(metadata.annotations && { annotations: { ...annotations, ...metadata.annotations } }),
      ...(metadata.labels && { labels: { ...labels, ...metadata.labels } }),
    }),
    spec: withFields(partOf('spec'), pod.spec, { nodeName: target.name! }),
    status: withFields(partOf('status'), pod.status, {
      conditions: conditions as NonNullable<typeof pod.status.conditions>,
    }),
  } as Mutable<Pod>
}

const partOf = (field: 'metadata' | 'spec' | 'status') => Pod.schema.fields[field]!.struct!()
