// The members of an etcd: who they are, who answers, and whether enough do. It is apart from the client of the store,
// since it asks each member for itself, and answers also while the members have no leader.
import { credentials } from '@grpc/grpc-js'
import { messageOf } from '../../base/errors.ts'
import { callUnary, clientsOf, type Received, type ServiceClient } from '../../wire/grpc.ts'
import { type EtcdTls, nameOptions } from './client.ts'
import { type EtcdMember, hostPort, type MemberState } from './quorum.ts'

const definition = {
  package: 'etcdserverpb',
  messages: {
    Member: {
      ID: 'digits = 1',
      name: 'string = 2',
      peerURLs: 'string[] = 3',
      clientURLs: 'string[] = 4',
      isLearner: 'bool = 5',
    },
    MemberAddRequest: { peerURLs: 'string[] = 1', isLearner: 'bool = 2' },
    MemberAddResponse: { member: 'Member = 2', members: 'Member[] = 3' },
    MemberRequest: { ID: 'digits = 1' },
    MemberUpdateRequest: { ID: 'digits = 1', peerURLs: 'string[] = 2' },
    MemberListRequest: {},
    MembersResponse: { members: 'Member[] = 2' },
    StatusRequest: {},
    StatusResponse: {
      version: 'string = 2',
      dbSize: 'digits = 3',
      leader: 'digits = 4',
      errors: 'string[] = 8',
      isLearner: 'bool = 10',
    },
    DefragmentRequest: {},
    DefragmentResponse: {},
    // Enumerations, as the numbers that they are.
    AlarmRequest: { action: 'int32 = 1', memberID: 'digits = 2', alarm: 'int32 = 3' },
    AlarmMember: { memberID: 'digits = 1', alarm: 'int32 = 2' },
    AlarmResponse: { alarms: 'AlarmMember[] = 2' },
  },
  enums: {},
  services: {
    Cluster: {
      memberAdd: 'MemberAddRequest MemberAddResponse',
      memberRemove: 'MemberRequest MembersResponse',
      memberUpdate: 'MemberUpdateRequest MembersResponse',
      memberPromote: 'MemberRequest MembersResponse',
      memberList: 'MemberListRequest MembersResponse',
    },
    Maintenance: {
      status: 'StatusRequest StatusResponse',
      defragment: 'DefragmentRequest DefragmentResponse',
      alarm: 'AlarmRequest AlarmResponse',
    },
  },
} as const

type Message<N extends keyof (typeof definition)['messages']> = Received<
  (typeof definition)['messages'],
  (typeof definition)['enums'],
  N
>

const services = clientsOf(definition)

/** How long one member may take to answer a question, and to carry out a change. */
const askMs = 1500
const changeMs = 7000
/** A member does nothing else while it writes its database again. */
const defragmentMs = 600_000
/** The alarm of a database that has reached its quota, and what may be done with alarms. Source: etcd rpc.proto. */
const [noSpaceAlarm, list, deactivate] = [1, 0, 2]

interface Clients {
  Cluster: ServiceClient
  Maintenance: ServiceClient
}

/** Asks and changes the members. Close it when it is not needed any more. */
export class EtcdMembership {
  readonly #clients = new Map<string, Clients>()
  #tls: EtcdTls | undefined

  /** @param tls without it members are spoken to in the clear */
  constructor(tls: EtcdTls | undefined) {
    this.#tls = tls
  }

  /** Goes on with other credentials. */
  renew(tls: EtcdTls): void {
    this.#tls = tls
    this.close()
  }

  /**
   * The members as the first of these `host:port` to answer lists them, and it answers without a quorum, too. Throws when
   * none answers.
   */
  async list(endpoints: readonly string[]): Promise<EtcdMember[]> {
    const asked = endpoints.map(endpoint => this.#call(endpoint, 'Cluster', 'memberList', {}, askMs))
    const { members } = (await firstOf(asked)) as Message<'MembersResponse'>
    return members.map(memberOf).sort((a, b) => a.name.localeCompare(b.name))
  }

  /** The members, each with what it says of itself. Throws when none answers. */
  async states(endpoints: readonly string[]): Promise<MemberState[]> {
    const members = await this.list(endpoints)
    return Promise.all(members.map(member => this.#stateOf(member)))
  }

  /** Adds a member that does not vote yet. Returns it, and all members with it. */
  async addLearner(endpoints: readonly string[], peerUrl: string): Promise<{ id: string; members: EtcdMember[] }> {
    const request = { peerURLs: [peerUrl], isLearner: true }
    const answer = (await this.#change(endpoints, 'memberAdd', request)) as Message<'MemberAddResponse'>
    return { id: memberOf(answer.member!).id, members: answer.members.map(memberOf) }
  }

  /** Gives a learner its vote. etcd refuses while it is behind. */
  async promote(endpoints: readonly string[], id: string): Promise<void> {
    await this.#change(endpoints, 'memberPromote', { ID: digitsOf(id) })
  }

  /** Lets the others look for a member at another address. */
  async update(endpoints: readonly string[], id: string, peerUrl: string): Promise<void> {
    await this.#change(endpoints, 'memberUpdate', { ID: digitsOf(id), peerURLs: [peerUrl] })
  }

  async remove(endpoints: readonly string[], id: string): Promise<void> {
    await this.#change(endpoints, 'memberRemove', { ID: digitsOf(id) })
  }

  /**
   * Gives the space that compaction has freed back to the disk, at one member after the other, since each answers nothing
   * else meanwhile; then ends the alarm of a database that had reached its quota. Returns the names of the members.
   */
  async defragment(endpoints: readonly string[]): Promise<string[]> {
    const members = await this.list(endpoints)
    for (const { clientUrls } of members)
      for (const endpoint of clientUrls.map(hostPort).slice(0, 1))
        await this.#call(endpoint, 'Maintenance', 'defragment', {}, defragmentMs)
    const ask = (request: object) =>
      firstOf(endpoints.map(endpoint => this.#call(endpoint, 'Maintenance', 'alarm', request, changeMs)))
    const { alarms } = (await ask({ action: list, memberID: '0', alarm: noSpaceAlarm })) as Message<'AlarmResponse'>
    // Each is the alarm of one member, and ends for that one only.
    for (const { memberID, alarm } of alarms) await ask({ action: deactivate, memberID, alarm })
    return members.map(({ name }) => name)
  }

  close(): void {
    for (const clients of this.#clients.values()) for (const one of Object.values(clients)) one.close()
    this.#clients.clear()
  }

  async #stateOf(member: EtcdMember): Promise<MemberState> {
    const silent = { ...member, answers: false, hasLeader: false, isLeader: false, sizeBytes: 0 }
    const endpoints = member.clientUrls.map(hostPort)
    if (!endpoints.length) return { ...silent, problem: 'it has not started yet' }
    try {
      const asked = endpoints.map(endpoint => this.#call(endpoint, 'Maintenance', 'status', {}, askMs))
      const { leader, dbSize, errors } = (await firstOf(asked)) as Message<'StatusResponse'>
      const alarms = errors.filter(text => !/no leader/.test(text))
      return {
        ...member,
        answers: true,
        hasLeader: leader !== '0',
        isLeader: idOf(leader) === member.id,
        sizeBytes: Number(dbSize),
        ...(alarms.length && { problem: alarms.join('; ') }),
      }
    } catch (error) {
      return { ...silent, problem: messageOf(error) }
    }
  }

  /** Asks one member after the other until one carries it out. A refusal is the answer of all of them. */
  async #change(endpoints: readonly string[], method: string, request: object): Promise<object> {
    let last: unknown
    for (const endpoint of endpoints)
      try {
        return await this.#call(endpoint, 'Cluster', method, request, changeMs)
      } catch (error) {
        last = error
      }
    throw last
  }

  #call(endpoint: string, service: keyof Clients, method: string, request: object, timeoutMs: number): Promise<object> {
    let clients = this.#clients.get(endpoint)
    if (!clients) {
      const { ca = null, key = null, cert = null } = this.#tls ?? {}
      const secrets = this.#tls ? credentials.createSsl(ca, key, cert) : credentials.createInsecure()
      const of = (name: keyof Clients) =>
        new services[name]!(endpoint, secrets, { ...channelOptions, ...(this.#tls && nameOptions(this.#tls)) })
      clients = { Cluster: of('Cluster'), Maintenance: of('Maintenance') }
      this.#clients.set(endpoint, clients)
    }
    return callUnary(clients[service], method, request, { timeoutMs })
  }
}

const channelOptions = {
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1000,
  'grpc.enable_retries': 0,
}

/** The first success; the first failure when all fail. */
async function firstOf(calls: readonly Promise<object>[]): Promise<object> {
  try {
    return await Promise.any(calls)
  } catch (error) {
    throw error instanceof AggregateError ? error.errors[0] : error
  }
}

const memberOf = ({ ID, name, peerURLs, clientURLs, isLearner }: Message<'Member'>): EtcdMember => ({
  id: idOf(ID),
  name,
  peerUrls: peerURLs,
  clientUrls: clientURLs,
  isLearner,
})

const idOf = (digits: string): string => BigInt(digits).toString(16)
const digitsOf = (id: string): string => BigInt(`0x${id}`).toString()
