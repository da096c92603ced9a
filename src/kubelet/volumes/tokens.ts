// The service account tokens of pods. A token is requested from the API, is bound to its pod, and is renewed after four
// fifths of its lifetime, or after a day if that is sooner.
// Source: kubernetes pkg/kubelet/token/token_manager.go.
import { parseTime } from '../../api/time.ts'
import type { Client } from '../../client/index.ts'
import { TokenRequest } from '../../kinds/authentication/tokenrequest.ts'
import { ServiceAccount } from '../../kinds/core/serviceaccount.ts'
import { nameOf, namespaceOf, uidOf } from '../pod/spec.ts'
import type { Pod } from '../../kinds/core/pod.ts'

export interface Tokens {
  /** Returns a token, and when to call this again for the next one (ms since the epoch). `seconds`: its lifetime. */
  get(pod: Pod, audience: string, seconds: number): Promise<{ token: string; renewAt: number }>
  forget(podUid: string): void
}

const renewShare = 0.8
const maxRenewMs = 86_400_000

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
      const entry = { token, renewAt: now + Math.min(life * renewShare, maxRenewMs) }
      known.set(key, entry)
      return entry
    },
    forget(podUid) {
      for (const key of known.keys()) if (key.startsWith(`${podUid} `)) known.delete(key)
    },
  }
}
