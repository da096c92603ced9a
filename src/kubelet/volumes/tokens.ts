// The service account tokens of pods. A token is requested from the API, is bound to its pod, and is renewed after four
// fifths of its lifetime, or after a day if that is sooner.
// Source: kubernetes pkg/kubelet/token/token_manager.go.
import { parseTime } from '../../api/time.ts'
import type { Client } from '../../client/index.ts'
import { TokenRequest } from '../../kinds/authentication/tokenrequest.ts'
import { ServiceAccount } from '../../kinds/core/serviceaccount.ts'
import { nameOf, namespaceOf, uidOf } from '../pod/spec.ts'
import type { Pod } from '../../kinds/core/pod.ts'

interface Token {
  token: string
  /** When it ends, as the API writes times. */
  expirationTimestamp: string
  /** When the next one is due, in ms since the epoch. */
  renewAt: number
}

const renewShare = 0.8
const maxRenewMs = 86_400_000

export class PodTokens {
  readonly #client: Client
  /** By `keyOf`. */
  readonly #tokens = new Map<string, Token>()

  constructor(client: Client) {
    this.#client = client
  }

  /** Returns a token for an audience. `seconds`: its lifetime. */
  async get(pod: Pod, audience: string, seconds: number): Promise<Token> {
    const key = keyOf(pod, audience, seconds)
    const before = this.#tokens.get(key)
    if (before && this.#client.clock.now() < before.renewAt) return before
    const token = await this.#request(pod, audience, seconds)
    this.#tokens.set(key, token)
    return token
  }

  forget(podUid: string): void {
    for (const key of this.#tokens.keys()) if (key.startsWith(`${podUid} `)) this.#tokens.delete(key)
  }

  async #request(pod: Pod, audience: string, seconds: number): Promise<Token> {
    const now = this.#client.clock.now()
    const boundObjectRef = { kind: 'Pod', apiVersion: 'v1', name: nameOf(pod), uid: uidOf(pod) }
    const spec = { audiences: audience ? [audience] : [], expirationSeconds: seconds, boundObjectRef }
    const account = { namespace: namespaceOf(pod), name: pod.spec.serviceAccountName || 'default' }
    const answer = await this.#client.createUnder(ServiceAccount, account, 'token', TokenRequest, { spec })
    const token = answer?.status.token
    if (!token) throw new Error(`failed to fetch token for service account ${account.name}`)
    const life = (parseTime(answer.status.expirationTimestamp) ?? now + seconds * 1000) - now
    const expirationTimestamp = answer.status.expirationTimestamp ?? ''
    return { token, expirationTimestamp, renewAt: now + Math.min(life * renewShare, maxRenewMs) }
  }
}

const keyOf = (pod: Pod, audience: string, seconds: number) =>
  `${uidOf(pod)} ${pod.spec.serviceAccountName} ${audience} ${seconds}`
