// A runtime class: which container runtime runs a pod.
import { defineKind, type Of } from '../../api/kind.ts'
import { dnsLabelErrors } from '../../api/names.ts'
import { same, unchanged } from '../unchanged.ts'
import { requiredName, validateLabels } from '../../api/checks.ts'
import { goStruct } from '../../api/go-value.ts'
import { validateTolerations } from '../core/affinity-rules.ts'
import { validateContainerResourceName, validateRequirements } from '../core/resource-rules.ts'
import { list, map, quantity, string, struct } from '../../api/schema/build.ts'
import { Toleration } from '../core/affinity.ts'

export const Overhead = struct('node.v1.Overhead', 'What running a pod costs besides its containers.', {
  podFixed: map(quantity({}), { proto: 1, doc: 'Amount for each pod, by resource.' }),
})
export type Overhead = Of<typeof Overhead>

export const Scheduling = struct('node.v1.Scheduling', 'Which nodes can run pods of a class.', {
  nodeSelector: map(string({}), { proto: 1, atomic: true, doc: 'Labels the nodes have; added to the pods.' }),
  tolerations: list(Toleration, { proto: 2, doc: 'Taints the pods tolerate; added to the pods.' }),
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
  doc: 'A runtime class: which container runtime runs a pod.',
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
      if (tolerations.slice(0, i).some(before => same(before, toleration)))
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
      doc: 'Name of the handler in the node’s runtime; cannot change.',
    }),
    overhead: Overhead.field({ proto: 3, doc: 'What running a pod costs besides its containers.' }),
    scheduling: Scheduling.field({ proto: 4, doc: 'Which nodes have the handler.' }),
  },
})
export type RuntimeClass = Of<typeof RuntimeClass>
