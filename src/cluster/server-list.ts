// The API servers that a node may talk to. It stays with one until the connection is lost, and goes on with the next.
// Those it does not start with it learns from the endpoints of the Service kubernetes, and remembers for its next start,
// when the one it was given may be away.
import { readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { replaceFile } from '../base/files.ts'
import type { Client } from '../client/index.ts'
import { EndpointSlice } from '../kinds/discovery/endpointslice.ts'
import { urlHost } from './node-addresses.ts'

/** More are not remembered. */
const maxServers = 16

export class ServerList {
  readonly #file: string
  /** The URLs that the node was given. They stay in the list. */
  readonly #given: readonly string[]
  #learned: readonly string[]
  #current: string

  /** @param file remembers what was learned */
  constructor(file: string, given: readonly string[]) {
    this.#file = file
    this.#given = given
    this.#learned = read(file)
    this.#current = given[0]!
  }

  /** The URL to use now. */
  get current(): string {
    return this.#current
  }

  get #all(): string[] {
    return [...new Set([...this.#given, ...this.#learned])]
  }

  /** Goes on with the next one. Does nothing when `server` is not the present one any more. */
  leave(server: string): void {
    const all = this.#all
    if (server === this.#current) this.#current = all[(all.indexOf(server) + 1) % all.length]!
  }

  /**
   * Takes the servers that there are now. None are no news. A single one is the one that the node was given, which it may
   * reach only by the address that it was given.
   */
  async learn(servers: readonly string[]): Promise<void> {
    const all = [...new Set(servers)].sort().slice(0, maxServers)
    const learned = all.length > 1 ? all : []
    if (!all.length || learned.join() === this.#learned.join()) return
    this.#learned = learned
    await mkdir(dirname(this.#file), { recursive: true, mode: 0o700 })
    await replaceFile(this.#file, `${JSON.stringify(learned)}\n`, { mode: 0o600 })
  }

  /** Learns from the endpoints of the Service kubernetes, and from each change of them. */
  follow(client: Client, onError: (error: unknown) => void): void {
    const slices = client.mirror(EndpointSlice)
    const look = () => {
      const slice = slices.get('default', 'kubernetes')
      const port = slice?.ports?.[0]?.port
      if (!slice || !port) return
      const addresses = slice.endpoints.flatMap(endpoint => endpoint.addresses)
      this.learn(addresses.map(address => `https://${urlHost(address)}:${port}`)).catch(onError)
    }
    slices.subscribe(changes => {
      if (changes.some(({ item: { object } }) => object.metadata.name === 'kubernetes')) look()
    }, 'servers')
    look()
  }
}

function read(file: string): string[] {
  try {
    const urls: unknown = JSON.parse(readFileSync(file, 'utf8'))
    return Array.isArray(urls) ? urls.filter(url => typeof url === 'string' && url.startsWith('https://')) : []
  } catch {
    // There is none yet, or it is damaged and will be written again.
    return []
  }
}
