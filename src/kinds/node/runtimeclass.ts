// A runtime class: which container runtime runs a pod.
import { sameJson } from '../../api/equal.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { dnsLabelErrors } from '../../api/names.ts'
import { unchanged } from '../unchanged.ts'
import { requiredName, validateLabels } from '../../api/checks.ts'
import { goStruct } from '../../api/go-value.ts'
import { validateTolerations } from '../core/affinity-rules.ts'
import { validateContainerResourceName, validateRequirements } from '../core/resource-rules.ts'
import { list, map, quantity, string, struct } from '../../api/schema/build.ts'
import { Toleration } from '../core/affinity.ts'

export const Overhead = struct(
  'node.v1.Overhead',
  'Resources that running a pod takes beyond those of its containers.',
  {
    podFixed: map(quantity({}), { proto: 1, doc: 'Fixed amount of each resource for each pod.' }),
  },
)
export type Overhead = Of<typeof Overhead>

export const Scheduling = struct('node.v1.Scheduling', 'Constraints that keep pods on nodes that support the class.', {
  nodeSelector: map(string({}), {
    proto: 1,
    atomic: true,
    doc: 'Labels that a node must have to support the class. They are added to the nodeSelector of pods, and a conflict causes the pod to be rejected.',
  }),
  tolerations: list(Toleration, { proto: 2, doc: 'Tolerations that are added to pods with the class.' }),
})
export type Scheduling = Of<typeof Scheduling>

export const RuntimeClass = defineKind({
  group: 'node.k8s.io',
  version: 'v1',
  kind: 'RuntimeClass',
  plural: 'runtimeclasses',
  scope: 'Cluster',
  conditionalUpdate: true,
  createOnUpdate: true,
  doc: 'RuntimeClass names a handler of the container runtime that pods can be run with.',
  columns: [{ name: 'Handler', type: 'string', value: '.handler' }],
  explicit: true,
  *validate({ handler, overhead, scheduling }, at) {
    yield* requiredName(dnsLabelErrors, handler, at.field('handler'))
    if (overhead)
      yield* validateRequirements(
        { limits: overhead.podFixed },
        validateContainerResourceName,
        new Set(),
        at.field('overhead'),
      )
    yield* validateLabels(scheduling?.nodeSelector, at.field('scheduling', 'nodeSelector'))
    const tolerations = scheduling?.tolerations ?? []
    const path = at.field('scheduling', 'tolerations')
    yield* validateTolerations(tolerations, path)
    for (const [i, toleration] of tolerations.entries())
      if (tolerations.slice(0, i).some(before => sameJson(before, toleration)))
        yield path.index(i).duplicate(goStruct(Toleration, toleration))
  },
  *validateUpdate(next, old, at) {
    yield* unchanged(next, old, ['handler'], at)
  },
  fields: {
    handler: string({
      proto: 2,
      always: true,
      required: true,
      doc: 'Name of the handler in the configuration of the container runtime, as a DNS label. It should be configured on all nodes that run such pods. Cannot be changed.',
    }),
    overhead: Overhead.field({
      proto: 3,
      doc: 'Resources that running a pod with the class takes beyond those of its containers.',
    }),
    scheduling: Scheduling.field({
      proto: 4,
      doc: 'Constraints that keep pods on nodes that support the class. If unset, all nodes are assumed to support it.',
    }),
  },
})
export type RuntimeClass = Of<typeof RuntimeClass>
