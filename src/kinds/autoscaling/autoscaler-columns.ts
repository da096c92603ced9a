// The columns of autoscalers in `kubectl get`. Source: pkg/printers/internalversion (printHorizontalPodAutoscaler).
import type { Column, KubeObject } from '../../api/kind.ts'
import { ageColumn } from '../columns.ts'
import type { HorizontalPodAutoscalerStatus, MetricStatus } from './autoscalerstatus.ts'
import type { HorizontalPodAutoscalerSpec, MetricSpec } from './autoscalerspec.ts'

export type Autoscaler = { spec: HorizontalPodAutoscalerSpec; status: HorizontalPodAutoscalerStatus }

const columns: readonly { name: string; type: 'string'; value: (o: Autoscaler) => string | number }[] = [
  {
    name: 'Reference',
    type: 'string',
    value: o => `${o.spec.scaleTargetRef.kind}/${o.spec.scaleTargetRef.name}`,
  },
  { name: 'Targets', type: 'string', value: targetsText },
  {
    name: 'MinPods',
    type: 'string',
    value: o => (o.spec.minReplicas === undefined ? '<unset>' : `${o.spec.minReplicas}`),
  },
  { name: 'MaxPods', type: 'string', value: o => o.spec.maxReplicas },
  { name: 'Replicas', type: 'string', value: o => o.status.currentReplicas ?? 0 },
]

/** For objects that `whole` gives the newer form of. */
export const autoscalerColumns = <T extends KubeObject>(whole: (object: T) => Autoscaler): readonly Column<T>[] => [
  ...columns.map(column => ({ ...column, value: (o: T) => column.value(whole(o)) })),
  ageColumn,
]

const maxShown = 2

function targetsText({ spec, status }: Autoscaler): string {
  const metrics = spec.metrics ?? []
  if (!metrics.length) return '<none>'
  const texts = metrics.map((metric, i) => targetText(metric, status.currentMetrics?.[i]))
  const shown = texts.slice(0, maxShown).join(', ')
  return texts.length > maxShown ? `${shown} + ${texts.length - maxShown} more...` : shown
}

function targetText(metric: MetricSpec, status: MetricStatus | undefined): string {
  const unknown = '<unknown>'
  const { resource, containerResource, object, external, pods } = metric
  const source = resource ?? containerResource
  if (source) {
    const current = (resource ? status?.resource : status?.containerResource)?.current
    if (source.target.averageValue !== undefined)
      return `${source.name}: ${current?.averageValue ?? unknown}/${source.target.averageValue}`
    const now = current?.averageUtilization === undefined ? unknown : `${current.averageUtilization}%`
    return `${source.name}: ${now}/${source.target.averageUtilization === undefined ? '<auto>' : `${source.target.averageUtilization}%`}`
  }
  if (pods) return `${status?.pods?.current.averageValue ?? unknown}/${pods.target.averageValue}`
  const other = object ?? external
  const current = (object ? status?.object : status?.external)?.current
  if (other?.target.averageValue !== undefined)
    return `${current?.averageValue ?? unknown}/${other.target.averageValue} (avg)`
  return other ? `${current?.value ?? unknown}/${other.target.value}` : '<unknown type>'
}
