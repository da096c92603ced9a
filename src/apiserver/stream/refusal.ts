// Turns a kubelet's refusal to show a log into a Status. The kubelet answers in plain text, and clients expect the
// reason and message of a Status. Source: apiserver pkg/registry/generic/rest/response_checker.go, pkg/api/errors.
import type { IncomingMessage } from 'node:http'
import { StatusError } from '../../base/errors.ts'

const maxTextBytes = 50_000

/** Throws the refusal in an answer, unless it is a log. */
export async function throwRefusal(answer: IncomingMessage, pod: string): Promise<void> {
  const code = answer.statusCode ?? 0
  if (code >= 200 && code <= 206) return
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    size += chunk.length
    if (size >= maxTextBytes) break
  }
  throw refusalOf(code, Buffer.concat(chunks).toString('utf8', 0, maxTextBytes), pod)
}

function refusalOf(code: number, text: string, pod: string): StatusError {
  const details = { kind: 'pods/log', name: pod }
  if (code === 400) return new StatusError('BadRequest', text)
  if (code === 500) return new StatusError('InternalError', `Internal error occurred: ${text}`)
  if (code === 404)
    return new StatusError('NotFound', `the server could not find the requested resource ( pods/log ${pod})`, {
      details,
    })
  const message =
    code > 500
      ? `an error on the server (${JSON.stringify(text)}) has prevented the request from succeeding`
      : `the server responded with the status code ${code} but did not return more information`
  return new StatusError(code > 500 ? 'InternalError' : '', `${message} ( pods/log ${pod})`, { details, code })
}
