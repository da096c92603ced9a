// Links, addresses, routes and network namespaces, read by `ip -j` and changed by `ip -batch -`, which needs one
// process for many changes. Source: ip(8), ip-netns(8).
import { readFile } from 'node:fs/promises'
import { StatusError } from '../base/errors.ts'
import { type RunOptions, type RunResult, run } from './exec.ts'

export interface Link {
  index: number
  name: string
  up: boolean
  mtu: number
  mac: string
  /** `veth`, `bridge`, `vxlan` and so on; empty for a physical link. */
  kind: string
  /** The name of the bridge it belongs to; empty without one. */
  master: string
  /** The index of the other end of a veth, which may be in another namespace. */
  peerIndex: number | undefined
}

interface Address {
  link: string
  family: 'inet' | 'inet6'
  address: string
  prefixLength: number
  scope: string
}

export interface Route {
  /** `default`, a prefix such as `10.244.1.0/24`, or a single address. */
  to: string
  via: string | undefined
  link: string | undefined
  source: string | undefined
  protocol: string | undefined
}

interface Ip {
  links(): Promise<readonly Link[]>
  addresses(): Promise<readonly Address[]>
  /** The routes of the main table, of IPv4 unless `family` is 6. */
  routes(o?: { family?: 4 | 6 }): Promise<readonly Route[]>
  /**
   * Runs commands without the word `ip` in one process. Stops and throws at the first that fails; earlier ones stay.
   */
  batch(commands: readonly string[]): Promise<void>
  namespaces(): Promise<readonly string[]>
  /** Creates the namespace `/run/netns/NAME` with its loopback up, unless it exists. */
  addNamespace(name: string): Promise<void>
  /** Removes a namespace with all links in it, if it exists. */
  deleteNamespace(name: string): Promise<void>
  /** Runs a program in the namespace of this Ip. */
  exec(program: string, args: readonly string[], options?: RunOptions): Promise<RunResult>
  /** An Ip for another namespace. */
  inside(name: string): Ip
}

/** The network of this process's namespace, or of the namespace with the name `netns`. */
export function makeIp(netns?: string): Ip {
  const at = netns === undefined ? [] : ['-n', netns]
  const json = async (...args: string[]) => {
    const { stdout } = await run('ip', [...at, '-j', '-d', ...args])
    return stdout.trim() === '' ? [] : (JSON.parse(stdout) as RawItem[]).filter(item => Object.keys(item).length > 0)
  }
  return {
    links: async () => (await json('link', 'show')).map(readLink),
    addresses: async () => (await json('address', 'show')).flatMap(readAddresses),
    routes: async (o = {}) => (await json(o.family === 6 ? '-6' : '-4', 'route', 'show')).map(readRoute),
    async batch(commands) {
      if (commands.length === 0) return
      const result = await run('ip', [...at, '-batch', '-'], { stdin: `${commands.join('\n')}\n`, accept: 'any' })
      if (result.code !== 0) throw batchError(commands, result.stderr)
    },
    async namespaces() {
      const { stdout } = await run('ip', ['netns', 'list'])
      return stdout.split('\n').flatMap(line => line.split(' ')[0] || [])
    },
    async addNamespace(name) {
      if (!(await this.namespaces()).includes(name)) await run('ip', ['netns', 'add', name])
      await run('ip', ['-n', name, 'link', 'set', 'lo', 'up'])
    },
    async deleteNamespace(name) {
      if ((await this.namespaces()).includes(name)) await run('ip', ['netns', 'delete', name])
    },
    exec: (program, args, options) =>
      netns === undefined
        ? run(program, args, options)
        : run('ip', ['netns', 'exec', netns, program, ...args], options),
    inside: name => makeIp(name),
  }
}

/** Whether this process's namespace has a link of this name, without a process of `ip`. */
export async function hasLink(name: string): Promise<boolean> {
  const text = await readFile('/proc/net/dev', 'utf8')
  return text.split('\n').some(line => line.trimStart().startsWith(`${name}:`))
}

type RawItem = {
  ifindex: number
  ifname: string
  flags: string[]
  mtu: number
  address?: string
  master?: string
  link_index?: number
  linkinfo?: { info_kind?: string }
  addr_info?: { family: string; local: string; prefixlen: number; scope: string }[]
  dst: string
  gateway?: string
  dev?: string
  prefsrc?: string
  protocol?: string
}

function readLink(raw: RawItem): Link {
  return {
    index: raw.ifindex,
    name: raw.ifname,
    up: raw.flags.includes('UP'),
    mtu: raw.mtu,
    mac: raw.address ?? '',
    kind: raw.linkinfo?.info_kind ?? '',
    master: raw.master ?? '',
    peerIndex: raw.link_index,
  }
}

function readAddresses(raw: RawItem): Address[] {
  return (raw.addr_info ?? []).flatMap(info =>
    info.family === 'inet' || info.family === 'inet6'
      ? [
          {
            link: raw.ifname,
            family: info.family,
            address: info.local,
            prefixLength: info.prefixlen,
            scope: info.scope,
          },
        ]
      : [],
  )
}

function readRoute(raw: RawItem): Route {
  return { to: raw.dst, via: raw.gateway, link: raw.dev, source: raw.prefsrc, protocol: raw.protocol }
}

// `ip` reports `Command failed -:3`. The error names the command of that line instead.
function batchError(commands: readonly string[], stderr: string): StatusError {
  const line = Number(/Command failed -:(\d+)/.exec(stderr)?.[1] ?? 0)
  const said = stderr.split('\n')[0] ?? ''
  return new StatusError('InternalError', `ip ${commands[line - 1] ?? '-batch'}: ${said}`, { cause: stderr })
}
