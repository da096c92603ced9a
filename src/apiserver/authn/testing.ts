// An issuer of tokens for tests: a server over HTTPS with a document and keys, and the tokens that it signs.
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { realClock, VirtualClock } from '../../base/clock.ts'
import { silentLog } from '../../base/log.ts'
import { issue, makeAuthority } from '../../wire/x509.ts'
import { type AuthenticationSpec, parseAuthentication } from './configuration.ts'
import { Issuers } from './issuers.ts'

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

type Answer = (response: ServerResponse, request: IncomingMessage) => void

export interface TestIssuer {
  readonly url: string
  /** PEM of the authority of its certificate. */
  readonly ca: string
  /** The paths that were asked for. */
  readonly asked: string[]
  /** What it answers to some paths instead. */
  readonly answers: Map<string, Answer>
  /** A token of it, signed by the newest key, which is for an hour unless the claims differ. */
  token(claims?: object, header?: object): string
  /** Signs with a new key from now on, and publishes that alone. */
  rotate(): void
  close(): void
}

/** @param now the time of the tokens, in milliseconds */
export async function openIssuer(now: () => number = () => realClock.now()): Promise<TestIssuer> {
  const valid = { now: realClock.now(), validMs: 3600_000 }
  const authority = await makeAuthority({ commonName: 'ca', ...valid })
  const pair = await issue(authority, { commonName: 's', ips: ['127.0.0.1'] }, { usages: ['server auth'], ...valid })
  const asked: string[] = []
  const answers = new Map<string, Answer>()
  let count = 0
  let key: { publicKey: KeyObject; privateKey: KeyObject }
  const rotate = () => {
    key = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    count++
  }
  rotate()
  const server = createServer({ key: pair.keyPem, cert: pair.certPem }, (request, response) => {
    const { url: path = '' } = request
    asked.push(path)
    const special = answers.get(path)
    if (special) return special(response, request)
    const document = { issuer: url, jwks_uri: `${url}/keys` }
    const keys = { keys: [{ ...key.publicKey.export({ format: 'jwk' }), kid: `k${count}`, use: 'sig' }] }
    response.end(JSON.stringify(path === '/keys' ? keys : document))
  })
  await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    ca: authority.certPem,
    asked,
    answers,
    rotate,
    token(claims = {}, header = {}) {
      const at = Math.floor(now() / 1000)
      const head = part({ alg: 'ES256', kid: `k${count}`, ...header })
      const text = `${head}.${part({ iss: url, aud: 'kutter', sub: 'jane', iat: at, exp: at + 3600, ...claims })}`
      const signature = sign('sha256', Buffer.from(text), { key: key.privateKey, dsaEncoding: 'ieee-p1363' })
      return `${text}.${signature.toString('base64url')}`
    },
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}

/** A source of tokens without a configuration yet, an issuer, and configurations with it. */
export async function openIssuers(t: TestContext): Promise<{
  clock: VirtualClock
  issuer: TestIssuer
  issuers: Issuers
  specOf(more?: object, ofIssuer?: object, of?: TestIssuer): AuthenticationSpec
}> {
  const clock = new VirtualClock()
  const issuer = await openIssuer(() => clock.now())
  t.after(() => issuer.close())
  const issuers = new Issuers({ clock, log: silentLog, anonymous: true })
  const specOf = (more: object = {}, ofIssuer: object = {}, of: TestIssuer = issuer) =>
    parseAuthentication(
      JSON.stringify({
        apiVersion: 'apiserver.config.k8s.io/v1',
        kind: 'AuthenticationConfiguration',
        jwt: [
          {
            issuer: {
              url: of.url,
              certificateAuthority: of.ca,
              audiences: ['kutter', 'b'],
              audienceMatchPolicy: 'MatchAny',
              ...ofIssuer,
            },
            claimMappings: { username: { claim: 'sub', prefix: 'x:' } },
            ...more,
          },
        ],
      }),
      'f',
      [],
    )
  return { clock, issuer, issuers, specOf }
}
