// DefaultPreemption: makes room for pods by evicting pods of lower priority. preempt.ts finds the victims.
// Source: plugins/defaultpreemption.
import { PodDisruptionBudget } from '../../kinds/policy/poddisruptionbudget.ts'
import {
  definePlugin,
  type Eviction,
  type Handle,
  type Plugin,
  type PluginMaker,
  type PostFiltered,
} from '../framework.ts'
import { findEvictions, ineligible, leastHarm, type PreemptionOptions } from '../preempt.ts'

const maxNodes = 1_000_000

export const defaultPreemption: PluginMaker = {
  name: 'DefaultPreemption',
  read(args) {
    const limits = {
      minCandidateNodesPercentage: args.integer('minCandidateNodesPercentage', { min: 0, max: 100 }, 10),
      minCandidateNodesAbsolute: args.integer('minCandidateNodesAbsolute', { min: 0, max: maxNodes }, 100),
    }
    if (limits.minCandidateNodesPercentage === 0 && limits.minCandidateNodesAbsolute === 0)
      args.problem('minCandidateNodesAbsolute', 'must not be 0 when minCandidateNodesPercentage is')
    return handle => make(limits, handle)
  },
}

function make(limits: Limits, { client, random, signal }: Handle): Plugin {
  const mirror = client.mirror(PodDisruptionBudget)
  let epoch = 0
  let budgets = mirror.list()
  const unsubscribe = mirror.subscribe(() => {
    epoch++
    budgets = mirror.list()
  }, 'DefaultPreemption')
  signal.addEventListener('abort', unsubscribe, { once: true })
  return definePlugin({
    name: 'DefaultPreemption',
    postFilter(pod, failure) {
      const why = ineligible(pod, failure)
      if (why) return { message: `preemption: ${why}` }
      const found = findEvictions(pod, failure, { ...limits, budgets, epoch, offset: random.float() })
      if (!found.evictions.length) return { message: `preemption: ${found.why}`, nomination: 'remove' }
      if (!failure.narrow) return chosen(found.evictions)
      return failure.narrow(found.evictions).then(chosen)
    },
  })
}

type Limits = Pick<PreemptionOptions, 'minCandidateNodesPercentage' | 'minCandidateNodesAbsolute'>

function chosen(evictions: readonly Eviction[]): PostFiltered {
  const eviction = leastHarm(evictions)
  if (!eviction) return { message: 'preemption: no candidate node for preemption', nomination: 'remove' }
  return { nomination: eviction }
}
