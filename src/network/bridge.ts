// Creates and removes the bridge of a node's pods, the kernel settings that pod traffic needs, and the CNI
// configuration that containerd reads.
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { replaceFile } from '../base/files.ts'
import type { Log } from '../base/log.ts'
import { makeIp, setKernel } from '../linux/index.ts'
import { gatewayOf, podNetworkText } from './cni.ts'

interface PodNetworkOptions {
  bridge: string
  podCidr: string
  /** The directory in which containerd looks for network configurations. */
  confDir: string
  stateDir: string
}

const confFile = '10-kutter.conflist'
const defaultMtu = 1500

/** Creates the bridge, or corrects it. May be repeated at any time. Returns its address and its MTU. */
export async function makeBridge(
  { bridge, podCidr }: Pick<PodNetworkOptions, 'bridge' | 'podCidr'>,
  log: Log,
): Promise<{ address: string; mtu: number }> {
  const gateway = gatewayOf(podCidr)
  const ip = makeIp()
  const links = await ip.links()
  // The MTU is the smallest of the machine's uplinks, so that packets of pods fit them.
  const uplinks = links.filter(
    link =>
      link.name !== 'lo' &&
      link.name !== bridge &&
      link.up &&
      // In a namespace or a container the uplink is a veth that belongs to no bridge.
      (link.kind === '' || link.kind === 'veth') &&
      link.master === '' &&
      !/^(veth|kt|docker|br-|cni)/.test(link.name),
  )
  const mtu = Math.min(defaultMtu, ...uplinks.map(link => link.mtu))
  if (!links.some(link => link.name === bridge)) await ip.batch([`link add name ${bridge} type bridge`])
  // A node that was deleted and registered again has another range, and the bridge plugin fails on a second address.
  const old = (await ip.addresses()).filter(a => a.link === bridge && a.family === 'inet' && a.address !== gateway)
  await ip.batch([
    ...old.map(a => `address delete ${a.address}/${a.prefixLength} dev ${bridge}`),
    `address replace ${gateway}/${podCidr.split('/')[1]} dev ${bridge}`,
    `link set dev ${bridge} mtu ${mtu} up`,
  ])
  await setKernel('net/ipv4/ip_forward', '1', log)
  // Lets NodePorts on 127.0.0.1 lead to pods. The proxy's table drops packets to 127/8 that come in over the bridge.
  await setKernel(`net/ipv4/conf/${bridge}/route_localnet`, '1', log)
  // Replies between two pods of one bridge must pass the address translation as well.
  await setKernel('net/bridge/bridge-nf-call-iptables', '1', log)
  return { address: gateway, mtu }
}

/** Writes the CNI configuration. Once containerd has read it, the network is ready and pods can start. */
export async function announceNetwork(
  { bridge, podCidr, confDir, stateDir }: PodNetworkOptions,
  mtu: number,
): Promise<void> {
  await mkdir(confDir, { recursive: true })
  await mkdir(stateDir, { recursive: true })
  const text = podNetworkText({ bridge, podCidr, stateDir, mtu })
  const file = join(confDir, confFile)
  if ((await readFile(file, 'utf8').catch(() => '')) !== text) await replaceFile(file, text)
}

/** Removes the bridge, the CNI configuration and the record of assigned addresses. */
export async function stopPodNetwork({ bridge, confDir, stateDir }: Omit<PodNetworkOptions, 'podCidr'>): Promise<void> {
  const ip = makeIp()
  if ((await ip.links()).some(link => link.name === bridge)) await ip.batch([`link delete dev ${bridge}`])
  await rm(join(confDir, confFile), { force: true })
  await rm(stateDir, { recursive: true, force: true })
}
