// Ports that programs listen on.
import { readFile } from 'node:fs/promises'
import { createServer, type ListenOptions } from 'node:net'

/** Whether a TCP port is free on all addresses. Another program may take it right afterwards. */
export const portFree = (port: number): Promise<boolean> => canListen({ port, host: '0.0.0.0' })

/** Addresses that nobody asks, so that a look at a port takes no connection away. */
const unusedAddresses = { 4: '127.94.17.3', 6: '::1' } as const

/**
 * Whether a program may listen at a port of one address, as far as programs that listen on all addresses allow it: those
 * that share their ports do.
 */
export const portShared = (port: number, family: 4 | 6): Promise<boolean> =>
  canListen({ port, host: unusedAddresses[family], reusePort: true })

function canListen(where: ListenOptions): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(where, () => server.close(() => resolve(true)))
  })
}

/** An address as a number. */
interface Listening {
  family: 4 | 6
  value: bigint
}

/** The addresses on which programs listen at a TCP port, in the network namespace of this process. */
export async function listenersOn(port: number): Promise<Listening[]> {
  const tables = await Promise.all(['tcp', 'tcp6'].map(name => readFile(`/proc/net/${name}`, 'utf8').catch(() => '')))
  return tables.flatMap(text => parseListeners(text, port))
}

/** The state of a socket that listens. Source: proc(5), /proc/net/tcp; the kernel's tcp_states.h. */
const listening = '0A'

/** The addresses of one table of the kernel, in which each word of an address is written backwards. */
export function parseListeners(table: string, port: number): Listening[] {
  return table
    .split('\n')
    .slice(1)
    .flatMap(line => {
      const [, local = '', , state] = line.trim().split(/\s+/)
      const [address = '', number = ''] = local.split(':')
      if (state !== listening || Number.parseInt(number, 16) !== port) return []
      const words = address.match(/.{8}/g) ?? []
      const hex = words.map(one => one.match(/../g)!.reverse().join('')).join('')
      return hex ? { family: words.length === 1 ? 4 : 6, value: BigInt(`0x${hex}`) } : []
    })
}

/** The UDP ports in use in the network namespace of this process. */
export async function udpPorts(): Promise<ReadonlySet<number>> {
  const tables = await Promise.all(['udp', 'udp6'].map(name => readFile(`/proc/net/${name}`, 'utf8').catch(() => '')))
  const ports = tables.flatMap(text =>
    text
      .split('\n')
      .slice(1)
      .map(line => Number.parseInt(line.trim().split(/\s+/)[1]?.split(':')[1] ?? '', 16)),
  )
  return new Set(ports.filter(port => port > 0))
}
