// PodTolerationRestriction: a namespace gives its pods tolerations, and says which ones they may have at most. It is off
// unless somebody enables it. Source: plugin/pkg/admission/podtolerationrestriction, pkg/util/tolerations.
import { StatusError } from '../../base/errors.ts'
import type { Mutable } from '../../api/schema/node.ts'
import type { Toleration } from '../../kinds/core/affinity.ts'
import { Namespace } from '../../kinds/core/namespace.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { containersAt } from '../../kinds/core/pod-os-rules.ts'
import { root } from '../../api/path.ts'
import { parseJson } from '../../wire/json.ts'
import type { Storage } from '../storage.ts'
import { type AdmissionPlugin, isFor } from './chain.ts'
import type { PodTolerations } from './configuration.ts'
import type { AdmissionRequest } from './request.ts'

const annotations = {
  defaults: 'scheduler.alpha.kubernetes.io/defaultTolerations',
  allowed: 'scheduler.alpha.kubernetes.io/tolerationsWhitelist',
} as const

const memoryPressure = {
  key: 'node.kubernetes.io/memory-pressure',
  operator: 'Exists',
  effect: 'NoSchedule',
} as const satisfies Toleration

const none: PodTolerations = { defaults: [], allowed: [] }

export function podTolerationRestriction(storage: Storage, everywhere = none): AdmissionPlugin {
  const listIn = (request: AdmissionRequest, what: keyof typeof annotations): readonly Toleration[] => {
    const { namespace } = request.operation
    const text = storage.mirror(Namespace).get(undefined, namespace)?.metadata.annotations?.[annotations[what]]
    return text ? parsed(text) : everywhere[what]
  }
  const concerns = (request: AdmissionRequest) =>
    (request.type === 'CREATE' || request.type === 'UPDATE') && isFor(request, '', 'pods')
  return {
    name: 'PodTolerationRestriction',
    mutate(request) {
      if (!concerns(request)) return
      const { spec } = request.object as Mutable<Pod>
      let tolerations: readonly Toleration[] = spec.tolerations ?? []
      if (request.type === 'CREATE') tolerations = merged(listIn(request, 'defaults'), tolerations)
      if (hasResources(spec)) tolerations = merged(tolerations, [memoryPressure])
      if (tolerations.length) spec.tolerations = [...tolerations]
    },
    validate(request) {
      if (!concerns(request)) return
      const allowed = listIn(request, 'allowed')
      const { tolerations = [] } = (request.object as Pod).spec
      if (allowed.length && !tolerations.every(one => allowed.some(other => covers(other, one))))
        throw new StatusError(
          '',
          'pod tolerations (possibly merged with namespace default tolerations) conflict with its namespace whitelist',
        )
    },
  }
}

/** Whether a pod is not the first to go when memory is short: some container asks for processor or memory. */
const hasResources = (spec: Pod['spec']) =>
  [...containersAt(spec, root)].some(([{ resources }]) =>
    [resources.requests, resources.limits].some(list => list?.cpu !== undefined || list?.memory !== undefined),
  )

function parsed(text: string): Toleration[] {
  try {
    const list = parseJson(text)
    if (Array.isArray(list)) return list as Toleration[]
  } catch (cause) {
    throw new StatusError('', cause instanceof Error ? cause.message : String(cause), { cause })
  }
  throw new StatusError('', 'json: cannot unmarshal object into Go value of type []v1.Toleration')
}

/** Both lists, without those that another one covers. */
function merged(first: readonly Toleration[], second: readonly Toleration[]): readonly Toleration[] {
  const all = [...first, ...second]
  return all.filter(
    (one, i) => !all.some((other, j) => i !== j && covers(other, one) && (j < i || !covers(one, other))),
  )
}

/** Whether everything that a toleration tolerates is tolerated by another one, and at least as long. */
function covers(wide: Toleration, narrow: Toleration): boolean {
  const all = !wide.key && wide.operator === 'Exists'
  if (!all && wide.key !== narrow.key) return false
  if (wide.effect && wide.effect !== narrow.effect) return false
  if (wide.effect === 'NoExecute' && wide.tolerationSeconds !== undefined) {
    if (narrow.tolerationSeconds === undefined || narrow.tolerationSeconds > wide.tolerationSeconds) return false
  }
  if (all || wide.operator === 'Exists') return true
  return narrow.operator !== 'Exists' && (wide.value ?? '') === (narrow.value ?? '')
}
