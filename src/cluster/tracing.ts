// Traces of the server, as a file with a TracingConfiguration asks for them. Unlike upstream's, they are sent by OTLP over
// HTTP, which every collector takes at port 4318.
// Source: apiserver.config.k8s.io/v1 (TracingConfiguration).
import { Fields } from '../api/config-file.ts'
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { realRandom } from '../base/random.ts'
import { Tracer, useTracer } from '../base/trace.ts'
import { readYamlFile } from '../base/yaml-file.ts'
import { otlpSink } from '../wire/otlp.ts'

interface Tracing {
  readonly endpoint: string
  readonly perMillion: number
}

const defaultEndpoint = 'localhost:4318'
const versions = ['apiserver.config.k8s.io/v1', 'apiserver.config.k8s.io/v1beta1'] as const

/** Reads a file. Throws a StatusError that names all its mistakes. */
export function readTracing(value: unknown, path: string): Tracing {
  const problems: string[] = []
  const fields = new Fields(value, '', problems)
  fields.oneOf('apiVersion', versions, versions[0])
  fields.oneOf('kind', ['TracingConfiguration'], 'TracingConfiguration')
  const endpoint = fields.string('endpoint', defaultEndpoint)
  const perMillion = fields.integer('samplingRatePerMillion', { min: 0, max: 1_000_000 }, 0)
  if (!URL.canParse(/^https?:\/\//.test(endpoint) ? endpoint : `http://${endpoint}`))
    fields.problem('endpoint', `must be HOST:PORT or a URL, not ${JSON.stringify(endpoint)}`)
  fields.end()
  if (problems.length) throw new Error(`${path}: ${problems.join('; ')}`)
  return { endpoint, perMillion }
}

/** Starts the traces of this process. Returns what ends them when it has sent what is left. */
export async function startTracing(file: string | undefined, clock: Clock, log: Log): Promise<() => Promise<void>> {
  if (!file) return async () => {}
  const { endpoint, perMillion } = readTracing(await readYamlFile(file), file)
  const failed = (error: unknown) =>
    log.warn('traces cannot be sent and are dropped', { endpoint, why: messageOf(error) })
  const tracer = new Tracer({
    sink: otlpSink(endpoint, 'kube-apiserver'),
    clock,
    random: realRandom,
    perMillion,
    failed,
  })
  useTracer(tracer)
  return async () => {
    useTracer(undefined)
    await tracer.close()
  }
}
