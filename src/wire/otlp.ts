// Sends spans to a collector by OTLP over HTTP in JSON. Source: opentelemetry.io/docs/specs/otlp, opentelemetry-proto
// trace/v1/trace.proto in its JSON form.
import { request } from 'node:http'
import { request as requestTls } from 'node:https'
import type { Attributes, FinishedSpan, Sink } from '../base/trace.ts'

const kinds = { internal: 1, server: 2, client: 3 } as const
const statuses = { ok: 0, failed: 2 } as const
const answerMs = 10_000

const valueOf = (value: string | number) =>
  typeof value === 'string' ? { stringValue: value } : { intValue: String(Math.round(value)) }
const attributesOf = (attributes: Attributes) =>
  Object.entries(attributes).map(([key, value]) => ({ key, value: valueOf(value) }))

/** The document of a batch of spans. */
const otlpBody = (service: string, spans: readonly FinishedSpan[]): object => ({
  resourceSpans: [
    {
      resource: { attributes: attributesOf({ 'service.name': service }) },
      scopeSpans: [
        {
          scope: { name: 'kutter' },
          spans: spans.map(({ kind, from, to, attributes, failed, parentSpanId, ...ids }) => ({
            ...ids,
            ...(parentSpanId && { parentSpanId }),
            kind: kinds[kind],
            startTimeUnixNano: from,
            endTimeUnixNano: to,
            attributes: attributesOf(attributes),
            status: { code: failed ? statuses.failed : statuses.ok },
          })),
        },
      ],
    },
  ],
})

/** A sink that posts to a collector. `endpoint` is `host:port`, which is asked by plain HTTP, or a URL. */
export function otlpSink(endpoint: string, service: string): Sink {
  const base = new URL(/^https?:\/\//.test(endpoint) ? endpoint : `http://${endpoint}`)
  if (base.pathname === '/') base.pathname = '/v1/traces'
  const ask = base.protocol === 'https:' ? requestTls : request
  return spans =>
    new Promise((resolve, reject) => {
      const body = Buffer.from(JSON.stringify(otlpBody(service, spans)))
      const headers = { 'content-type': 'application/json', 'content-length': body.length }
      const sent = ask(base, { method: 'POST', headers, signal: AbortSignal.timeout(answerMs) }, response => {
        response.resume()
        response.on('error', reject)
        const code = response.statusCode ?? 0
        if (code < 200 || code > 299) reject(new Error(`the collector at ${base.host} answered ${code}`))
        else resolve()
      })
      sent.on('error', reject)
      sent.end(body)
    })
}
