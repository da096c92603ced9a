// Watches over the members of the cluster's own etcd from a server: learns of new ones, reports when a quorum is lost, and
// lets calls fail with that reason rather than wait for what cannot come.
import { messageOf } from '../base/errors.ts'
import {
  type EtcdClient,
  type EtcdMembership,
  hostPort,
  type MemberState,
  openEtcdMembership,
  quorumProblem,
} from '../store/index.ts'
import { type MemberOptions, settleAddress } from './etcd-address.ts'
import { etcdPki, memberCertificate, membersHere, ownEndpoints, rememberMembers } from './etcd-member.ts'
import { etcdClientCertificate, etcdMemberCertificate, ownEtcdTls } from './etcd-pki.ts'
import { keepCertificates } from './kept-certificates.ts'
import { hasOwnEtcd } from './own-etcd.ts'

interface EtcdHealthOptions extends MemberOptions {
  /** Called with what is wrong, or undefined when nothing is any more. */
  report(problem: string | undefined): void
}

const lookMs = 2000

/**
 * Begins to watch where a cluster runs its etcd itself, and keeps the certificates of the member beside the server.
 * Undefined for other stores.
 */
export async function watchEtcd(options: EtcdHealthOptions): Promise<EtcdHealth | undefined> {
  const { config, nodeName, paths, clock, log, signal } = options
  if (!hasOwnEtcd(config)) return undefined
  const client = await etcdClientCertificate(paths, clock)
  const health = new EtcdHealth(options, await openEtcdMembership(ownEtcdTls(paths)))
  void health.keep()
  const members = await Promise.all(
    membersHere(config)
      .filter(({ name }) => name === nodeName)
      .map(async ({ name }) => {
        const obtain = () => etcdMemberCertificate(config, paths, name, clock)
        // etcd reads the files for each connection by itself.
        return { name: memberCertificate(name), now: await obtain(), obtain, use() {} }
      }),
  )
  const own = {
    name: 'client',
    now: client,
    obtain: () => etcdClientCertificate(paths, clock),
    use: () => health.renew(),
  }
  void keepCertificates(etcdPki(paths), [own, ...members], { clock, log, signal })
  // Its certificate has been issued for its present address above.
  void settleAddress(options)
  return health
}

export class EtcdHealth {
  readonly #o: EtcdHealthOptions
  readonly #membership: EtcdMembership
  #client: EtcdClient | undefined
  /** Why nothing can be written. */
  #lost: string | undefined
  #wasWhole = false
  /** What is wrong, less than that included. */
  #problem: string | undefined
  /** The authorities by which members are recognized. */
  #trusted: string

  constructor(options: EtcdHealthOptions, membership: EtcdMembership) {
    this.#o = options
    this.#membership = membership
    this.#trusted = String(ownEtcdTls(options.paths).ca)
  }

  /** Takes the client of the store, which goes on with the members that there are. */
  use(client: EtcdClient): void {
    this.#client = client
    if (this.#wasWhole) client.suspect(this.#lost)
  }

  /** Goes on with a new certificate, or with other authorities. */
  renew(tls = ownEtcdTls(this.#o.paths)): void {
    this.#trusted = String(tls.ca)
    this.#membership.renew(tls)
    this.#client?.use(this.#client.endpoints, tls)
  }

  /** For readyz: throws why nothing can be written. With one member too few this server serves as well as before. */
  check = async (): Promise<void> => {
    if (this.#lost !== undefined) throw new Error(this.#lost)
  }

  /** Looks at the members every two seconds until the signal aborts. */
  async keep(): Promise<void> {
    const { clock, signal, log } = this.#o
    while (!signal.aborted) {
      const tls = ownEtcdTls(this.#o.paths)
      if (String(tls.ca) !== this.#trusted) this.renew(tls)
      const problem = await this.#look()
      if (problem !== this.#problem) {
        if (problem === undefined) log.info('etcd is whole again')
        else log.warn('etcd is not whole', { why: problem })
        this.#o.report(problem)
      }
      this.#problem = problem
      await clock.sleep(lookMs, signal).catch(() => {})
    }
    this.#membership.close()
  }

  /** At the start members come one after the other, and calls wait for them. */
  #suspect(lost: string | undefined): void {
    if (lost === undefined) this.#wasWhole = true
    this.#lost = lost
    if (this.#wasWhole) this.#client?.suspect(lost)
  }

  /** What is wrong. Only a lost quorum lets calls fail; a member too few does not. */
  async #look(): Promise<string | undefined> {
    const { config, paths } = this.#o
    const endpoints = ownEndpoints(config, paths)
    let states: readonly MemberState[]
    try {
      states = await this.#membership.states(endpoints)
    } catch (error) {
      const problem = `no etcd member answers at ${endpoints.join(', ')}: ${messageOf(error)}`
      this.#suspect(problem)
      return problem
    }
    const lost = quorumProblem(states)
    this.#suspect(lost)
    const known = states.flatMap(({ clientUrls }) => clientUrls.map(hostPort))
    await rememberMembers(paths, known).catch((error: unknown) =>
      this.#o.log.warn('the members of etcd cannot be remembered', { why: messageOf(error) }),
    )
    this.#client?.use(ownEndpoints(config, paths))
    return lost ?? memberProblem(states)
  }
}

/** What is wrong with members while the others suffice. */
function memberProblem(states: readonly MemberState[]): string | undefined {
  const wrong = states.flatMap(({ name, answers, problem }) =>
    !answers
      ? [`the etcd member ${name || 'that was added'} does not answer`]
      : problem
        ? [`the etcd member ${name}: ${problem}`]
        : [],
  )
  return wrong.length ? wrong.join('; ') : undefined
}
