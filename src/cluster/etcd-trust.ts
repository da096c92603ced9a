// The authorities that the members of the cluster's own etcd trust. etcd reads its certificate for each connection, and the
// authorities only at its start. So when they change (rotation.ts), each server restarts the member beside it, one server
// after the other, and only while all members answer.
//
//   files have other authorities ──► holds the Lease, all members answer ──► member ends, supervisor starts it ──► answers
import { readFile } from 'node:fs/promises'
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { realRandom } from '../base/random.ts'
import { joined } from '../base/waiters.ts'
import { type Client, leadWithLease } from '../client/index.ts'
import { type EtcdTls, hostPort, withMembers } from '../store/index.ts'
import { type Authority, issue } from '../wire/x509.ts'
import type { ClusterConfig, ClusterPaths } from './config.ts'
import { membersHere, ownEndpoints, trustEnvironment } from './etcd-member.ts'
import { ownEtcdTls } from './etcd-pki.ts'
import { endEtcd, etcdProcesses } from './etcd-process.ts'

const lookMs = 2_000
const wholeMs = 60_000
const pauseMs = 250
const probeMs = 3600_000
const lease = 'kutter-etcd-restart'

/** Whether the member of a node on this machine runs with other authorities than those in its file. */
export async function isTrustOld(paths: Pick<ClusterPaths, 'root' | 'pki'>, name: string): Promise<boolean> {
  const [pid] = await etcdProcesses(paths, name)
  if (pid === undefined) return false
  const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')
  const wanted = Object.entries(trustEnvironment(paths)).map(([key, value]) => `${key}=${value}`)
  return environment !== '' && !wanted.every(text => environment.split('\0').includes(text))
}

interface TrustOptions {
  config: ClusterConfig
  /** The node beside which the server runs. */
  nodeName: string
  paths: ClusterPaths
  client: Client
  clock: Clock
  log: Log
  signal: AbortSignal
}

/** Restarts the member beside a server when its authorities have changed, until the signal aborts. */
export async function keepTrust(o: TrustOptions): Promise<void> {
  const { config, nodeName, paths, client, clock, log, signal } = o
  if (!membersHere(config).some(({ name }) => name === nodeName)) return
  while (!signal.aborted) {
    try {
      if (await isTrustOld(paths, nodeName)) {
        const done = new AbortController()
        const candidate = { client, name: lease, identity: nodeName, random: realRandom }
        await leadWithLease({ ...candidate, signal: joined(signal, done.signal).signal }, until =>
          restart(o, until).finally(() => done.abort()),
        )
      }
    } catch (error) {
      if (!signal.aborted) log.warn('the member of etcd cannot be started again', { why: messageOf(error) })
    }
    await clock.sleep(lookMs, signal).catch(() => {})
  }
}

async function restart({ config, nodeName, paths, clock, log }: TrustOptions, signal: AbortSignal): Promise<void> {
  const tls = ownEtcdTls(paths)
  await whole(config, paths, tls, clock, signal)
  if (signal.aborted) return
  log.info('the authorities of etcd have changed, and its member here starts again', { member: nodeName })
  await endEtcd(paths, clock, nodeName)
  while (!(await etcdProcesses(paths, nodeName)).length) await clock.sleep(pauseMs, signal)
  await whole(config, paths, tls, clock, signal)
}

/** Waits until all members answer, and follow a leader. */
async function whole(
  config: ClusterConfig,
  paths: ClusterPaths,
  tls: EtcdTls,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const deadline = clock.steady() + wholeMs
  await withMembers(tls, async membership => {
    for (;;) {
      const states = await membership.states(ownEndpoints(config, paths)).catch(() => [])
      const silent = states.filter(({ answers, hasLeader }) => !answers || !hasLeader)
      if (states.length && !silent.length) return
      if (clock.steady() > deadline) throw new Error(`not all members answer: ${silent.map(({ name }) => name).join()}`)
      await clock.sleep(pauseMs, signal)
    }
  })
}

/** The members that do not yet trust what a new authority issues by itself, or do not show a certificate of it. */
export async function membersBehind(
  config: ClusterConfig,
  paths: ClusterPaths,
  next: Pick<Authority, 'certPem' | 'keyPem'>,
  now: number,
): Promise<string[]> {
  const probe = await issue(
    next,
    { commonName: 'kutter-etcd-probe' },
    { usages: ['client auth', 'digital signature'], now, validMs: probeMs },
  )
  const own = ownEtcdTls(paths)
  const strict = {
    ...own,
    ca: Buffer.from(next.certPem),
    cert: Buffer.from(probe.certPem),
    key: Buffer.from(probe.keyPem),
  }
  const members = await withMembers(own, membership => membership.list(ownEndpoints(config, paths)))
  return withMembers(strict, async membership => {
    const behind = members.map(async ({ name, clientUrls }) =>
      (await membership.list(clientUrls.map(hostPort)).then(
        () => true,
        () => false,
      ))
        ? []
        : [name],
    )
    return (await Promise.all(behind)).flat()
  })
}
