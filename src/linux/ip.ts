// Links, addresses, routes and network namespaces by `ip -j` (to read) and `ip -batch -` (to change many things
// with one process). Source: ip(8), ip-netns(8).
import { StatusError } from '../base/errors.ts'
import { type RunOptions, type RunResult, run } from './exec.ts'

export interface Link {
  index: number
  name: string
  up: boolean
  mtu: number
  mac: string
  /** `veth`, `bridge`, `vxlan`, …; empty for a physical one. */
  kind: string
  /** The bridge it belongs to. */
  master: string
  /** The other end's index, for a veth in another namespace. */
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
  /** `default` or a prefix, as `10.244.1.0/24`. */
  to: string
  via: string | undefined
  link: string | undefined
  source: string | undefined
  protocol: string | undefined
}

interface Ip {
  links(): Promise<readonly Link[]>
  addresses(): Promise<readonly Address[]>
  /** Routes of the main table, IPv4 unless `family` is 6. */
  routes(o?: { family?: 4 | 6 }): Promise<readonly Route[]>
  /** Runs `ip` commands (without the word `ip`) in one process; stops at the first that fails. */
  batch(commands: readonly string[]): Promise<void>
  namespaces(): Promise<readonly string[]>
  /** Makes `/run/netns/NAME` with its loopback up; one that exists is left as it is. */
  addNamespace(name: string): Promise<void>
  /** Removes it with all that is in it; one that is gone is no error. */
  deleteNamespace(name: string): Promise<void>
  /** Runs a program inside the namespace this Ip looks at. */
  exec(program: string, args: readonly string[], options?: RunOptions): Promise<RunResult>
  /** The same, looking into another namespace. */
  inside(name: string): Ip
}

/** The kernel's network, in this process's namespace or the one called `netns`. */
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

// ip says `Command failed -:3`: turn the line number back into the command.
function batchError(commands: readonly string[], stderr: string): StatusError {
  const line = Number(/Command failed -:(\d+)/.exec(stderr)?.[1] ?? 0)
  const said = stderr.split('\n')[0] ?? ''
  return new StatusError('InternalError', `ip ${commands[line - 1] ?? '-batch'}: ${said}`, { cause: stderr })
}
