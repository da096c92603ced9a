// Limits what the metrics propose. Earlier proposals keep the number from swinging (stabilize), policies limit how
// fast it changes (byRules, or byDefault without them), and minReplicas and maxReplicas come last. Pure but for the
// history of proposals, which grows by each call.
// Source: pkg/controller/podautoscaler/horizontal.go (normalize, stabilize, convert).
import { completeRules } from '../../kinds/autoscaling/autoscaler-rules.ts'
import type { HPAScalingRules, HorizontalPodAutoscalerSpec } from '../../kinds/autoscaling/autoscalerspec.ts'

/** One proposal, or one change of the number of pods. */
interface Step {
  atMs: number
  /** Of a proposal, the number itself. Of a change, how many pods more or fewer, always positive. */
  replicas: number
}

/**
 * The recent past of one autoscaler. Steps that no window or period can reach are dropped whenever one is added: the
 * advice after the longer stabilization window, the changes after half an hour, the longest period of a policy.
 */
export interface Memory {
  advice: Step[]
  ups: Step[]
  downs: Step[]
}

export const emptyMemory = (): Memory => ({ advice: [], ups: [], downs: [] })

interface Verdict {
  replicas: number
  able: { reason: string; message: string }
  limited: { status: 'True' | 'False'; reason: string; message: string }
}

const defaultDownWindowMs = 300_000

/** Adds the proposal `advised` to the history and returns the number of pods to set, with the two conditions. */
export function limit(
  spec: HorizontalPodAutoscalerSpec,
  memory: Memory,
  current: number,
  advised: number,
  now: number,
): Verdict {
  const min = spec.minReplicas ?? 1
  const rules = spec.behavior && {
    up: completeRules('scaleUp', spec.behavior.scaleUp),
    down: completeRules('scaleDown', spec.behavior.scaleDown),
  }
  const upWindowMs = (rules?.up.stabilizationWindowSeconds ?? 0) * 1000
  const downWindowMs =
    rules?.down.stabilizationWindowSeconds !== undefined
      ? rules.down.stabilizationWindowSeconds * 1000
      : defaultDownWindowMs
  // Without rules the highest proposal of the window counts, whatever the current number is.
  const stable = stabilize(memory, advised, {
    current: rules ? current : Number.POSITIVE_INFINITY,
    upWindowMs,
    downWindowMs,
    now,
  })
  const able = stable.why ?? { reason: 'ReadyForNewScale', message: 'recommended size matches current size' }
  const bounded = rules
    ? byRules(rules, memory, { current, wanted: stable.replicas, min, max: spec.maxReplicas, now })
    : byDefault({ current, wanted: stable.replicas, min, max: spec.maxReplicas })
  return { ...bounded, able }
}

/**
 * Keeps the number steady: it rises no higher than the lowest proposal of the up window, and falls no lower than the
 * highest of the down window. For example, proposals of 8, 3 and 5 within the down window keep 8 pods.
 */
function stabilize(
  memory: Memory,
  advised: number,
  {
    current,
    upWindowMs,
    downWindowMs,
    now,
  }: { current: number; upWindowMs: number; downWindowMs: number; now: number },
): { replicas: number; why?: { reason: string; message: string } } {
  const window = (ms: number) => memory.advice.filter(step => step.atMs > now - ms).map(step => step.replicas)
  const lowest = Math.min(advised, ...window(upWindowMs))
  const highest = Math.max(advised, ...window(downWindowMs))
  const longest = Math.max(upWindowMs, downWindowMs)
  memory.advice = [...memory.advice.filter(step => step.atMs > now - longest), { atMs: now, replicas: advised }]
  // A current number between the two stays.
  const replicas = Math.min(Math.max(current, lowest), highest)
  if (replicas === advised) return { replicas }
  return advised > replicas
    ? {
        replicas,
        why: {
          reason: 'ScaleUpStabilized',
          message: 'recent recommendations were lower than current one, applying the lowest recent recommendation',
        },
      }
    : {
        replicas,
        why: {
          reason: 'ScaleDownStabilized',
          message: 'recent recommendations were higher than current one, applying the highest recent recommendation',
        },
      }
}

interface Bounds {
  current: number
  wanted: number
  min: number
  max: number
}

const within = {
  status: 'False',
  reason: 'DesiredWithinRange',
  message: 'the desired count is within the acceptable range',
} as const
const tooFew = {
  status: 'True',
  reason: 'TooFewReplicas',
  message: 'the desired replica count is less than the minimum replica count',
} as const
const tooMany = {
  status: 'True',
  reason: 'TooManyReplicas',
  message: 'the desired replica count is more than the maximum replica count',
} as const
const tooFastUp = {
  status: 'True',
  reason: 'ScaleUpLimit',
  message: 'the desired replica count is increasing faster than the maximum scale rate',
} as const
const tooFastDown = {
  status: 'True',
  reason: 'ScaleDownLimit',
  message: 'the desired replica count is decreasing faster than the maximum scale rate',
} as const

type Bounded = Pick<Verdict, 'replicas' | 'limited'>

/** Without `behavior`, one step at most doubles the number, or raises it to 4. */
function byDefault({ current, wanted, min, max }: Bounds): Bounded {
  const fastest = Math.max(2 * current, 4)
  if (wanted < min) return { replicas: min, limited: tooFew }
  if (wanted > Math.min(fastest, max))
    return fastest < max ? { replicas: fastest, limited: tooFastUp } : { replicas: max, limited: tooMany }
  return { replicas: wanted, limited: within }
}

function byRules(
  { up, down }: { up: HPAScalingRules; down: HPAScalingRules },
  memory: Memory,
  { current, wanted, min, max, now }: Bounds & { now: number },
): Bounded {
  if (wanted > current) {
    const fastest = Math.max(current, rateLimit(up, memory, current, now, 1))
    const top = Math.min(fastest, max)
    if (wanted > top) return { replicas: top, limited: fastest < max ? tooFastUp : tooMany }
  } else if (wanted < current) {
    const slowest = Math.min(current, rateLimit(down, memory, current, now, -1))
    const bottom = Math.max(slowest, min)
    if (wanted < bottom) return { replicas: bottom, limited: slowest > min ? tooFastDown : tooFew }
  }
  if (wanted > max) return { replicas: max, limited: tooMany }
  if (wanted < min) return { replicas: min, limited: tooFew }
  return { replicas: wanted, limited: within }
}

/** The farthest number that the policies allow in one direction: +1 up, -1 down. */
function rateLimit(
  { selectPolicy, policies = [] }: HPAScalingRules,
  memory: Memory,
  current: number,
  now: number,
  sign: 1 | -1,
): number {
  if (selectPolicy === 'Disabled') return current
  const limits = policies.map(({ type, value, periodSeconds }) => {
    const since = now - periodSeconds * 1000
    const changed = (steps: readonly Step[]) =>
      steps.filter(step => step.atMs > since).reduce((sum, step) => sum + step.replicas, 0)
    // Changes within the period count against the policy, so its limit starts from the number before them.
    const start = current - changed(memory.ups) + changed(memory.downs)
    if (type === 'Pods') return start + sign * value
    const share = start * (1 + (sign * value) / 100)
    return sign > 0 ? Math.ceil(share) : Math.trunc(share)
  })
  const generous = selectPolicy !== 'Min'
  return generous === sign > 0 ? Math.max(...limits) : Math.min(...limits)
}

/** The longest `periodSeconds` of a policy that validation accepts. */
const longestPeriodMs = 1_800_000

/** Records a change of the number of pods, which counts against the policies from now on. */
export function remember(memory: Memory, before: number, after: number, now: number): void {
  const recent = (steps: readonly Step[]) => steps.filter(step => step.atMs > now - longestPeriodMs)
  memory.ups = recent(memory.ups)
  memory.downs = recent(memory.downs)
  if (after > before) memory.ups.push({ atMs: now, replicas: after - before })
  else if (after < before) memory.downs.push({ atMs: now, replicas: before - after })
}
