// Answers /version, /healthz, /livez, /readyz, /metrics, and the documents with which others verify this server's
// tokens.
import { buildInfo } from '../../base/build-info.ts'
import { metricsText } from '../../base/metrics.ts'
import { methodNotAllowed } from '../errors.ts'
import type { ServerCore } from '../core.ts'
import { checkProduced } from './negotiate.ts'
import { type PathHandler, send, sendJson, sendRawJson } from './call.ts'

/** Throws when the check fails. */
type Check = (core: ServerCore) => Promise<void>

/** Checks that the store answers. It has the name that upstream gives it, for any store. */
const store: Check = async core => void (await core.storage.catchUp(AbortSignal.timeout(5_000)))
const fine: Check = async () => {}

/** The checks of each endpoint, with the names of upstream. */
const checks: Readonly<Record<string, Readonly<Record<string, Check>>>> = {
  healthz: { etcd: store, log: fine, ping: fine },
  livez: { etcd: store, log: fine, ping: fine },
  readyz: { etcd: store, 'informer-sync': store, log: fine, ping: fine, shutdown: fine },
}

/** The paths of all endpoints and of their checks. */
export const healthPaths = (): string[] =>
  Object.entries(checks).flatMap(([endpoint, names]) => [
    `/${endpoint}`,
    ...Object.keys(names).map(name => `/${endpoint}/${name}`),
  ])

/** @param readiness further checks, only for readyz: when one fails, a restart would not help */
export function health(core: ServerCore, readiness: Readonly<Record<string, Check>> = {}): PathHandler {
  return async call => {
    const { url, response } = call
    switch (url.pathname.replace(/(.)\/$/, '$1')) {
      case '/version':
        if (call.request.method !== 'GET') throw methodNotAllowed()
        checkProduced(call.request.headers.accept, ['application/json'])
        sendRawJson(response, version())
        return true
      case '/metrics':
        send(
          response,
          200,
          'text/plain; version=0.0.4; charset=utf-8; escaping=underscores',
          Buffer.from(metricsText()),
        )
        return true
      case '/.well-known/openid-configuration':
        sendJson(response, {
          issuer: core.tokens.issuer,
          jwks_uri: `${core.tokens.issuer}/openid/v1/jwks`,
          response_types_supported: ['id_token'],
          subject_types_supported: ['public'],
          id_token_signing_alg_values_supported: ['RS256', 'ES256'],
        })
        return true
      case '/openid/v1/jwks':
        send(response, 200, 'application/jwk-set+json', Buffer.from(JSON.stringify(core.tokens.jwks())))
        return true
    }
    const [, endpoint = '', check] = /^\/(healthz|livez|readyz)(?:\/([\w-]+))?$/.exec(url.pathname) ?? []
    const all = endpoint === 'readyz' ? { ...checks.readyz, ...readiness } : checks[endpoint]
    if (!all || (check && !Object.hasOwn(all, check))) return false
    const { failed, lines } = await runChecks(core, check ? { [check]: all[check]! } : all, url.searchParams)
    const verdict = `${endpoint} check ${failed.length ? 'failed' : 'passed'}`
    const verbose = url.searchParams.has('verbose') || failed.length > 0
    if (!verbose) response.setHeader('x-content-type-options', 'nosniff')
    send(
      response,
      failed.length ? 500 : 200,
      'text/plain; charset=utf-8',
      Buffer.from(verbose ? `${lines.join('\n')}\n${verdict}\n` : 'ok'),
    )
    return true
  }
}

async function runChecks(
  core: ServerCore,
  wanted: Readonly<Record<string, Check>>,
  query: URLSearchParams,
): Promise<{ failed: string[]; lines: string[] }> {
  const failed: string[] = []
  const lines: string[] = []
  const excluded = query.getAll('exclude')
  for (const [name, run] of Object.entries(wanted)) {
    if (excluded.includes(name)) {
      lines.push(`[+]${name} excluded: ok`)
      continue
    }
    try {
      await run(core)
      lines.push(`[+]${name} ok`)
    } catch (error) {
      core.log.warn('a health check failed', { check: name, error })
      failed.push(name)
      lines.push(`[-]${name} failed: reason withheld`)
    }
  }
  return { failed, lines }
}

function version() {
  const { major, minor, ...build } = buildInfo
  return {
    major,
    minor,
    emulationMajor: '1',
    emulationMinor: '36',
    minCompatibilityMajor: '1',
    minCompatibilityMinor: '35',
    ...build,
  }
}
