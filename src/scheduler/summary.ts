// The message of a pod that no node can take, such as `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had …`.
// Source: pkg/scheduler/framework/types.go (FitError).
import type { No } from './framework.ts'

/** Counts equal reasons. `others` is the reason of all nodes beyond the `named` ones. */
export function summary(
  total: number,
  refusals: readonly { no: Pick<No, 'no'> }[],
  others?: Pick<No, 'no'>,
  named = refusals.length,
): string {
  const counts = new Map<string, number>()
  const count = ({ no }: Pick<No, 'no'>, times: number) => {
    for (const reason of typeof no === 'string' ? [no] : no) counts.set(reason, (counts.get(reason) ?? 0) + times)
  }
  for (const { no } of refusals) count(no, 1)
  if (others && named < total) count(others, total - named)
  const reasons = [...counts].map(([reason, times]) => `${times} ${reason}`).sort()
  return `0/${total} nodes are available:${reasons.length ? ` ${reasons.join(', ')}.` : ''}`
}
