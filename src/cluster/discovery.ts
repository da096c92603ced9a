// Verifies that a server belongs to the cluster for which a join token was made, before anything it sends is trusted:
//
// 1. Read the ConfigMap cluster-info without verifying the server's certificate.
// 2. Verify its signature with the token's secret, and the authority in it with the hash in the token.
// 3. Read it again over TLS that this authority must have signed for. The content must be the same.
//
// Source: kubeadm app/discovery/token.
import { request } from 'node:https'
import type { Socket } from 'node:net'
import { timingSafeEqual } from 'node:crypto'
import { parse } from 'yaml'
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import { bodyOf } from '../wire/body.ts'
import { detachedSignature } from '../wire/jwt.ts'
import { publicKeyHash, splitBundle } from '../wire/x509.ts'
import type { JoinToken } from './join-token.ts'

interface Discovered {
  /** PEM of the cluster's authority. */
  ca: string
  /** The local address of the connection to the server. */
  localAddress: string
}

const path = '/api/v1/namespaces/kube-public/configmaps/cluster-info'
const timeoutMs = 10_000
const maxAnswerBytes = 1024 * 1024
/** Certificates are backdated by this much. With a clock that is further behind, they are not yet valid. */
const maxClockErrorMs = 5 * 60_000

/** Throws an Error whose message states in one sentence what is wrong. */
export async function discover(server: string, token: JoinToken, clock: Clock): Promise<Discovered> {
  const first = await read(server, undefined, clock)
  checkClock(first.date, clock.now())
  const kubeconfig = checkSignature(first.data, server, token)
  const ca = await checkAuthority(kubeconfig, server, token)
  const second = await read(server, ca, clock)
  if (second.data.kubeconfig !== first.data.kubeconfig)
    throw new Error(
      `${server} gave two different answers about the cluster; someone may be intercepting the connection`,
    )
  return { ca, localAddress: second.localAddress }
}

interface Answer {
  data: Record<string, string>
  date: string | undefined
  localAddress: string
}

/** Reads cluster-info. Without `ca` the server's certificate is not verified. */
function read(server: string, ca: string | undefined, clock: Clock): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException) =>
      reject(new Error(reachProblem(server, error, clock.now()), { cause: error }))
    const asked = request(
      new URL(path, server),
      { ...(ca === undefined ? { rejectUnauthorized: false } : { ca }), agent: false, timeout: timeoutMs },
      response => {
        const { localAddress = '' } = response.socket as Socket
        bodyOf(response, maxAnswerBytes)
          .then(bytes => {
            resolve({ data: dataOf(response.statusCode, bytes), date: response.headers.date, localAddress })
          })
          .catch(fail)
      },
    )
    asked.on('timeout', () =>
      asked.destroy(Object.assign(new Error(`no answer within ${timeoutMs / 1000} s`), { code: 'ETIMEDOUT' })),
    )
    asked.on('error', fail)
    asked.end()
  })
}

function dataOf(status: number | undefined, body: Buffer): Record<string, string> {
  if (status !== 200) throw new Error(`the request for kube-public/cluster-info was answered with ${status}`)
  const { data } = JSON.parse(body.toString()) as { data?: Record<string, string> }
  if (typeof data?.kubeconfig !== 'string') throw new Error('the ConfigMap kube-public/cluster-info has no kubeconfig')
  return data
}

function reachProblem(server: string, error: NodeJS.ErrnoException, now: number): string {
  switch (error.code) {
    case 'CERT_NOT_YET_VALID':
    case 'CERT_HAS_EXPIRED':
      return `the certificate of ${server} is not valid at this machine's time, ${new Date(now).toISOString()}; set the clocks of both machines`
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `the certificate of ${server} is not for that address; use an address that the certificate names (${messageOf(error)})`
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'CERT_SIGNATURE_FAILURE':
      return `the certificate of ${server} is not signed by the cluster's authority; someone may be intercepting the connection`
    default:
      return `cannot reach ${server}: ${messageOf(error) || error.code}; is it the address and port of the API server?`
  }
}

function checkClock(date: string | undefined, now: number): void {
  const theirs = Date.parse(date ?? '')
  if (Number.isNaN(theirs) || Math.abs(theirs - now) <= maxClockErrorMs) return
  throw new Error(
    `the time of this machine is ${new Date(now).toISOString()}, that of the server ${new Date(theirs).toISOString()}, so certificates would not be valid; set the clock`,
  )
}

/** Verifies the signature and returns the text that is signed. */
function checkSignature(data: Readonly<Record<string, string>>, server: string, token: JoinToken): string {
  const kubeconfig = data.kubeconfig ?? ''
  const signature = data[`jws-kubeconfig-${token.id}`]
  if (signature === undefined)
    throw new Error(
      `the cluster at ${server} has no token ${token.id}: it has expired, was deleted, or belongs to another cluster; create one there with: kutter token create`,
    )
  const right = Buffer.from(detachedSignature(kubeconfig, token.id, token.secret))
  const given = Buffer.from(signature)
  if (right.length !== given.length || !timingSafeEqual(right, given))
    throw new Error(`the token ${token.id} is wrong: its secret is not the one with which ${server} signed`)
  return kubeconfig
}

/** Returns the authority in the signed text, after checking its key against the hash in the token. */
async function checkAuthority(kubeconfig: string, server: string, token: JoinToken): Promise<string> {
  const { clusters } = parse(kubeconfig) as {
    clusters?: { cluster?: { 'certificate-authority-data'?: string } }[]
  }
  const bundle = Buffer.from(clusters?.[0]?.cluster?.['certificate-authority-data'] ?? '', 'base64').toString()
  const hashes = await Promise.all(splitBundle(bundle).map(publicKeyHash))
  if (hashes.includes(token.authority)) return bundle
  throw new Error(
    `the authority of ${server} is not the one the token was made for: its key has the hash ${hashes[0] ?? '(none)'}, the token has ${token.authority}`,
  )
}
