// Carries out what addresses.ts plans: addresses on links, the table, and the messages by which neighbours learn that an
// address has moved here.
import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { ipFamily } from '../../api/ip.ts'
import { makeIp, makeNft, readKernel, run, setKernel } from '../../linux/index.ts'
import { type AddressPlan, type Place, planAddresses, refusalText, showSixAgain } from './addresses.ts'

interface AnnouncerOptions extends Place {
  /** The name of the table. */
  table: string
  clock: Clock
  log: Log
  /** Ends the messages to neighbours that are under way. */
  signal: AbortSignal
}

/** How often neighbours are shown a new address, once a second. One message may be lost. */
const repetitions = 3
const arpingMs = 10_000

/** The addresses of load balancers that this node announces. Only one call at a time may be under way. */
export class Announcer {
  readonly #o: AnnouncerOptions
  readonly #ip = makeIp()
  readonly #nft = makeNft()
  #table: string | undefined

  constructor(options: AnnouncerOptions) {
    this.#o = options
  }

  /** The addresses that this node announces now, those of a former agent included. */
  async held(): Promise<Set<string>> {
    return new Set(planAddresses(new Set(), await this.#ip.addresses(), this.#o).ours)
  }

  /**
   * Makes the node announce exactly these. Returns those that it did not before. Throws when one of them fails; the
   * others are as they should be.
   * @param again whether the neighbours are shown those too that the node has already
   * @param open TCP ports of the addresses that are served on the node itself
   */
  async set(
    wanted: ReadonlySet<string>,
    again = false,
    open: ReadonlyMap<string, readonly number[]> = new Map(),
  ): Promise<string[]> {
    const plan = planAddresses(wanted, await this.#ip.addresses(), this.#o)
    const { links, news, ours, lost } = plan
    // What is refused is refused before the kernel could answer.
    await this.#refuse([...new Set([...ours, ...wanted])], open)
    if (wanted.size) await this.#makeLedger()
    const failures = await this.#carryOut(plan)
    if (failures.length) throw failures[0]
    if (!wanted.size && ours.length) await removeLedger(this.#o.ledger)
    await this.#refuse([...wanted], open)
    for (const [address, link] of links) {
      const isNew = news.includes(address)
      if (ipFamily(address) === 4 && (again || isNew)) this.#show(address, link)
      else if (again && !isNew) await this.#addSix(link, showSixAgain(address, link))
    }
    if (lost.length) throw new Error(`this node has no link for ${lost.join(', ')}`)
    return news
  }

  async #carryOut({ changes, links }: AddressPlan): Promise<unknown[]> {
    const { log } = this.#o
    const failures: unknown[] = []
    for (const [address, commands] of changes) {
      const link = links.get(address)
      try {
        if (link !== undefined && ipFamily(address) === 6) await this.#addSix(link, commands)
        else await this.#ip.batch(commands)
        if (link !== undefined) log.info('this node announces an address', { address, link })
        else log.info('this node announces an address no more', { address })
      } catch (error) {
        failures.push(error)
      }
    }
    return failures
  }

  /**
   * Adds an IPv6 address. The kernel shows it to the neighbours by itself, and at once if it does not test for duplicates
   * before: the test takes a second, and would find the former node when that one is slow. Source: ip-sysctl, ndisc_notify
   * and accept_dad; the kernel's addrconf_dad_begin.
   */
  async #addSix(link: string, commands: readonly string[]): Promise<void> {
    const { log } = this.#o
    const settings = `net/ipv6/conf/${link}`
    await setKernel(`${settings}/ndisc_notify`, '1', log)
    const before = await readKernel(`${settings}/accept_dad`)
    await setKernel(`${settings}/accept_dad`, '0', log)
    try {
      await this.#ip.batch(commands)
    } finally {
      if (before !== undefined) await setKernel(`${settings}/accept_dad`, before, log)
    }
  }

  async #refuse(addresses: readonly string[], open: ReadonlyMap<string, readonly number[]>): Promise<void> {
    const text = refusalText(this.#o.table, [...addresses].sort(), open)
    if (text === this.#table || (this.#table === undefined && !addresses.length)) return
    await this.#nft.apply(text)
    this.#table = text
  }

  /** A bridge without ports, since every kernel that can run pods has bridges. It stays down. */
  async #makeLedger(): Promise<void> {
    const { ledger } = this.#o
    const has = (await this.#ip.links()).some(({ name }) => name === ledger)
    if (!has) await this.#ip.batch([`link add name ${ledger} type bridge`])
  }

  /** Shows an IPv4 address to the neighbours, by requests and answers, since some only read one of these. */
  #show(address: string, link: string): void {
    const { log, signal, clock } = this.#o
    for (const form of ['-U', '-A']) {
      const args = ['-q', form, '-c', String(repetitions), '-I', link, address]
      run('arping', args, { timeoutMs: arpingMs, signal, clock, accept: [0, 1] }).catch((error: unknown) => {
        if (!signal.aborted) log.warn('cannot show the neighbours an address', { address, link, why: messageOf(error) })
      })
    }
  }
}

async function removeLedger(ledger: string): Promise<void> {
  const ip = makeIp()
  if ((await ip.links()).some(({ name }) => name === ledger)) await ip.batch([`link delete dev ${ledger}`])
}

/** Removes everything that announcers of the cluster have left in the machine's network. */
export async function removeAnnouncements(ledger: string, table: string): Promise<void> {
  const ip = makeIp()
  const { changes } = planAddresses(new Set(), await ip.addresses(), { ledger, nodeIPs: [], podBridge: '' })
  await ip.batch([...changes.values()].flat())
  await removeLedger(ledger)
  const nft = makeNft()
  if ((await nft.tables()).includes(`inet ${table}`)) await nft.apply(refusalText(table, []))
}
