// A Job's pod: tracked until it is counted, and, in an indexed Job, knowing its index.
import type { Draft } from '../../api/kind.ts'
import type { DeepReadonly } from '../../api/schema/node.ts'
import type { Container } from '../../kinds/core/container.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { podFromTemplate } from '../pods.ts'
import { failureCountAnnotation, indexLabel, type Job, trackingFinalizer } from './plan.ts'

const indexVariable = 'JOB_COMPLETION_INDEX'
const maxNameLength = 63

/** @param failures how often the index has failed before */
export function jobPod(job: Job, index: number | undefined, failures = 0): Draft<Pod> {
  const name = job.metadata.name ?? ''
  const pod = podFromTemplate(job.spec.template, name)
  const finalizers = [...(pod.metadata?.finalizers ?? []), trackingFinalizer]
  if (index === undefined) return { ...pod, metadata: { ...pod.metadata, finalizers } }
  const mark = { [indexLabel]: String(index) }
  const count = job.spec.backoffLimitPerIndex === undefined ? {} : { [failureCountAnnotation]: String(failures) }
  const { template } = job.spec
  return {
    metadata: {
      ...pod.metadata,
      generateName: `${name}-${index}-`,
      finalizers,
      labels: { ...pod.metadata?.labels, ...mark } as Record<string, string>,
      annotations: { ...pod.metadata?.annotations, ...mark, ...count } as Record<string, string>,
    },
    spec: {
      ...template.spec,
      hostname: template.spec.hostname || `${name}-${index}`.slice(0, maxNameLength),
      containers: template.spec.containers.map(withIndex),
      ...(template.spec.initContainers && { initContainers: template.spec.initContainers.map(withIndex) }),
    },
  }
}

function withIndex(container: DeepReadonly<Container>): DeepReadonly<Container> {
  if (container.env?.some(({ name }) => name === indexVariable)) return container
  const fieldRef = { apiVersion: 'v1', fieldPath: `metadata.labels['${indexLabel}']` }
  return { ...container, env: [...(container.env ?? []), { name: indexVariable, valueFrom: { fieldRef } }] }
}
