// A daemon set runs one pod on every node, or on every node of a kind.
import { warnOfTemplate } from '../core/pod-warnings.ts'
import { sameJson } from '../../api/equal.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { LabelSelector } from '../../api/meta.ts'
import type { Path, Problem } from '../../api/path.ts'
import { int32, int64, intOrString, listByKey, string, struct, time } from '../../api/schema/build.ts'
import { PodTemplateSpec } from '../core/podtemplatespec.ts'
import { validateCount } from './rolling-update.ts'
import { selectorCell, selectorColumn, templateColumns } from '../columns.ts'
import { notNegative } from '../../api/checks.ts'
import { goStruct } from '../../api/go-value.ts'
import { defaultTemplate, selectorUnchanged, validateLasting, validateSelection } from './workload-rules.ts'
import { validateCounts } from '../status-rules.ts'

export const RollingUpdateDaemonSet = struct(
  'apps.v1.RollingUpdateDaemonSet',
  'Limits for a rolling update of a DaemonSet.',
  {
    maxUnavailable: intOrString({
      proto: 1,
      default: 1,
      optional: true,
      doc: 'Maximum number of nodes, or percentage (rounded up), that may be without an available pod during the update. Cannot be 0 if maxSurge is 0. Defaults to 1.',
    }),
    maxSurge: intOrString({
      proto: 2,
      default: 0,
      optional: true,
      doc: 'Maximum number of nodes, or percentage (rounded up), that may run the old and the new pod at the same time during the update. Cannot be set if maxUnavailable is not 0. Defaults to 0.',
    }),
  },
)
export type RollingUpdateDaemonSet = Of<typeof RollingUpdateDaemonSet>

export const DaemonSetUpdateStrategy = struct(
  'apps.v1.DaemonSetUpdateStrategy',
  'How the pods of a DaemonSet are replaced after its template has changed.',
  {
    type: string({
      proto: 1,
      default: 'RollingUpdate',
      enum: ['RollingUpdate', 'OnDelete'],
      doc: 'RollingUpdate replaces the pods gradually. OnDelete replaces a pod only after it has been deleted. Defaults to RollingUpdate.',
    }),
    rollingUpdate: RollingUpdateDaemonSet.field({
      proto: 2,
      doc: 'Limits for a rolling update. Only for type RollingUpdate.',
    }),
  },
)
export type DaemonSetUpdateStrategy = Of<typeof DaemonSetUpdateStrategy>

export const DaemonSetSpec = struct('apps.v1.DaemonSetSpec', 'Desired state of a DaemonSet.', {
  selector: LabelSelector.field({
    proto: 1,
    required: true,
    doc: 'Labels of the pods that the DaemonSet manages. Must match the labels of the template. Cannot be changed.',
  }),
  template: PodTemplateSpec.value({
    proto: 2,
    required: true,
    doc: 'Template of the pods. One is created on every node that matches the template’s nodeSelector and affinity. restartPolicy must be Always.',
  }),
  updateStrategy: DaemonSetUpdateStrategy.value({
    proto: 3,
    doc: 'How pods are replaced after the template has changed.',
  }),
  minReadySeconds: int32({
    proto: 4,
    doc: 'Seconds that a new pod must be ready, without a container crashing, to count as available. Defaults to 0.',
  }),
  revisionHistoryLimit: int32({
    proto: 6,
    default: 10,
    optional: true,
    doc: 'Number of old revisions to keep for a rollback. Defaults to 10.',
  }),
})
export type DaemonSetSpec = Of<typeof DaemonSetSpec>

export const DaemonSetCondition = struct(
  'apps.v1.DaemonSetCondition',
  'One aspect of the current state of a DaemonSet.',
  {
    type: string({ proto: 1, always: true, doc: 'Type of the condition.' }),
    status: string({ proto: 2, always: true, doc: 'Status of the condition: True, False or Unknown.' }),
    lastTransitionTime: time({ proto: 3, always: true, doc: 'Time when the status of the condition last changed.' }),
    reason: string({ proto: 4, doc: 'Machine-readable reason in CamelCase for the last transition of the condition.' }),
    message: string({ proto: 5, doc: 'Human-readable message with details about the last transition.' }),
  },
)
export type DaemonSetCondition = Of<typeof DaemonSetCondition>

export const DaemonSetStatus = struct('apps.v1.DaemonSetStatus', 'Most recently observed state of a DaemonSet.', {
  currentNumberScheduled: int32({ proto: 1, always: true, doc: 'Number of nodes that should run a pod and do.' }),
  numberMisscheduled: int32({ proto: 2, always: true, doc: 'Number of nodes that should not run a pod but do.' }),
  desiredNumberScheduled: int32({ proto: 3, always: true, doc: 'Number of nodes that should run a pod.' }),
  numberReady: int32({ proto: 4, always: true, doc: 'Number of nodes that should run a pod and have a ready one.' }),
  observedGeneration: int64({ proto: 5, doc: 'Generation that the controller has most recently processed.' }),
  updatedNumberScheduled: int32({ proto: 6, doc: 'Number of nodes that run a pod of the current template.' }),
  numberAvailable: int32({
    proto: 7,
    doc: 'Number of nodes that should run a pod and have one that has been ready for at least minReadySeconds.',
  }),
  numberUnavailable: int32({ proto: 8, doc: 'Number of nodes that should run a pod and have no available one.' }),
  collisionCount: int32({
    proto: 9,
    optional: true,
    doc: 'Number of name collisions of ControllerRevisions. The controller uses it to find a free name.',
  }),
  conditions: listByKey('type', DaemonSetCondition, {
    proto: 10,
    mergeKey: 'type',
    doc: 'Current conditions of the DaemonSet.',
  }),
})
export type DaemonSetStatus = Of<typeof DaemonSetStatus>

const generationAnnotation = 'deprecated.daemonset.template.generation'

/** Either pods may be away or there may be two: not both, and not neither. */
function* validateSurge({ maxUnavailable, maxSurge }: RollingUpdateDaemonSet, at: Path): Iterable<Problem> {
  yield* validateCount(maxUnavailable, at.field('maxUnavailable'))
  yield* validateCount(maxSurge, at.field('maxSurge'))
  const some = (value: number | string | undefined) => (Number.parseInt(String(value ?? 0), 10) || 0) !== 0
  if (some(maxUnavailable) && some(maxSurge))
    yield at.field('maxSurge').invalid(maxSurge, 'may not be set when maxUnavailable is non-zero')
  if (!some(maxUnavailable) && !some(maxSurge))
    yield at.field('maxUnavailable').required('cannot be 0 when maxSurge is 0')
}

export const DaemonSet = defineKind({
  group: 'apps',
  version: 'v1',
  kind: 'DaemonSet',
  plural: 'daemonsets',
  scope: 'Namespaced',
  shortNames: ['ds'],
  categories: ['all'],
  status: true,
  doc: 'DaemonSet runs one pod on each node, or on each node that is selected.',
  generation: true,
  columns: [
    { name: 'Desired', type: 'integer', value: '.status.desiredNumberScheduled' },
    { name: 'Current', type: 'integer', value: '.status.currentNumberScheduled' },
    { name: 'Ready', type: 'integer', value: '.status.numberReady' },
    { name: 'Up-to-date', type: 'integer', value: '.status.updatedNumberScheduled' },
    { name: 'Available', type: 'integer', value: '.status.numberAvailable' },
    { name: 'Node Selector', type: 'string', value: o => selectorCell(o.spec.template.spec.nodeSelector) },
    ...(templateColumns as []),
    selectorColumn,
  ],
  defaults: d => {
    defaultTemplate(d)
    // The number is a default, so the writer of a daemon set owns it, although only the server sets its value.
    d.metadata.annotations = { [generationAnnotation]: '0', ...d.metadata.annotations }
    if (d.spec.updateStrategy.type === 'RollingUpdate')
      d.spec.updateStrategy.rollingUpdate ??= { maxUnavailable: 1, maxSurge: 0 }
  },
  // Old clients distinguished revisions by this number, and pods still have it as a label.
  prepare: (next, old) => {
    const before = Number(old?.metadata.annotations?.[generationAnnotation] ?? 0) || 0
    const isChanged = !old || !sameJson(old.spec.template, next.spec.template)
    const generation = isChanged ? before + 1 : Math.max(1, before)
    next.metadata.annotations = { ...next.metadata.annotations, [generationAnnotation]: String(generation) }
  },
  explicit: true,
  *warnings({ metadata, spec }, old, at) {
    if (metadata.generation !== old?.metadata.generation)
      yield* warnOfTemplate(spec.template, at.field('spec', 'template'))
  },
  *validate({ spec }, at) {
    const { type, rollingUpdate } = spec.updateStrategy
    if (type === 'RollingUpdate' && rollingUpdate)
      yield* validateSurge(rollingUpdate, at.field('spec', 'updateStrategy', 'rollingUpdate'))
    yield* notNegative(
      { minReadySeconds: spec.minReadySeconds, revisionHistoryLimit: spec.revisionHistoryLimit },
      at.field('spec'),
    )
    const strategies = ['RollingUpdate', 'OnDelete']
    if (!strategies.includes(type))
      yield at
        .field('spec', 'updateStrategy')
        .notSupported(goStruct(DaemonSetUpdateStrategy, spec.updateStrategy), strategies)
    yield* validateSelection(spec, { kind: 'daemonset' }, at.field('spec'))
    yield* validateLasting(spec.template, 'DaemonSet', at.field('spec', 'template'))
  },
  *validateUpdate(next, old, at) {
    yield* selectorUnchanged(next.spec.selector, old.spec.selector, at)
  },
  validateStatus: validateCounts({
    counts: [
      'currentNumberScheduled',
      'numberMisscheduled',
      'desiredNumberScheduled',
      'numberReady',
      'observedGeneration',
      'updatedNumberScheduled',
      'numberAvailable',
      'numberUnavailable',
    ],
  }),
  fields: {
    spec: DaemonSetSpec.value({ proto: 2, required: true, doc: 'Desired state of the DaemonSet.' }),
    status: DaemonSetStatus.value({ proto: 3, doc: 'Most recently observed state of the DaemonSet.' }),
  },
})
export type DaemonSet = Of<typeof DaemonSet>
