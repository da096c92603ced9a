// Requests of this server itself to kubelets.
import { request } from 'node:https'
import { messageOf, StatusError } from '../../base/errors.ts'
import { bodyOf } from '../../wire/body.ts'
import type { Storage } from '../storage.ts'
import { kubeletOf } from './target.ts'

/** This server's certificate and key for kubelets, and the authority of theirs, as PEM. */
export interface KubeletCredentials {
  ca: string
  certPem: string
  keyPem: string
}

/** TLS options for kubelets: their certificates must be signed by the authority, for any name or address. */
export const byAuthority = { checkServerIdentity: (): undefined => undefined }

const timeoutMs = 10_000
const maxBytes = 16 << 20
const maxErrorLength = 500

/**
 * Asks a node's kubelet, and returns the body of its answer. Rejects with ServiceUnavailable without a 200 within 10 s, or
 * beyond 16 MiB.
 */
export function askKubelet(
  storage: Storage,
  { ca, certPem, keyPem }: KubeletCredentials,
  node: string,
  path: string,
  method = 'GET',
): Promise<string> {
  const { host, port } = kubeletOf(storage, node)
  return new Promise((resolve, reject) => {
    const asked = request({
      method,
      host,
      port,
      path,
      ca,
      cert: certPem,
      key: keyPem,
      ...byAuthority,
      timeout: timeoutMs,
    })
    const fail = (why: string, cause?: unknown) =>
      reject(new StatusError('ServiceUnavailable', `the kubelet of node ${node}: ${why}`, { cause }))
    asked.once('timeout', () => asked.destroy(new Error(`no answer within ${timeoutMs / 1000} seconds`)))
    asked.once('error', error => fail(error.message, error))
    asked.once('response', response => {
      bodyOf(response, maxBytes).then(
        bytes => {
          const text = bytes.toString()
          if (response.statusCode === 200) resolve(text)
          else fail(`status ${response.statusCode}: ${text.slice(0, maxErrorLength).trim()}`)
        },
        (error: unknown) => fail(messageOf(error), error),
      )
    })
    asked.end()
  })
}
