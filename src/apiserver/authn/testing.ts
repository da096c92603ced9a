// An issuer of tokens for tests: a server over HTTPS with a document and keys, and the tokens that it signs.
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { realClock } from '../../base/clock.ts'
import { issue, makeAuthority } from '../../wire/x509.ts'

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

export interface TestIssuer {
  readonly url: string
  /** PEM of the authority of its certificate. */
  readonly ca: string
  /** The paths that were asked for. */
  readonly asked: string[]
  /** What it answers to some paths instead. */
  readonly answers: Map<string, (response: ServerResponse) => void>
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
  const answers = new Map<string, (response: ServerResponse) => void>()
  let count = 0
  let key: { publicKey: KeyObject; privateKey: KeyObject }
  const rotate = () => {
    key = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    count++
  }
  rotate()
  const server = createServer({ key: pair.keyPem, cert: pair.certPem }, ({ url: path = '' }, response) => {
    asked.push(path)
    const special = answers.get(path)
    if (special) return special(response)
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
