// From what the metrics ask for to what is done: earlier advice keeps the number from swinging, policies bound how
// fast it changes, and the autoscaler's own bounds come last. Pure.
// Source: pkg/controller/podautoscaler/horizontal.go (normalize, stabilize, convert).
import { completeRules } from '../../kinds/autoscaling/autoscaler-rules.ts'
import type { HPAScalingRules, HorizontalPodAutoscalerSpec } from '../../kinds/autoscaling/autoscalerspec.ts'

/** Something that happened to the number of pods, or was advised. */
interface Step {
  atMs: number
  /** The number advised; of scalings, by how much it changed. */
  replicas: number
}

/** What is remembered of one autoscaler. */
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

/** Remembers the advice and returns what follows from it. */
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
  // Without rules the highest advice counts, whatever the number is now.
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

/** The advice of the window: going up no higher than its lowest, going down no lower than its highest. */
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
  // What is between them keeps the number there is.
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

/** Without rules of its own an autoscaler doubles at most, or goes to 4. */
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

/** How far the policies let the number go in one direction: +1 up, -1 down. */
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
    // What was done within the period counts against the policy.
    const start = current - changed(memory.ups) + changed(memory.downs)
    if (type === 'Pods') return start + sign * value
    const share = start * (1 + (sign * value) / 100)
    return sign > 0 ? Math.ceil(share) : Math.trunc(share)
  })
  const generous = selectPolicy !== 'Min'
  return generous === sign > 0 ? Math.max(...limits) : Math.min(...limits)
}

const longestPeriodMs = 1_800_000

/** Remembers that the number of pods was changed. */
export function remember(memory: Memory, before: number, after: number, now: number): void {
  const recent = (steps: readonly Step[]) => steps.filter(step => step.atMs > now - longestPeriodMs)
  memory.ups = recent(memory.ups)
  memory.downs = recent(memory.downs)
  if (after > before) memory.ups.push({ atMs: now, replicas: after - before })
  else if (after < before) memory.downs.push({ atMs: now, replicas: before - after })
}
