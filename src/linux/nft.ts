// nftables by its own program: `nft -f -` applies a text as one transaction, all of it or nothing, and
// `nft -j list table` reads a table. Small texts go to a process that is kept (nft-session.ts). Source: nft(8),
// libnftables-json(5).
import { StatusError } from '../base/errors.ts'
import { run } from './exec.ts'
import { maxSessionBytes, NftSession } from './nft-session.ts'

/** One entry of a listing, such as `{ table: … }`, `{ chain: … }`, `{ rule: … }`, `{ set: … }` or `{ map: … }`. */
type NftItem = Readonly<Record<string, unknown>>

interface Nft {
  /** Applies the whole text or, when it throws, none of it. */
  apply(transaction: string, signal?: AbortSignal): Promise<void>
  /** Whether the kernel would take the whole text, which changes nothing. */
  accepts(transaction: string, signal?: AbortSignal): Promise<boolean>
  /** The content of a table; undefined when it does not exist. */
  list(family: NftFamily, table: string, signal?: AbortSignal): Promise<readonly NftItem[] | undefined>
  /** The names of all tables, each as `family name`. */
  tables(signal?: AbortSignal): Promise<readonly string[]>
}

type NftFamily = 'ip' | 'ip6' | 'inet' | 'arp' | 'bridge' | 'netdev'

// Ten thousand Services are about 20 MB of text, and five times as much when they are read as JSON.
const maxListBytes = 256 * 1024 * 1024

/** nftables of this process's network namespace, or of the one whose file `netns` names, such as `/run/netns/x`. */
export function makeNft(o: { netns?: string } = {}): Nft {
  const command = (args: readonly string[]): [program: string, args: readonly string[]] =>
    o.netns ? ['nsenter', [`--net=${o.netns}`, 'nft', ...args]] : ['nft', args]
  const nft = (args: string[], options: { stdin?: string; signal?: AbortSignal; any?: boolean }) => {
    const { stdin, signal, any } = options
    return run(...command(args), {
      label: 'nft',
      ...(stdin === undefined ? {} : { stdin }),
      ...(signal ? { signal } : {}),
      ...(any ? { accept: 'any' as const } : {}),
      maxOutputBytes: maxListBytes,
    })
  }
  const [program, interactive] = command(['-i'])
  const session = new NftSession({ program, args: interactive })
  return {
    async apply(transaction, signal) {
      signal?.throwIfAborted()
      if (session.works && transaction.length <= maxSessionBytes) {
        try {
          return await session.apply(transaction)
        } catch (error) {
          if (session.works) throw error
        }
      }
      await nft(['-f', '-'], { stdin: transaction, ...(signal ? { signal } : {}) })
    },
    async accepts(transaction, signal) {
      const o = { stdin: transaction, any: true, ...(signal ? { signal } : {}) }
      return (await nft(['-c', '-f', '-'], o)).code === 0
    },
    async list(family, table, signal) {
      const result = await nft(['-j', 'list', 'table', family, table], { any: true, ...(signal ? { signal } : {}) })
      if (result.code === 0) return items(result.stdout)
      if (/No such file or directory/.test(result.stderr)) return undefined
      throw new StatusError('InternalError', `nft list table ${family} ${table}: ${result.stderr.trim()}`)
    },
    async tables(signal) {
      const { stdout } = await nft(['-j', 'list', 'tables'], signal ? { signal } : {})
      return items(stdout).flatMap(item => {
        const table = item.table as { family: string; name: string } | undefined
        return table ? [`${table.family} ${table.name}`] : []
      })
    },
  }
}

function items(json: string): NftItem[] {
  const { nftables } = JSON.parse(json) as { nftables: NftItem[] }
  return nftables.filter(item => !('metainfo' in item))
}

/**
 * The text that deletes the table, whether it exists or not, and the one of the family ip that versions before had.
 */
export const deleteTableText = (table: string): string =>
  ['inet', 'ip'].map(family => `add table ${family} ${table}\ndelete table ${family} ${table}\n`).join('')
