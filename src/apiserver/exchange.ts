// One exchange with an HTTPS server that an administrator has chosen. Redirects are not followed, an answer must be
// complete within a time, and has a limit of bytes.
import { Agent, type RequestOptions, request } from 'node:https'
import { messageOf, StatusError } from '../base/errors.ts'
import { bodyOf } from '../wire/body.ts'

const maxAnswerBytes = 1 << 20

interface Sent extends Pick<RequestOptions, 'method' | 'agent' | 'headers'> {
  readonly body?: string
  readonly timeoutMs: number
}

/** The cause of the failure when a server has answered, but not with success. */
export class Refused extends Error {
  readonly code: number
  /** Whole seconds after which the server wants to be asked again, if it says so. */
  readonly retryAfterSeconds: number | undefined

  constructor(code: number, retryAfter: string | undefined) {
    super(`the server answered with the status code ${code}`)
    this.code = code
    this.retryAfterSeconds = retryAfter !== undefined && /^\d{1,6}$/.test(retryAfter) ? Number(retryAfter) : undefined
  }
}

/** The answer as JSON; undefined for an empty one. Rejects with ServiceUnavailable for every other outcome. */
export const exchange = (url: string, sent: Sent): Promise<unknown> =>
  answered(url, sent, text => (text.trim() ? (JSON.parse(text) as unknown) : undefined))

/** Reads a document. */
export const fetchJson = (url: string, ca: readonly string[], timeoutMs: number): Promise<unknown> =>
  fetched(ca, agent => exchange(url, { agent, timeoutMs, headers: { accept: 'application/json' } }))

/** Reads a text of any type, such as a token. */
export const fetchText = (
  url: string,
  ca: readonly string[],
  timeoutMs: number,
  headers: Readonly<Record<string, string>>,
): Promise<string> => fetched(ca, agent => answered(url, { agent, timeoutMs, headers }, text => text))

/** Certificates are verified by the given authorities; without one, by none. */
async function fetched<T>(ca: readonly string[], fetch: (agent: Agent) => Promise<T>): Promise<T> {
  const agent = new Agent({ ca: [...ca] })
  try {
    return await fetch(agent)
  } finally {
    agent.destroy()
  }
}

async function answered<T>(url: string, { body, timeoutMs, ...options }: Sent, read: (text: string) => T): Promise<T> {
  const late = AbortSignal.timeout(timeoutMs)
  const { method = 'GET' } = options
  try {
    return read(await answerOf(url, { ...options, method, signal: late }, body))
  } catch (cause) {
    const why = late.aborted ? `no answer within ${timeoutMs} ms` : messageOf(cause)
    const verb = `${method[0]}${method.slice(1).toLowerCase()}`
    throw new StatusError('ServiceUnavailable', `${verb} ${JSON.stringify(url)}: ${why}`, { cause })
  }
}

function answerOf(url: string, options: RequestOptions, body: string | undefined): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request(url, options, response => {
      bodyOf(response, maxAnswerBytes).then(bytes => {
        const code = response.statusCode ?? 0
        if (code >= 200 && code < 300) resolve(bytes.toString())
        else reject(new Refused(code, response.headers['retry-after']))
      }, reject)
    })
    sent.on('error', reject)
    sent.end(body)
  })
}
