// Makes the pod of a Job from its template: with the tracking finalizer, and in an indexed Job with its index in
// hostname, name, label, annotation and environment.
import type { Draft } from '../../api/kind.ts'
import type { Container } from '../../kinds/core/container.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { podFromTemplate } from '../pods.ts'
import {
  failureCountAnnotation,
  hasLimitPerIndex,
  ignoredCountAnnotation,
  indexLabel,
  nextCounts,
  trackingFinalizer,
} from './tally.ts'
import type { Job } from '../../kinds/batch/job.ts'

const indexVariable = 'JOB_COMPLETION_INDEX'
/** The longest prefix of a generated name, which leaves room for the five characters that make it unique. */
const maxPrefixLength = 63 - 5

/** @param last the failed pod of the index that this one replaces, whose failure counts it continues */
export function jobPod(job: Job, index: number | undefined, last?: Pod): Draft<Pod> {
  const name = job.metadata.name ?? ''
  const pod = podFromTemplate(job.spec.template, name)
  const finalizers = [...new Set([...(pod.metadata?.finalizers ?? []), trackingFinalizer])]
  if (index === undefined) return { ...pod, metadata: { ...pod.metadata, finalizers } }
  const mark = { [indexLabel]: String(index) }
  const { template } = job.spec
  return {
    metadata: {
      ...pod.metadata,
      generateName: namePrefix(name, index),
      finalizers,
      labels: { ...pod.metadata?.labels, ...mark } as Record<string, string>,
      annotations: { ...pod.metadata?.annotations, ...mark, ...counts(job, last) } as Record<string, string>,
    },
    spec: {
      ...template.spec,
      hostname: `${name}-${index}`,
      containers: template.spec.containers.map(withIndex),
      ...(template.spec.initContainers && { initContainers: template.spec.initContainers.map(withIndex) }),
    },
  }
}

/** The prefix of a pod's name. A long Job name is cut, never the index. */
export function namePrefix(name: string, index: number): string {
  const end = `-${index}-`
  return name.slice(0, maxPrefixLength - end.length) + end
}

function counts(job: Job, last: Pod | undefined): Record<string, string> {
  if (!hasLimitPerIndex(job)) return {}
  const { counted, ignored } = nextCounts(job, last)
  return {
    [failureCountAnnotation]: String(counted),
    ...(ignored > 0 && { [ignoredCountAnnotation]: String(ignored) }),
  }
}

function withIndex(container: Container): Container {
  if (container.env?.some(({ name }) => name === indexVariable)) return container
  const fieldRef = { apiVersion: 'v1', fieldPath: `metadata.labels['${indexLabel}']` }
  return { ...container, env: [...(container.env ?? []), { name: indexVariable, valueFrom: { fieldRef } }] }
}
