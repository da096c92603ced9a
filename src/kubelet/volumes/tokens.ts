// Service account tokens of pods: asked from the API, bound to the pod, and renewed when four fifths of their life
// (or a day) are over. Source: kubernetes pkg/kubelet/token/token_manager.go.
import { parseTime } from '../../api/time.ts'
import type { Client } from '../../client/index.ts'
import { TokenRequest } from '../../kinds/authentication/tokenrequest.ts'
import { ServiceAccount } from '../../kinds/core/serviceaccount.ts'
import { nameOf, namespaceOf, uidOf } from '../pod/spec.ts'
import type { Pod } from '../../kinds/core/pod.ts'

export interface Tokens {
  /** A token that is good for a while, and when to ask again. */
  get(pod: Pod, audience: string, seconds: number): Promise<{ token: string; renewAt: number }>
  forget(podUid: string): void
}

const renewShare = 0.8
const renewMostMs = 86_400_000

export function podTokens(client: Client): Tokens {
  const known = new Map<string, { token: string; renewAt: number }>()
  return {
    async get(pod, audience, seconds) {
      const key = `${uidOf(pod)} ${pod.spec.serviceAccountName} ${audience} ${seconds}`
      const before = known.get(key)
      const now = client.clock.now()
      if (before && now < before.renewAt) return before
      const boundObjectRef = { kind: 'Pod', apiVersion: 'v1', name: nameOf(pod), uid: uidOf(pod) }
      const spec = { audiences: audience ? [audience] : [], expirationSeconds: seconds, boundObjectRef }
      const account = { namespace: namespaceOf(pod), name: pod.spec.serviceAccountName || 'default' }
      const answer = await client.createUnder(ServiceAccount, account, 'token', TokenRequest, { spec })
      const token = answer?.status.token
      if (!token) throw new Error(`failed to fetch token for service account ${account.name}`)
      const life = (parseTime(answer.status.expirationTimestamp) ?? now + seconds * 1000) - now
      const fresh = { token, renewAt: now + Math.min(life * renewShare, renewMostMs) }
      known.set(key, fresh)
      return fresh
    },
    forget(podUid) {
      for (const key of known.keys()) if (key.startsWith(`${podUid} `)) known.delete(key)
    },
  }
}
