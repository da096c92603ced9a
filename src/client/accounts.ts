// Clients that act as service accounts of kube-system, for controllers in a process of their own. Each has a token,
// which the process requests with its own credentials and renews in time. In the server's process no tokens are needed.
// Source: kube-controller-manager --use-service-account-credentials.
import { isReason, messageOf } from '../base/errors.ts'
import { parseTime } from '../api/time.ts'
import { TokenRequest } from '../kinds/authentication/tokenrequest.ts'
import { ServiceAccount } from '../kinds/core/serviceaccount.ts'
import { Client } from './client.ts'
import { type Credentials, type HttpsTransport, httpsTransport } from './https.ts'

const namespace = 'kube-system'
/** The part of a token's lifetime after which the next one is requested. */
const renewAfter = 0.8
const retryMs = 5000

interface AccountClientOptions {
  /** The client that requests the tokens. */
  root: Client
  /** The server and its authority. */
  server: Pick<Credentials, 'server' | 'ca'>
  userAgent: string
  signal: AbortSignal
}

/**
 * Returns a function that gives the client of an account, always the same one for a name. The account is created when
 * it is missing. Requests wait for the first token. All clients end with the signal.
 */
export function accountClients({ root, server, userAgent, signal }: AccountClientOptions): (name: string) => Client {
  const made = new Map<string, Client>()
  return name => {
    let client = made.get(name)
    if (client) return client
    const account = new AccountToken(root, name, signal)
    const transport: HttpsTransport = httpsTransport(() => ({ ...server, token: () => account.token }))
    client = new Client({
      serve: async operation => {
        await account.ready
        return transport.serve(operation)
      },
      user: { name: '', groups: [] },
      userAgent,
      clock: root.clock,
      log: root.log,
    })
    signal.addEventListener('abort', () => transport.close(), { once: true })
    made.set(name, client)
    return client
  }
}

class AccountToken {
  token: string | undefined
  /** Resolves with the first token. */
  readonly ready: Promise<void>
  readonly #root: Client
  readonly #name: string
  readonly #signal: AbortSignal

  constructor(root: Client, name: string, signal: AbortSignal) {
    this.#root = root
    this.#name = name
    this.#signal = signal
    this.ready = new Promise(resolve => void this.#keep(resolve))
  }

  async #keep(first: () => void): Promise<void> {
    const { clock, log } = this.#root
    while (!this.#signal.aborted) {
      let waitMs = retryMs
      try {
        waitMs = await this.#renew()
        first()
      } catch (error) {
        if (!this.#signal.aborted)
          log.warn('cannot get a token for a controller, trying again', { account: this.#name, why: messageOf(error) })
      }
      await clock.sleep(waitMs, this.#signal).catch(() => {})
    }
  }

  async #renew(): Promise<number> {
    const ref = { namespace, name: this.#name }
    const ask = () => this.#root.createUnder(ServiceAccount, ref, 'token', TokenRequest, { metadata: {}, spec: {} })
    let answer: Awaited<ReturnType<typeof ask>>
    try {
      answer = await ask()
    } catch (error) {
      if (!isReason(error, 'NotFound')) throw error
      await this.#root.create(ServiceAccount, { metadata: ref })
      answer = await ask()
    }
    this.token = answer?.status.token ?? ''
    const end = parseTime(answer?.status.expirationTimestamp) ?? 0
    return Math.max(retryMs, (end - this.#root.clock.now()) * renewAfter)
  }
}
