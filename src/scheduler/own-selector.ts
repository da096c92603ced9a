// A pod's own selector, by which it is spread if it has no constraints: that of its services and of its workload.
// Source: pkg/scheduler/framework/plugins/helper/spread.go.
import { type Labels, matchesPairs, matchesSelector, type Selector, selectorOf } from '../api/labels.ts'
import type { Client } from '../client/index.ts'
import { ReplicaSet } from '../kinds/apps/replicaset.ts'
import { StatefulSet } from '../kinds/apps/statefulset.ts'
import { ReplicationController } from '../kinds/core/replicationcontroller.ts'
import { Service } from '../kinds/core/service.ts'
import type { PodInfo } from './info.ts'

interface OwnSelector {
  key: string
  matches(labels: Labels): boolean
}

/** The most answers that are kept. When there are more, all are dropped. */
const maxCached = 10_000

/** A function that returns a pod's own selector. Answers are kept until a service changes. */
export function ownSelectors(client: Client, signal: AbortSignal): (pod: PodInfo) => OwnSelector | undefined {
  const services = client.mirror(Service)
  const cache = new Map<string, OwnSelector | undefined>()
  const unsubscribe = services.subscribe(() => cache.clear(), 'selectors of pods')
  signal.addEventListener('abort', unsubscribe, { once: true })
  return pod => {
    const owner = pod.pod.metadata.ownerReferences?.find(r => r.controller)
    const key = `${pod.namespace} ${owner?.uid ?? ''} ${JSON.stringify(pod.labels)}`
    if (cache.has(key)) return cache.get(key)
    const found = find(pod)
    if (cache.size >= maxCached) cache.clear()
    cache.set(key, found)
    return found
  }

  function find(pod: PodInfo): OwnSelector | undefined {
    const pairs: Record<string, string> = {}
    for (const { spec } of services.list(pod.namespace))
      if (spec.selector && matchesPairs(spec.selector, pod.labels)) Object.assign(pairs, spec.selector)
    const workload = workloadSelector(pod)
    if (!Object.keys(pairs).length && !workload?.length) return undefined
    const requirements = workload ?? []
    return {
      key: `own ${pod.namespace} ${JSON.stringify([pairs, requirements])}`,
      matches: labels => matchesPairs(pairs, labels) && matchesSelector(requirements, labels),
    }
  }

  function workloadSelector({ pod, namespace }: PodInfo): Selector | undefined {
    const owner = pod.metadata.ownerReferences?.find(r => r.controller)
    if (owner?.kind === 'ReplicaSet')
      return selectorOf(client.mirror(ReplicaSet).get(namespace, owner.name)?.spec.selector)
    if (owner?.kind === 'StatefulSet')
      return selectorOf(client.mirror(StatefulSet).get(namespace, owner.name)?.spec.selector)
    if (owner?.kind !== 'ReplicationController') return undefined
    const matchLabels = client.mirror(ReplicationController).get(namespace, owner.name)?.spec.selector
    return matchLabels && selectorOf({ matchLabels })
  }
}
