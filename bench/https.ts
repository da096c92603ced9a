// The API server of a benchmark behind HTTPS on loopback, and users with certificates.
import { discovery, type FlowFront, health, openapi, startHttp, streams } from '../src/apiserver/index.ts'
import type { ControlPlane } from '../src/cluster/control-plane.ts'
import { issue, makeAuthority } from '../src/wire/x509.ts'

/** Where a process that was forked finds the server, and as whom. */
export interface Where {
  host: string
  port: number
  ca: string
  cert: string
  key: string
}

/** Serves a control plane. Returns the port, and makes what users need, who are in no group unless it is named. */
export async function serveHttps(plane: ControlPlane, more: { flow?: FlowFront } = {}) {
  const valid = { now: Date.now(), validMs: 24 * 3600_000 }
  const authority = await makeAuthority({ commonName: 'ca', ...valid })
  const serving = await issue(
    authority,
    { commonName: 'server', ips: ['127.0.0.1'] },
    { usages: ['server auth'], ...valid },
  )
  const userOf = (commonName: string, organizations: readonly string[] = []) =>
    issue(authority, { commonName, organizations }, { usages: ['client auth'], ...valid })
  const asServer = { ca: authority.certPem, ...(await userOf('server')) }
  const kinds = () => plane.core.catalog.all
  const http = await startHttp(
    {
      core: plane.core,
      serve: plane.serve,
      key: serving.keyPem,
      cert: serving.certPem,
      clientCa: authority.certPem,
      paths: [health(plane.core), discovery(kinds), openapi(kinds)],
      streams: streams(plane.core, asServer),
      ...more,
    },
    '127.0.0.1',
    0,
  )
  return {
    close: () => http.close(),
    async as(name: string, groups?: readonly string[]): Promise<Where> {
      const { certPem: cert, keyPem: key } = await userOf(name, groups)
      return { host: '127.0.0.1', port: http.port, ca: authority.certPem, cert, key }
    },
  }
}
