// A daemon set runs one pod on every node, or on every node of a kind.
import { defineKind, type Of } from '../../api/kind.ts'
import { LabelSelector } from '../../api/meta.ts'
import { int32, int64, intOrString, listByKey, string, struct, time } from '../../api/schema/build.ts'
import { PodTemplateSpec } from '../core/podtemplatespec.ts'
import { selectorCell, selectorColumn, templateColumns } from '../columns.ts'
import { defaultTemplate, notNegative, selectorUnchanged, validateWorkload } from './workload-rules.ts'

export const RollingUpdateDaemonSet = struct('apps.v1.RollingUpdateDaemonSet', '', {
  maxUnavailable: intOrString({ proto: 1, default: 1, optional: true }),
  maxSurge: intOrString({ proto: 2, default: 0, optional: true }),
})
export type RollingUpdateDaemonSet = Of<typeof RollingUpdateDaemonSet>

export const DaemonSetUpdateStrategy = struct('apps.v1.DaemonSetUpdateStrategy', '', {
  type: string({ proto: 1, default: 'RollingUpdate', enum: ['RollingUpdate', 'OnDelete'] }),
  rollingUpdate: RollingUpdateDaemonSet.field({ proto: 2 }),
})
export type DaemonSetUpdateStrategy = Of<typeof DaemonSetUpdateStrategy>

export const DaemonSetSpec = struct('apps.v1.DaemonSetSpec', '', {
  selector: LabelSelector.field({ proto: 1, required: true }),
  template: PodTemplateSpec.value({ proto: 2, required: true }),
  updateStrategy: DaemonSetUpdateStrategy.value({ proto: 3 }),
  minReadySeconds: int32({ proto: 4 }),
  revisionHistoryLimit: int32({ proto: 6, default: 10, optional: true }),
})
export type DaemonSetSpec = Of<typeof DaemonSetSpec>

export const DaemonSetCondition = struct('apps.v1.DaemonSetCondition', '', {
  type: string({ proto: 1, always: true }),
  status: string({ proto: 2, always: true }),
  lastTransitionTime: time({ proto: 3, always: true }),
  reason: string({ proto: 4 }),
  message: string({ proto: 5 }),
})
export type DaemonSetCondition = Of<typeof DaemonSetCondition>

export const DaemonSetStatus = struct('apps.v1.DaemonSetStatus', '', {
  currentNumberScheduled: int32({ proto: 1, always: true }),
  numberMisscheduled: int32({ proto: 2, always: true }),
  desiredNumberScheduled: int32({ proto: 3, always: true }),
  numberReady: int32({ proto: 4, always: true }),
  observedGeneration: int64({ proto: 5 }),
  updatedNumberScheduled: int32({ proto: 6 }),
  numberAvailable: int32({ proto: 7 }),
  numberUnavailable: int32({ proto: 8 }),
  collisionCount: int32({ proto: 9, optional: true }),
  conditions: listByKey('type', DaemonSetCondition, { proto: 10, mergeKey: 'type' }),
})
export type DaemonSetStatus = Of<typeof DaemonSetStatus>

export const DaemonSet = defineKind({
  group: 'apps',
  version: 'v1',
  kind: 'DaemonSet',
  plural: 'daemonsets',
  scope: 'Namespaced',
  shortNames: ['ds'],
  categories: ['all'],
  status: true,
  doc: 'A daemon set runs one pod on every node, or on every node of a kind.',
  generation: true,
  columns: [
    { name: 'Desired', type: 'integer', value: '.status.desiredNumberScheduled' },
    { name: 'Current', type: 'integer', value: '.status.currentNumberScheduled' },
    { name: 'Ready', type: 'integer', value: '.status.numberReady' },
    { name: 'Up-to-date', type: 'integer', value: '.status.updatedNumberScheduled' },
    { name: 'Available', type: 'integer', value: '.status.numberAvailable' },
    { name: 'Node Selector', type: 'string', value: o => selectorCell(o.spec.template.spec.nodeSelector) },
    ...(templateColumns as []),
    selectorColumn as never,
  ],
  defaults: d => {
    defaultTemplate(d)
    if (d.spec.updateStrategy.type === 'RollingUpdate')
      d.spec.updateStrategy.rollingUpdate ??= { maxUnavailable: 1, maxSurge: 0 }
  },
  *validate({ spec }, at) {
    yield* notNegative(
      { minReadySeconds: spec.minReadySeconds, revisionHistoryLimit: spec.revisionHistoryLimit },
      at.field('spec'),
    )
    yield* validateWorkload(spec, at.field('spec'))
  },
  *validateUpdate(next, old, at) {
    yield* selectorUnchanged(next.spec.selector, old.spec.selector, at)
  },
  fields: {
    spec: DaemonSetSpec.value({ proto: 2, required: true, doc: 'What is wanted.' }),
    status: DaemonSetStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type DaemonSet = Of<typeof DaemonSet>
