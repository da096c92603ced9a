// A Job's pod failure policy: which failures end the Job or give up an index, and which are ignored.
// Source: pkg/controller/job (pod_failure_policy.go), KEP-3329.
import type { JobSpec, PodFailurePolicyRule } from '../../kinds/batch/jobspec.ts'
import type { Pod } from '../../kinds/core/pod.ts'

type Verdict = { action: 'FailJob'; message: string } | { action: 'Ignore' | 'Count' | 'FailIndex' }

/** The action of the first rule that matches a failed pod. Without a matching rule the failure counts. */
export function judge(pod: Pod, spec: JobSpec): Verdict {
  for (const [i, rule] of (spec.podFailurePolicy?.rules ?? []).entries()) {
    const why = rule.onExitCodes ? byExitCode(pod, rule) : byCondition(pod, rule)
    if (why === undefined) continue
    if (rule.action === 'FailJob') return { action: 'FailJob', message: `${why} matching FailJob rule at index ${i}` }
    return { action: rule.action as 'Ignore' | 'Count' | 'FailIndex' }
  }
  return { action: 'Count' }
}

function byExitCode(pod: Pod, { onExitCodes }: PodFailurePolicyRule): string | undefined {
  const { containerName, operator, values } = onExitCodes!
  for (const status of [...(pod.status.containerStatuses ?? []), ...(pod.status.initContainerStatuses ?? [])]) {
    const exitCode = status.state.terminated?.exitCode
    if (exitCode === undefined || exitCode === 0) continue
    if (containerName !== undefined && containerName !== status.name) continue
    if (values.includes(exitCode) === (operator === 'In'))
      return `Container ${status.name} for pod ${pod.metadata.namespace}/${pod.metadata.name} failed with exit code ${exitCode}`
  }
  return undefined
}

function byCondition(pod: Pod, { onPodConditions }: PodFailurePolicyRule): string | undefined {
  for (const pattern of onPodConditions ?? []) {
    const found = pod.status.conditions?.some(c => c.type === pattern.type && c.status === (pattern.status || 'True'))
    if (found) return `Pod ${pod.metadata.namespace}/${pod.metadata.name} has condition ${pattern.type}`
  }
  return undefined
}
