// Webhooks for tests: small HTTPS servers in this process, and configurations that name them.
import assert from 'node:assert/strict'
import { createServer } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { realClock } from '../../base/clock.ts'
import { StatusError } from '../../base/errors.ts'
import type { KubeObject } from '../../api/kind.ts'
import type { Json, JsonObject } from '../../api/schema/node.ts'
import { issue, makeAuthority } from '../../wire/x509.ts'

export const validity = { now: realClock.now(), validMs: 3_600_000 }
export const authority = await makeAuthority({ commonName: 'webhooks', ...validity })
const pair = await issue(
  authority,
  { commonName: 'webhook', ips: ['127.0.0.1'] },
  { usages: ['server auth'], ...validity },
)
export const caBundle = Buffer.from(authority.certPem).toString('base64')

type Review = JsonObject & { request: JsonObject & { uid: string; object: JsonObject & KubeObject } }
/** What a webhook answers to a review: the response without its UID, or a function that answers by itself. */
export type Behave = (
  review: Review,
  raw: { request: IncomingMessage; response: ServerResponse },
) => JsonObject | undefined

export interface TestWebhook {
  url: string
  /** The reviews that have been received. */
  reviews: Review[]
  connections: Set<Socket>
}

/** Starts a webhook, which allows everything by default. */
export async function webhook(
  t: TestContext,
  behave: Behave = () => ({ allowed: true }),
  tls = pair,
): Promise<TestWebhook> {
  const reviews: Review[] = []
  const connections = new Set<Socket>()
  const server = createServer({ cert: tls.certPem, key: tls.keyPem }, (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const review = JSON.parse(Buffer.concat(chunks).toString()) as Review
      reviews.push(review)
      const answer = behave(review, { request, response })
      if (!answer) return
      const { apiVersion, kind, request: asked } = review
      const body = { apiVersion, kind, response: { uid: asked.uid, ...answer } } as JsonObject
      response.setHeader('content-type', 'application/json').end(JSON.stringify(body))
    })
  })
  server.on('secureConnection', socket => connections.add(socket.on('error', () => {})))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/review`, reviews, connections }
}

export const everything = { operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*'] }
const configMaps = { operations: ['*'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] }

/** A webhook in a configuration; `more` replaces its fields. */
export const entry = (url: string, more: JsonObject = {}): JsonObject => ({
  name: 'check.example.com',
  clientConfig: { url, caBundle },
  rules: [configMaps],
  sideEffects: 'None',
  admissionReviewVersions: ['v1'],
  ...more,
})

export const configuration = (webhooks: JsonObject[], name = 'hooks') => ({ metadata: { name }, webhooks }) as object
export const patchOf = (...operations: Json[]) => ({
  allowed: true,
  patchType: 'JSONPatch',
  patch: Buffer.from(JSON.stringify(operations)).toString('base64'),
})
export const label = (key: string, value = 'yes'): JsonObject => ({
  op: 'add',
  path: '/metadata/labels',
  value: { [key]: value },
})

/** The message and code of the refusal of a promise. */
export async function refusal(promise: Promise<unknown>): Promise<{ message: string; code: number; reason: string }> {
  const error = await promise.then(
    () => assert.fail('it was admitted'),
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof StatusError, String(error))
  return { message: error.message, code: error.code, reason: error.reason }
}
