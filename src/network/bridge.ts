// Creates and removes the bridge of a node's pods, the kernel settings that pod traffic needs, and the CNI
// configuration that containerd reads.
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { replaceFile } from '../base/files.ts'
import type { Log } from '../base/log.ts'
import { familiesOf, parseCidr } from '../api/ip.ts'
import { type Link, makeIp, setKernel } from '../linux/index.ts'
import { gatewayOf, podNetworkText } from './cni.ts'
import { macOf } from './mac.ts'

interface PodNetworkOptions {
  bridge: string
  /** The node's ranges of pod addresses, at most one of each family. */
  podCidrs: readonly string[]
  /** The directory in which containerd looks for network configurations. */
  confDir: string
  stateDir: string
}

const confFile = '10-kutter.conflist'
const defaultMtu = 1500

/** Creates the bridge, or corrects it. May be repeated at any time. Returns its addresses and its MTU. */
export async function makeBridge(
  { bridge, podCidrs }: Pick<PodNetworkOptions, 'bridge' | 'podCidrs'>,
  log: Log,
): Promise<{ addresses: string[]; mtu: number }> {
  const gateways = podCidrs.map(gatewayOf)
  const ip = makeIp()
  const links = await ip.links()
  const mtu = Math.min(defaultMtu, ...uplinksOf(links, bridge).map(link => link.mtu))
  const present = links.find(link => link.name === bridge)
  if (!present) await ip.batch([`link add name ${bridge} type bridge`])
  // Otherwise the bridge takes the lowest address among its links, and whenever that comes or goes, pods send to the wrong
  // one for some seconds.
  const mac = macOf('0e:4b', gateways[0] ?? '')
  if (present?.mac !== mac) await ip.batch([`link set dev ${bridge} address ${mac}`])
  // A node that was deleted and registered again has another range, and the bridge plugin fails on a second address.
  const old = (await ip.addresses()).filter(
    a => a.link === bridge && a.scope === 'global' && !gateways.includes(a.address) && a.prefixLength < 128,
  )
  await ip.batch([
    ...old.map(a => `address delete ${a.address}/${a.prefixLength} dev ${bridge}`),
    // An address of IPv6 must be good at once, since DNS listens on it.
    ...podCidrs.map(
      (range, i) => `address replace ${gateways[i]}/${range.split('/')[1]} dev ${bridge} ${flagsOf(range)}`,
    ),
    `link set dev ${bridge} mtu ${mtu} up`,
  ])
  const families = familiesOf(podCidrs)
  if (families.includes(4)) await forwardIPv4(bridge, log)
  if (families.includes(6)) await forwardIPv6(uplinksOf(links, bridge), log)
  return { addresses: gateways, mtu }
}

/** Links to other machines. The smallest of their MTUs is that of pods, so that packets of pods fit them. */
const uplinksOf = (links: readonly Link[], bridge: string) =>
  links.filter(
    link =>
      link.name !== 'lo' &&
      link.name !== bridge &&
      link.up &&
      // In a namespace or a container the uplink is a veth that belongs to no bridge.
      (link.kind === '' || link.kind === 'veth') &&
      link.master === '' &&
      !/^(veth|kt|docker|br-|cni)/.test(link.name),
  )

const flagsOf = (range: string) => (parseCidr(range)?.family === 6 ? 'nodad' : '')

async function forwardIPv4(bridge: string, log: Log): Promise<void> {
  await setKernel('net/ipv4/ip_forward', '1', log)
  // Lets NodePorts on 127.0.0.1 lead to pods. The proxy's table drops packets to 127/8 that come in over the bridge.
  await setKernel(`net/ipv4/conf/${bridge}/route_localnet`, '1', log)
  // Replies between two pods of one bridge must pass the address translation as well.
  await setKernel('net/bridge/bridge-nf-call-iptables', '1', log)
}

async function forwardIPv6(uplinks: readonly Link[], log: Log): Promise<void> {
  // A router does not take its own routes from other routers, unless it is set so.
  for (const { name } of uplinks) {
    const setting = `net/ipv6/conf/${name}/accept_ra`
    if ((await readFile(`/proc/sys/${setting}`, 'utf8').catch(() => '')).trim() === '1')
      await setKernel(setting, '2', log)
  }
  await setKernel('net/ipv6/conf/all/forwarding', '1', log)
  await setKernel('net/bridge/bridge-nf-call-ip6tables', '1', log)
}

/** Writes the CNI configuration. Once containerd has read it, the network is ready and pods can start. */
export async function announceNetwork(
  { bridge, podCidrs, confDir, stateDir }: PodNetworkOptions,
  mtu: number,
): Promise<void> {
  await mkdir(confDir, { recursive: true })
  await mkdir(stateDir, { recursive: true })
  const text = podNetworkText({ bridge, podCidrs, stateDir, mtu })
  const file = join(confDir, confFile)
  if ((await readFile(file, 'utf8').catch(() => '')) !== text) await replaceFile(file, text, { mode: 0o600 })
}

/** Removes the bridge, the CNI configuration and the record of assigned addresses. */
export async function stopPodNetwork({
  bridge,
  confDir,
  stateDir,
}: Omit<PodNetworkOptions, 'podCidrs'>): Promise<void> {
  const ip = makeIp()
  if ((await ip.links()).some(link => link.name === bridge)) await ip.batch([`link delete dev ${bridge}`])
  await rm(join(confDir, confFile), { force: true })
  await rm(stateDir, { recursive: true, force: true })
}
