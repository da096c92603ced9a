// What the processes of a cluster show of themselves for those who look for a fault, and the option that leaves out
// profiles.
import type { Clock } from '../base/clock.ts'
import type { DebugPages } from '../base/debug-pages.ts'
import { type Parsed, UsageError } from './args.ts'
import type { ClusterConfig } from './config.ts'

/** Reads `--profiling`. */
export function profilingOption({ options }: Parsed): Pick<ClusterConfig, 'profiling'> {
  const text = options.profiling
  if (text && text !== 'true' && text !== 'false')
    throw new UsageError(`option --profiling must be true or false, not ${text}`)
  return text === undefined ? {} : { profiling: text }
}

/** The settings of the server as `name=value`; names are those of the configuration, in the form of options. */
const flagsOf = (config: object): Record<string, string> =>
  Object.fromEntries(
    Object.entries(config)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [
        key.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`),
        typeof value === 'string' ? value : JSON.stringify(value),
      ]),
  )

const paths = ['/api', '/apis', '/debug', '/flagz', '/healthz', '/livez', '/metrics', '/openapi', '/readyz']

export const serverPages = (config: ClusterConfig, clock: Clock): DebugPages => ({
  component: 'kube-apiserver',
  clock,
  flags: flagsOf(config),
  paths: [...paths, '/statusz', '/version'],
  profiling: config.profiling !== 'false',
})
