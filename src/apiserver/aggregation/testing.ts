// A small extension server for tests: HTTPS, on the loopback by default, with a certificate for the Service through which it is
// reached, and with the front-proxy authority by which it recognizes the API server.
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { issue, type KeyPair, makeAuthority } from '../../wire/x509.ts'
import { type FrontProxy, frontProxyName } from './target.ts'

export type Answering = (request: IncomingMessage, response: ServerResponse) => void

export interface Extension {
  server: Server
  port: number
  /** Its authority, as a caBundle. */
  caBundle: string
  /** What it does with requests. A test may replace it. */
  answer: Answering
  /** Ends it, and all its connections. */
  close(): Promise<void>
}

const valid = { now: Date.UTC(2026, 0, 1), validMs: 365 * 24 * 3600_000 * 20 }

/** An authority for front proxies, with the API server's certificate, and the files of neither. */
export async function makeFrontProxy(): Promise<FrontProxy & { authority: KeyPair }> {
  const authority = await makeAuthority({ commonName: 'front-proxy-ca', ...valid })
  const client = await issue(authority, { commonName: frontProxyName }, { usages: ['client auth'], ...valid })
  return { authority, ca: authority.certPem, client }
}

/** Starts an extension server behind the Service `name` of the namespace default. Without `port` it is any free one. */
export async function openExtension(
  name: string,
  frontProxyCa: string,
  answer: Answering,
  port = 0,
  host = '127.0.0.1',
): Promise<Extension> {
  const authority = await makeAuthority({ commonName: 'extension-ca', ...valid })
  const subject = { commonName: name, dnsNames: [`${name}.default.svc`] }
  const { certPem, keyPem } = await issue(authority, subject, { usages: ['server auth'], ...valid })
  const server = createServer({
    cert: certPem,
    key: keyPem,
    ca: frontProxyCa,
    requestCert: true,
    rejectUnauthorized: false,
  })
  const extension: Extension = {
    server,
    port,
    caBundle: Buffer.from(authority.certPem).toString('base64'),
    answer,
    close: async () => {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
  server.on('request', (request: IncomingMessage, response: ServerResponse) => extension.answer(request, response))
  server.on('tlsClientError', () => {})
  server.listen(port, host)
  await once(server, 'listening')
  extension.port = (server.address() as AddressInfo).port
  return extension
}

/** The Service and the APIService of an extension server. */
export const registrationOf = (
  { port, caBundle }: Pick<Extension, 'port' | 'caBundle'>,
  { name, group, version }: { name: string; group: string; version: string },
) => ({
  service: { metadata: { name, namespace: 'default' }, spec: { type: 'ExternalName', externalName: '127.0.0.1' } },
  apiService: {
    metadata: { name: `${version}.${group}` },
    spec: {
      group,
      version,
      groupPriorityMinimum: 100,
      versionPriority: 100,
      caBundle,
      service: { namespace: 'default', name, port },
    },
  },
})
