// Finding out whether a server is the cluster a join token was made for, before anything is trusted: the ConfigMap
// cluster-info is read from whoever answers, its signature checked with the token's secret, the authority in it with
// the token's hash; then it is read again from a server that this authority vouches for.
// Source: kubeadm app/discovery/token.
import { request } from 'node:https'
import type { Socket } from 'node:net'
import { timingSafeEqual } from 'node:crypto'
import { parse } from 'yaml'
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import { detachedSignature } from '../wire/jwt.ts'
import { publicKeyHash, splitBundle } from '../wire/x509.ts'
import type { JoinToken } from './join-token.ts'

interface Discovered {
  /** PEM of the cluster's authority. */
  ca: string
  /** The address of ours by which the server is reached. */
  localAddress: string
}

const path = '/api/v1/namespaces/kube-public/configmaps/cluster-info'
const timeoutMs = 10_000
const maxAnswerBytes = 1024 * 1024
/** Certificates begin this long before they are made; a clock further behind sees them as not yet valid. */
const maxClockErrorMs = 5 * 60_000

/** Throws Error with one sentence about what is wrong. */
export async function discover(server: string, token: JoinToken, clock: Clock): Promise<Discovered> {
  const first = await read(server, undefined, clock)
  checkClock(first.date, clock.now())
  const kubeconfig = checkSignature(first.data, server, token)
  const ca = await checkAuthority(kubeconfig, server, token)
  const second = await read(server, ca, clock)
  if (second.data.kubeconfig !== first.data.kubeconfig)
    throw new Error(`${server} gave two different answers about the cluster; somebody may be in between`)
  return { ca, localAddress: second.localAddress }
}

interface Answer {
  data: Record<string, string>
  date: string | undefined
  localAddress: string
}

/** Reads cluster-info; without `ca` from whoever answers. */
function read(server: string, ca: string | undefined, clock: Clock): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException) =>
      reject(new Error(reachProblem(server, error, clock.now()), { cause: error }))
    const asked = request(
      new URL(path, server),
      { ...(ca === undefined ? { rejectUnauthorized: false } : { ca }), agent: false, timeout: timeoutMs },
      response => {
        const chunks: Buffer[] = []
        let size = 0
        response.on('data', (chunk: Buffer) => {
          size += chunk.length
          if (size > maxAnswerBytes) asked.destroy(new Error('its answer is too long'))
          else chunks.push(chunk)
        })
        response.on('error', fail)
        response.on('end', () => {
          try {
            const { localAddress = '' } = response.socket as Socket
            resolve({ data: dataOf(response.statusCode, chunks), date: response.headers.date, localAddress })
          } catch (error) {
            fail(error as Error)
          }
        })
      },
    )
    asked.on('timeout', () =>
      asked.destroy(Object.assign(new Error(`no answer within ${timeoutMs / 1000} s`), { code: 'ETIMEDOUT' })),
    )
    asked.on('error', fail)
    asked.end()
  })
}

function dataOf(status: number | undefined, chunks: readonly Buffer[]): Record<string, string> {
  if (status !== 200) throw new Error(`it answered ${status} when asked for kube-public/cluster-info`)
  const { data } = JSON.parse(Buffer.concat(chunks).toString()) as { data?: Record<string, string> }
  if (typeof data?.kubeconfig !== 'string') throw new Error('its kube-public/cluster-info has no kubeconfig')
  return data
}

function reachProblem(server: string, error: NodeJS.ErrnoException, now: number): string {
  switch (error.code) {
    case 'CERT_NOT_YET_VALID':
    case 'CERT_HAS_EXPIRED':
      return `the certificate of ${server} is not valid at this machine's time, ${new Date(now).toISOString()}; set the clocks of both machines`
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `the certificate of ${server} is not for that address; use one the server knows itself by (${messageOf(error)})`
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'CERT_SIGNATURE_FAILURE':
      return `the certificate of ${server} is not signed by the cluster's authority; somebody may be in between`
    default:
      return `cannot reach ${server}: ${messageOf(error) || error.code}; is it the address and port of the API server?`
  }
}

function checkClock(date: string | undefined, now: number): void {
  const theirs = Date.parse(date ?? '')
  if (Number.isNaN(theirs) || Math.abs(theirs - now) <= maxClockErrorMs) return
  throw new Error(
    `this machine's clock says ${new Date(now).toISOString()}, the server's ${new Date(theirs).toISOString()}; certificates would not be valid: set the clock`,
  )
}

/** The signed text. */
function checkSignature(data: Readonly<Record<string, string>>, server: string, token: JoinToken): string {
  const kubeconfig = data.kubeconfig ?? ''
  const signature = data[`jws-kubeconfig-${token.id}`]
  if (signature === undefined)
    throw new Error(
      `the cluster at ${server} knows no token ${token.id}: it has expired, was deleted, or is another cluster's; make one there with: kutter token create`,
    )
  const right = Buffer.from(detachedSignature(kubeconfig, token.id, token.secret))
  const given = Buffer.from(signature)
  if (right.length !== given.length || !timingSafeEqual(right, given))
    throw new Error(`the token ${token.id} is wrong: what ${server} has signed with it is signed with another secret`)
  return kubeconfig
}

/** The authority in the signed text, if it is the one the token was made for. */
async function checkAuthority(kubeconfig: string, server: string, token: JoinToken): Promise<string> {
  const { clusters } = parse(kubeconfig) as {
    clusters?: { cluster?: { 'certificate-authority-data'?: string } }[]
  }
  const bundle = Buffer.from(clusters?.[0]?.cluster?.['certificate-authority-data'] ?? '', 'base64').toString()
  const hashes = await Promise.all(splitBundle(bundle).map(publicKeyHash))
  if (hashes.includes(token.authority)) return bundle
  throw new Error(
    `the authority of ${server} is not the one the token was made for: its key has ${hashes[0] ?? 'no hash'}, the token says ${token.authority}`,
  )
}
