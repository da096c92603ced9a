// Pages of a process for people who look for a fault: which options it has (/flagz), how long it has been running and as
// which release (/statusz), and profiles (/debug/pprof/). The first two are text, or an object for those that ask for one.
// Source: component-base zpages/flagz, zpages/statusz; KEP-4827, KEP-4828.
import { buildInfo } from './build-info.ts'
import type { Clock } from './clock.ts'
import { StatusError } from './errors.ts'
import { profileSeconds, takeProfile } from './profile.ts'

export interface DebugPages {
  /** The name of the component, such as `kube-apiserver`. */
  readonly component: string
  readonly clock: Clock
  readonly flags: Readonly<Record<string, string>>
  /** The first parts of the paths that it serves. */
  readonly paths: readonly string[]
  /** Whether profiles can be taken. */
  readonly profiling: boolean
}

interface Page {
  readonly type: string
  readonly body: string
}

interface Asked {
  readonly path: string
  readonly query: URLSearchParams
  readonly accept: string | undefined
  readonly signal: AbortSignal
}

const warning =
  'Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is for debugging purposes only.'
const plain = 'text/plain; charset=utf-8'
const startedAt = Date.now() - process.uptime() * 1000

/** The page of a path; undefined if there is none. */
export async function debugPage(pages: DebugPages, asked: Asked): Promise<Page | undefined> {
  switch (asked.path) {
    case '/flagz':
      return flagz(pages, asked.accept)
    case '/statusz':
      return statusz(pages, asked.accept)
  }
  if (!pages.profiling) return undefined
  switch (asked.path) {
    case '/debug/pprof':
    case '/debug/pprof/':
      return { type: plain, body: 'profile?seconds=N\theap?seconds=N\n' }
    case '/debug/pprof/profile':
    case '/debug/pprof/heap': {
      const kind = asked.path.endsWith('heap') ? 'heap' : 'cpu'
      const seconds = profileSeconds(asked.query.get('seconds'))
      return { type: 'application/json', body: await takeProfile(kind, seconds, pages.clock, asked.signal) }
    }
  }
  return undefined
}

function flagz({ component, flags }: DebugPages, accept: string | undefined): Page {
  const sorted = Object.entries(flags).sort(([a], [b]) => (a < b ? -1 : 1))
  const version = structured(accept, 'Flagz')
  if (version) return object(component, 'Flagz', version, { flags: Object.fromEntries(sorted) })
  const lines = sorted.map(([name, value]) => `${name}=${value}\n`)
  return { type: plain, body: `\n${component} flags\n${warning}\n\n${lines.join('')}` }
}

function statusz({ component, paths, clock }: DebugPages, accept: string | undefined): Page {
  const upSeconds = Math.max(0, Math.floor((clock.now() - startedAt) / 1000))
  const { gitVersion, goVersion, major, minor } = buildInfo
  const version = structured(accept, 'Statusz')
  const emulated = `${major}.${minor}`
  if (version)
    return object(component, 'Statusz', version, {
      startTime: new Date(startedAt).toISOString().replace(/\.\d+/, ''),
      uptimeSeconds: upSeconds,
      goVersion,
      binaryVersion: gitVersion.slice(1),
      emulationVersion: emulated,
      paths,
    })
  const two = (value: number) => String(value).padStart(2, '0')
  const rows = [
    `Started: ${new Date(startedAt).toUTCString()}`,
    `Up: ${Math.floor(upSeconds / 3600)} hr ${two(Math.floor(upSeconds / 60) % 60)} min ${two(upSeconds % 60)} sec`,
    `Go version: ${goVersion}`,
    `Binary version: ${gitVersion.slice(1)}`,
    `Emulation version: ${emulated}`,
    `Paths: ${paths.join(' ')}`,
  ]
  return { type: plain, body: `\n${component} statusz\n${warning}\n\n${rows.join('\n')}\n` }
}

/** The version of the object that a client asks for; undefined if it takes the text. Throws NotAcceptable. */
function structured(accept: string | undefined, kind: string): string | undefined {
  if (!accept) return undefined
  for (const one of accept.split(',')) {
    const [type = '', ...parameters] = one.split(';').map(part => part.trim())
    const named = Object.fromEntries(parameters.map(text => text.split('=', 2) as [string, string]))
    if (type === 'application/json' && named.as === kind && /^v1(alpha|beta)1$/.test(named.v ?? '')) return named.v
    if (type === 'text/plain' || type === '*/*' || type === 'text/*') return undefined
  }
  throw new StatusError('NotAcceptable', `only text/plain and application/json;as=${kind} are served`)
}

const object = (component: string, kind: string, version: string, fields: object): Page => ({
  type: `application/json;v=${version};g=config.k8s.io;as=${kind}`,
  body: JSON.stringify({ kind, apiVersion: `config.k8s.io/${version}`, metadata: { name: component }, ...fields }),
})
