// DefaultTolerationSeconds: a pod stays five minutes on a node that is not ready or unreachable, unless it has its own
// toleration for that. Source: plugin/pkg/admission/defaulttolerationseconds.
import type { Pod } from '../../kinds/core/pod.ts'
import { type AdmissionPlugin, isFor } from './chain.ts'
import type { Mutable } from '../../api/schema/node.ts'

const seconds = 300
const keys = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']

export function defaultTolerations(): AdmissionPlugin {
  return {
    name: 'DefaultTolerationSeconds',
    mutate(request) {
      if ((request.type !== 'CREATE' && request.type !== 'UPDATE') || !isFor(request, '', 'pods')) return
      const pod = request.object as Mutable<Pod>
      for (const key of keys) {
        const covered = pod.spec.tolerations?.some(
          t => (t.key === key || !t.key) && (!t.effect || t.effect === 'NoExecute'),
        )
        if (covered) continue
        pod.spec.tolerations = [
          ...(pod.spec.tolerations ?? []),
          { key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: seconds },
        ]
      }
    },
  }
}
