// Ephemeral containers can be added to a running pod. Those that the pod has cannot be changed or removed.
// Source: pkg/apis/core/validation (ValidatePodEphemeralContainersUpdate).
import { sameJson } from '../../api/equal.ts'
import { goLines } from '../../api/go-value.ts'
import { unifiedDiff } from '../../api/line-diff.ts'
import { invalidError, type Problem, root } from '../../api/path.ts'
import { EphemeralContainer } from '../../kinds/core/container.ts'
import { Pod } from '../../kinds/core/pod.ts'
import type { Mutable } from '../../api/schema/node.ts'

/** Takes over the ephemeral containers of `sent`. Throws Invalid if one that the pod has is missing or different. */
export function setEphemeralContainers(pod: Mutable<Pod>, sent: Pod): void {
  const at = root.field('spec', 'ephemeralContainers')
  const next = sent.spec.ephemeralContainers ?? []
  const problems: Problem[] = []
  for (const before of pod.spec.ephemeralContainers ?? []) {
    const now = next.find(c => c.name === before.name)
    const existing = `existing ephemeral containers ${JSON.stringify(before.name)}`
    if (!now) problems.push(at.forbidden(`${existing} may not be removed\n`))
    else if (!sameJson(now, before)) {
      const difference = unifiedDiff(goLines(EphemeralContainer, before), goLines(EphemeralContainer, now))
      problems.push(at.forbidden(`${existing} may not be changed\n${difference}`))
    }
  }
  if (problems.length) throw invalidError(Pod, pod.metadata.name ?? '', problems)
  pod.spec.ephemeralContainers = next as Mutable<typeof next>
}
