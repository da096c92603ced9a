// Sends JSON to a server that an administrator has configured by a kubeconfig file: the backends of audit, and those that
// authenticate and authorize. Redirects are not followed, and answers have a limit.
import { Agent, request } from 'node:https'
import { messageOf, StatusError } from '../base/errors.ts'

/** A server, and by what it recognizes this one. Its certificate is verified with `ca`. */
interface RemoteServer {
  /** An `https:` URL, whose path is used as it is. */
  readonly server: string
  readonly ca: string
  readonly cert?: string
  readonly key?: string
  token?(): string | undefined
}

const maxAnswerBytes = 1 << 20
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
  async post(value: unknown, timeoutMs: number): Promise<unknown> {
    const late = AbortSignal.timeout(timeoutMs)
    try {
      const text = await this.#post(JSON.stringify(value), late)
      return text.trim() ? (JSON.parse(text) as unknown) : undefined
    } catch (cause) {
      const why = late.aborted ? `no answer within ${timeoutMs} ms` : messageOf(cause)
      throw new StatusError('ServiceUnavailable', `Post ${JSON.stringify(this.#remote.server)}: ${why}`, { cause })
    }
  }

  close(): void {
    this.#agent.destroy()
  }

  #post(body: string, signal: AbortSignal): Promise<string> {
    return new Promise((resolve, reject) => {
      const token = this.#remote.token?.()
      const headers = {
        accept: 'application/json',
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        ...(token && { authorization: `Bearer ${token}` }),
      }
      const sent = request(this.#remote.server, { method: 'POST', agent: this.#agent, headers, signal }, response => {
        const chunks: Buffer[] = []
        let length = 0
        response.on('data', (chunk: Buffer) => {
          length += chunk.length
          if (length > maxAnswerBytes) sent.destroy(new Error('the answer is too long'))
          else chunks.push(chunk)
        })
        response.on('error', reject)
        response.on('end', () => {
          const code = response.statusCode ?? 0
          if (code >= 200 && code < 300) resolve(Buffer.concat(chunks).toString())
          else reject(new Error(`the server answered with the status code ${code}`))
        })
      })
      sent.on('error', reject)
      sent.end(body)
    })
  }
}
