// /version, /healthz, /livez, /readyz, /metrics and the documents that let others check this server's tokens.
import { metricsText } from '../../base/metrics.ts'
import type { ServerCore } from '../serve.ts'
import type { PathHandler } from './server.ts'
import { send, sendJson } from './server.ts'

export const kubernetesVersion = 'v1.36.0'

/** Throws when something is not well. */
type Check = (core: ServerCore) => Promise<void>

const always: Readonly<Record<string, Check>> = {
  ping: async () => {},
  // A read that must reach the store and come back.
  store: async core => void (await core.storage.fresh(AbortSignal.timeout(5_000))),
}

/** @param readiness further checks, for readyz alone: a server they fail in need not be restarted */
export function health(core: ServerCore, readiness: Readonly<Record<string, Check>> = {}): PathHandler {
  return async call => {
    const { url, response } = call
    switch (url.pathname.replace(/(.)\/$/, '$1')) {
      case '/version':
        sendJson(response, version())
        return true
      case '/metrics':
        send(response, 200, 'text/plain; version=0.0.4; charset=utf-8', Buffer.from(metricsText()))
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
    const [, endpoint, check] = /^\/(healthz|livez|readyz)(?:\/([\w-]+))?$/.exec(url.pathname) ?? []
    const checks = endpoint === 'readyz' ? { ...always, ...readiness } : always
    if (!endpoint || (check && !checks[check])) return false
    const failed: string[] = []
    const lines: string[] = []
    for (const [name, run] of Object.entries(checks)) {
      if ((check && name !== check) || url.searchParams.getAll('exclude').includes(name)) continue
      try {
        await run(core)
        lines.push(`[+]${name} ok`)
      } catch (error) {
        core.log.warn('health check failed', { check: name, error })
        failed.push(name)
        lines.push(`[-]${name} failed: reason withheld`)
      }
    }
    const verdict = `${endpoint} check ${failed.length ? 'failed' : 'passed'}`
    const verbose = url.searchParams.has('verbose') || failed.length > 0
    send(
      response,
      failed.length ? 500 : 200,
      'text/plain; charset=utf-8',
      Buffer.from(verbose ? `${lines.join('\n')}\n${verdict}\n` : 'ok'),
    )
    return true
  }
}

function version() {
  return {
    major: '1',
    minor: '36',
    gitVersion: `${kubernetesVersion}+kutter`,
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '2026-11-01T00:00:00Z',
    goVersion: 'none',
    compiler: 'none',
    platform: `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`,
  }
}
