// Encryption of what pods of different nodes send to each other: WireGuard between all nodes. It takes the place of direct
// routes and of VXLAN. Every node makes its own key, which never leaves it, and writes the public part into its Node.
//
//   pod ─► bridge ─► route RANGE dev kt…w ─► the peer that has RANGE ─► UDP to the node's address
//
// - What is for a node without a key goes nowhere: there is a route into the device, and no peer. What is for a range that
//   no node has goes nowhere either, by a route for all pods of the cluster that refuses.
// - A packet is taken from a peer only if its source is in that node's own range, which the cluster has given it.
// - Of two nodes with one public key the older one has it: the key of another node would take that node's packets away.
// - The device is the kernel's. Where the kernel has none, wireguard-go (Debian) is one in user space, if it is there.
//
// Source: wg(8); the white paper of WireGuard, section 2.
import { spawn } from 'node:child_process'
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { closeSync, existsSync, openSync } from 'node:fs'
import { mkdir, readFile, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { ipFamily, parseCidr } from '../api/ip.ts'
import { realClock } from '../base/clock.ts'
import { replaceFile } from '../base/files.ts'
import type { Log } from '../base/log.ts'
import { Node } from '../kinds/core/node.ts'
import { encryptionOf, type NodeKey } from '../kinds/core/node-encryption.ts'
import { commandLines, hasLink, makeIp, run, sendSignal, udpPorts } from '../linux/index.ts'

/** The key of this node. */
interface OwnKey extends NodeKey {
  /** Base64 of its 32 bytes. */
  privateKey: string
}

interface Peer extends NodeKey {
  address: string
  /** The ranges of its pods. */
  ranges: readonly string[]
}

/**
 * The name of the device of a node, by its number, since devices in user space of one machine must differ; without a
 * number, that with which the names of all of them begin.
 */
export const wireguardLink = (bridge: string, index: number | '' = ''): string => `${bridge}w${index}`

const firstPort = 51_820
const portTries = 200
/** The bytes that WireGuard adds to a packet between IPv6 addresses; 20 less between those of IPv4. */
const overheadBytes = 80
const defaultMtu = 1500
const programMs = 5_000
const lookMs = 20

/** Keys by directory, so that those who ask at the same moment do not make two. */
const keys = new Map<string, Promise<OwnKey>>()

/** Reads the key of a node from its directory, or makes one. A port is chosen that nobody has. */
export function ownKey(dir: string): Promise<OwnKey> {
  let key = keys.get(dir)
  if (!key) {
    keys.set(dir, (key = readKey(dir)))
    key.catch(() => keys.delete(dir))
  }
  return key
}

async function readKey(dir: string): Promise<OwnKey> {
  const file = join(dir, 'wireguard.json')
  const kept = await readFile(file, 'utf8').catch(() => undefined)
  if (kept !== undefined) {
    const { privateKey, port } = JSON.parse(kept) as Pick<OwnKey, 'privateKey' | 'port'>
    return { privateKey, port, publicKey: publicKeyOf(privateKey) }
  }
  const taken = await udpPorts()
  const port = Array.from({ length: portTries }, (_, i) => firstPort + i).find(one => !taken.has(one)) ?? firstPort
  const { d = '' } = generateKeyPairSync('x25519').privateKey.export({ format: 'jwk' })
  const privateKey = Buffer.from(d, 'base64url').toString('base64')
  await mkdir(dir, { recursive: true, mode: 0o700 })
  await replaceFile(file, `${JSON.stringify({ privateKey, port })}\n`, { mode: 0o600 })
  return { privateKey, port, publicKey: publicKeyOf(privateKey) }
}

/** The bytes before a private key of X25519 in PKCS #8. Source: RFC 8410, section 7. */
const pkcs8Head = '302e020100300506032b656e04220420'

function publicKeyOf(privateKey: string): string {
  const key = Buffer.concat([Buffer.from(pkcs8Head, 'hex'), Buffer.from(privateKey, 'base64')])
  const { x = '' } = createPublicKey(createPrivateKey({ key, format: 'der', type: 'pkcs8' })).export({ format: 'jwk' })
  return Buffer.from(x, 'base64url').toString('base64')
}

/** The peers of a node, and the names of nodes that cannot be reached for want of a key. Pure. */
export function planPeers(nodes: readonly Node[], self: string): { peers: Peer[]; silent: string[] } {
  const taken = new Set<string>()
  const peers: Peer[] = []
  const silent: string[] = []
  // Names decide between nodes of one age, so that all nodes decide alike.
  const order = ({ metadata }: Node) => `${metadata.creationTimestamp ?? ''} ${metadata.name ?? ''}`
  for (const node of [...nodes].sort((a, b) => (order(a) < order(b) ? -1 : 1))) {
    const { name = '' } = node.metadata
    const key = encryptionOf(node)
    const isFirst = key !== undefined && !taken.has(key.publicKey)
    if (key) taken.add(key.publicKey)
    if (name === self) continue
    const ranges = (node.spec.podCIDRs ?? []).filter(range => parseCidr(range))
    const address = node.status.addresses?.find(a => a.type === 'InternalIP' && ipFamily(a.address))?.address
    if (!ranges.length || !address) continue
    if (key && isFirst) peers.push({ ...key, address, ranges })
    else silent.push(name)
  }
  return { peers: peers.sort((a, b) => (a.publicKey < b.publicKey ? -1 : 1)), silent: silent.sort() }
}

/** The configuration of the device, as wg(8) reads it. All that is written has been parsed. Pure. */
export function configText({ privateKey, port }: Pick<OwnKey, 'privateKey' | 'port'>, peers: readonly Peer[]): string {
  const sections = peers.map(
    peer => `
[Peer]
PublicKey = ${peer.publicKey}
Endpoint = ${peer.address.includes(':') ? `[${peer.address}]` : peer.address}:${peer.port}
AllowedIPs = ${peer.ranges.join(', ')}
`,
  )
  return `[Interface]\nPrivateKey = ${privateKey}\nListenPort = ${port}\n${sections.join('')}`
}

interface DeviceOptions {
  link: string
  /** Where the key and the log are. */
  dir: string
  key: OwnKey
  peers: readonly Peer[]
  /** The addresses of the device: the first of each of the node's ranges, which no pod has. */
  addresses: readonly string[]
  /** The links by which the peers are reached. */
  uplinks: readonly string[]
  log: Log
}

/** Keeps the device as it should be, and its peers. */
export class Device {
  /** The configuration that it has. */
  #text = ''

  /** Creates the device or corrects it. May be repeated at any time. */
  async ensure({ link, dir, key, peers, addresses, uplinks, log }: DeviceOptions): Promise<void> {
    const ip = makeIp()
    if (!(await hasLink(link))) {
      await create(link, dir, log)
      this.#text = ''
    }
    const text = configText(key, peers)
    if (text !== this.#text) {
      const file = join(dir, 'wireguard.conf')
      await replaceFile(file, text, { mode: 0o600 })
      // Sessions with peers that stay go on.
      await run('wg', ['syncconf', link, file])
      this.#text = text
    }
    const links = await ip.links()
    const mtus = links.filter(({ name }) => uplinks.includes(name)).map(({ mtu }) => mtu)
    const mtu = Math.min(defaultMtu, ...mtus) - overheadBytes
    const present = links.find(({ name }) => name === link)
    const has = (await ip.addresses()).filter(one => one.link === link).map(({ address }) => address)
    await ip.batch([
      // Packets whose source is replaced get these addresses, so that the answers come back.
      ...addresses
        .filter(address => !has.includes(address))
        .map(
          address =>
            `address add ${address}/${address.includes(':') ? '128' : '32'} dev ${link}${address.includes(':') ? ' nodad' : ''}`,
        ),
      ...(present?.mtu === mtu && present.up ? [] : [`link set dev ${link} mtu ${mtu} up`]),
    ])
  }
}

/** Creates the device: the kernel's, or one in user space. */
async function create(link: string, dir: string, log: Log): Promise<void> {
  if (await kernelHas(link)) return
  await rm(socketOf(link), { force: true })
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const out = openSync(join(dir, 'wireguard.log'), 'a', 0o600)
  try {
    const child = spawn('wireguard-go', ['-f', link], {
      detached: true,
      cwd: '/',
      stdio: ['ignore', out, out],
      env: { ...process.env, WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD: '1' },
    })
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', cause => reject(new Error(noWireguard, { cause })))
    })
    child.unref()
    log.info('WireGuard runs in user space', { pid: child.pid, link })
  } finally {
    closeSync(out)
  }
  for (let waitedMs = 0; !(await hasLink(link)) || !existsSync(socketOf(link)); waitedMs += lookMs) {
    if (waitedMs > programMs) throw new Error(`wireguard-go does not start; see ${join(dir, 'wireguard.log')}`)
    await realClock.sleep(lookMs)
  }
  await makeIp().batch([`link set dev ${link} addrgenmode none`])
}

async function kernelHas(link: string): Promise<boolean> {
  try {
    await makeIp().batch([`link add name ${link} type wireguard`, `link set dev ${link} addrgenmode none`])
    return true
  } catch {
    // Another error would be one of the device in user space, too.
    return false
  }
}

/** Where wg(8) looks for a device in user space. */
const socketOf = (link: string): string => `/var/run/wireguard/${link}.sock`

/** Whether a device is the one with this name, or one of all those of a cluster. */
const isOf = (link: string, name: string): boolean =>
  link === name || (name.endsWith('w') && link.startsWith(name) && /^\d+$/.test(link.slice(name.length)))

/** Removes a device, or all of a cluster, in this network namespace, and the processes of those in user space. */
export async function removeWireguard(name: string): Promise<void> {
  const ip = makeIp()
  const links = (await ip.links()).filter(link => isOf(link.name, name))
  await ip.batch(links.map(({ name }) => `link delete dev ${name}`))
  for (const { pid, link } of await wireguardProcesses(name)) {
    sendSignal(pid, 'SIGKILL')
    await rm(socketOf(link), { force: true })
  }
}

/** The process of a device in user space, or of all of a cluster, in whatever network namespace they are. */
export async function wireguardProcesses(name: string): Promise<{ pid: number; link: string }[]> {
  return (await commandLines()).flatMap(({ pid, words }) => {
    const [program = '', , link = ''] = words
    return basename(program) === 'wireguard-go' && isOf(link, name) ? [{ pid, link }] : []
  })
}

const noWireguard =
  'encryption between nodes requires WireGuard, which this kernel does not have; use another kernel, or its implementation in user space: apt-get install wireguard-go wireguard-tools'

/** Why this machine cannot encrypt, in one sentence; undefined when it can. */
export async function wireguardProblem(): Promise<string | undefined> {
  const has = async (program: string) =>
    (await run('sh', ['-c', `command -v ${program}`], { accept: 'any' })).code === 0
  if (!(await has('wg')))
    return 'encryption between nodes requires the program wg; install it with: apt-get install wireguard-tools'
  const probe = `ktwgprobe${process.pid % 1_000}`
  if (await kernelHas(probe)) {
    await removeWireguard(probe)
    return undefined
  }
  return (await has('wireguard-go')) && existsSync('/dev/net/tun') ? undefined : noWireguard
}
