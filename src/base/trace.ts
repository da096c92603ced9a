// Traces: which steps a request takes, in this process and others, and how long each takes. A span is one step; spans of a
// trace refer to each other by ids, which are passed on in the header traceparent.
//
//   request ─► span, sampled or not ─► spans of its steps ─► queue ─► batches ─► sink (a collector)
//
// - There is one tracer for the process, or none. Without one, or in a request that is not sampled, a step costs a look
//   at the present context and nothing else.
// - Nothing waits for the sink. What does not fit into the queue, or cannot be sent, is dropped and counted.
//
// Source: w3.org/TR/trace-context; apiserver pkg/endpoints/filters/traces.go.
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Clock } from './clock.ts'
import { counter } from './metrics.ts'
import type { Random } from './random.ts'

export type Attributes = Readonly<Record<string, string | number>>

/** A finished span. Times are in ns since the epoch, as text since they are larger than numbers are exact. */
export interface FinishedSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string
  readonly name: string
  /** Whether it is the side that is asked; otherwise a step within the process, or a question to another. */
  readonly kind: 'server' | 'internal' | 'client'
  readonly from: string
  readonly to: string
  readonly attributes: Attributes
  readonly failed: boolean
}

/** Sends spans to a collector. Rejects when it does not take them. */
export type Sink = (spans: readonly FinishedSpan[]) => Promise<void>

interface Context {
  readonly traceId: string
  readonly spanId: string
}

interface TracerOptions {
  readonly sink: Sink
  readonly clock: Clock
  readonly random: Random
  /** How many of a million requests are sampled that come without a decision of their client. */
  readonly perMillion: number
  /** Called with a failure to send. */
  failed(error: unknown): void
}

const maxQueued = 2_048
const batchSize = 512
const everyMs = 5_000
const million = 1_000_000

const sent = counter('kutter_trace_spans_total', 'Spans that were sent to the collector.')
const dropped = counter('kutter_trace_spans_dropped_total', 'Spans that were dropped.')

const present = new AsyncLocalStorage<Context>()
let tracer: Tracer | undefined

/** Makes all spans of this process go to a tracer, or with undefined to none. */
export const useTracer = (next: Tracer | undefined): void => void (tracer = next)

/** The header for requests of the present step; undefined outside of a sampled one. */
export function traceHeaders(): { readonly traceparent: string } | undefined {
  const context = tracer && present.getStore()
  return context && { traceparent: `00-${context.traceId}-${context.spanId}-01` }
}

/** Runs a step, as a span of the present one. Outside of a sampled request it only runs it. */
export async function traced<T>(
  name: string,
  attributes: Attributes,
  work: () => Promise<T>,
  kind: FinishedSpan['kind'] = 'internal',
): Promise<T> {
  const parent = tracer && present.getStore()
  if (!tracer || !parent) return work()
  const span = tracer.begin(name, kind, parent)
  try {
    const result = await present.run(span.context, work)
    span.end(attributes, false)
    return result
  } catch (error) {
    span.end(attributes, true)
    throw error
  }
}

/** Whether steps of the present context are sampled, for callers that would do work only for them. */
export const isTraced = (): boolean => tracer !== undefined && present.getStore() !== undefined

/**
 * Runs the work on a request that has come from outside, with a span of its own if it is sampled. Returns what ends the
 * span.
 */
export function traceRequest(
  name: string,
  header: string | undefined,
  work: () => void,
): ((attributes: Attributes, failed: boolean) => void) | undefined {
  const parent = tracer && readParent(header)
  if (!tracer || !(parent ? parent.sampled : tracer.samples())) {
    work()
    return undefined
  }
  const span = tracer.begin(name, 'server', parent)
  present.run(span.context, work)
  return (attributes, failed) => span.end(attributes, failed)
}

/** Reads a header traceparent; undefined for one that is not valid. */
function readParent(header: string | undefined): (Context & { sampled: boolean }) | undefined {
  const [, traceId = '', spanId = '', flags = ''] =
    /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(header ?? '') ?? []
  if (!traceId || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

export class Tracer {
  readonly #options: TracerOptions
  readonly #queue: FinishedSpan[] = []
  #cancel: (() => void) | undefined
  #sending: Promise<void> | undefined

  constructor(options: TracerOptions) {
    this.#options = options
  }

  samples(): boolean {
    const { perMillion, random } = this.#options
    return perMillion > 0 && random.float() * million < perMillion
  }

  begin(
    name: string,
    kind: FinishedSpan['kind'],
    parent: Context | undefined,
  ): { context: Context; end(attributes: Attributes, failed: boolean): void } {
    const { clock } = this.#options
    const context = { traceId: parent?.traceId ?? this.#id(32), spanId: this.#id(16) }
    const [from, began] = [clock.now(), clock.steady()]
    const end = (attributes: Attributes, failed: boolean) =>
      this.#add({
        ...context,
        parentSpanId: parent?.spanId ?? '',
        name,
        kind,
        from: nanoseconds(from),
        to: nanoseconds(from + clock.steady() - began),
        attributes,
        failed,
      })
    return { context, end }
  }

  /** Sends what is queued. */
  async close(): Promise<void> {
    this.#cancel?.()
    await this.#sending
    await this.#send()
  }

  #add(span: FinishedSpan): void {
    if (this.#queue.length >= maxQueued) return dropped.add()
    this.#queue.push(span)
    this.#cancel ??= this.#options.clock.after(everyMs, () => this.#begin())
    if (this.#queue.length >= batchSize) this.#begin()
  }

  #begin(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#sending ??= this.#send().finally(() => {
      this.#sending = undefined
      if (this.#queue.length) this.#cancel ??= this.#options.clock.after(everyMs, () => this.#begin())
    })
  }

  async #send(): Promise<void> {
    while (this.#queue.length) {
      const batch = this.#queue.splice(0, batchSize)
      try {
        await present.exit(() => this.#options.sink(batch))
        sent.add({}, batch.length)
      } catch (error) {
        dropped.add({}, batch.length)
        this.#options.failed(error)
      }
    }
  }

  /** An id of hexadecimal digits that is not zero. */
  #id(digits: 16 | 32): string {
    const text = this.#options.random.uuid().replaceAll('-', '')
    return digits === 32 ? text : text.slice(16)
  }
}

const nanoseconds = (ms: number): string => String(BigInt(Math.round(ms * 1000)) * 1000n)
