// Sends JSON to a server that an administrator has configured by a kubeconfig file: the backends of audit, and those that
// authenticate and authorize.
import { Agent } from 'node:https'
import { StatusError } from '../base/errors.ts'
import { exchange } from './exchange.ts'

/** A server, and by what it recognizes this one. Its certificate is verified with `ca`. */
interface RemoteServer {
  /** An `https:` URL, whose path is used as it is. */
  readonly server: string
  readonly ca: string
  readonly cert?: string
  readonly key?: string
  token?(): string | undefined
}

const maxSockets = 16

export class JsonPoster {
  readonly #remote: RemoteServer
  readonly #agent: Agent

  constructor(remote: RemoteServer) {
    if (new URL(remote.server).protocol !== 'https:')
      throw new StatusError('BadRequest', `${remote.server} is not an https URL`)
    this.#remote = remote
    const { ca, cert, key } = remote
    this.#agent = new Agent({ keepAlive: true, maxSockets, ca, ...(cert && { cert }), ...(key && { key }) })
  }

  /** The answer as JSON; undefined for an empty one. Rejects with ServiceUnavailable for every other outcome. */
  post(value: unknown, timeoutMs: number): Promise<unknown> {
    const body = JSON.stringify(value)
    const token = this.#remote.token?.()
    const headers = {
      accept: 'application/json',
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      ...(token && { authorization: `Bearer ${token}` }),
    }
    return exchange(this.#remote.server, { method: 'POST', agent: this.#agent, headers, body, timeoutMs })
  }

  close(): void {
    this.#agent.destroy()
  }
}
