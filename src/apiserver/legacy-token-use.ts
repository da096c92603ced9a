// Records on a Secret the day on which its token was last used, so that unused tokens can be found and removed. Since
// when that is recorded is stored once for the cluster.
// Source: pkg/controlplane/controller/legacytokentracking, KEP-2799.
import { messageOf } from '../base/errors.ts'
import type { KubeObject } from '../api/kind.ts'
import { dayText, lastUsedLabel } from '../kinds/core/legacy-token.ts'
import { Secret } from '../kinds/core/secret.ts'
import { editable } from './body.ts'
import type { ServerCore } from './core.ts'
import { self } from './self.ts'

/** Records a use, at most once a day for each token. A failure is logged, and the request goes on. */
export async function noteTokenUse(core: ServerCore, ref: { namespace: string; name: string }): Promise<void> {
  const today = dayText(core.clock.now())
  const secret = core.storage.mirror(Secret).get(ref.namespace, ref.name)
  if (!secret || secret.metadata.labels?.[lastUsedLabel] === today) return
  const operation = {
    verb: 'patch' as const,
    kind: Secret,
    subresource: '',
    ...ref,
    user: self,
    userAgent: 'kutter-apiserver',
    options: {},
  }
  try {
    await core.registry.update(
      operation,
      old => {
        const next = editable<KubeObject>(Secret, old)
        next.metadata.labels = { ...next.metadata.labels, [lastUsedLabel]: today }
        return next
      },
      { retry: true },
    )
  } catch (error) {
    core.log.warn('cannot record the use of a token', { ...ref, why: messageOf(error) })
  }
}
