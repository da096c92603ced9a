// Makes and removes the bridge, and the kernel settings pod traffic needs.
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../base/log.ts'
import { makeIp, setKernel } from '../linux/index.ts'
import { gatewayOf, podNetworkText } from './cni.ts'

interface PodNetworkOptions {
  bridge: string
  podCidr: string
  /** Where containerd looks for network configurations. */
  confDir: string
  stateDir: string
}

const confFile = '10-kutter.conflist'
const defaultMtu = 1500

/** Makes the bridge; may be called again at any time. Returns its address, and how long packets may be. */
export async function makeBridge(
  { bridge, podCidr }: Pick<PodNetworkOptions, 'bridge' | 'podCidr'>,
  log: Log,
): Promise<{ address: string; mtu: number }> {
  const gateway = gatewayOf(podCidr)
  const ip = makeIp()
  const links = await ip.links()
  // Packets of pods must fit what carries them out of the machine.
  const uplinks = links.filter(
    link =>
      link.name !== 'lo' &&
      link.name !== bridge &&
      link.up &&
      // A veth that is on no bridge of this namespace is how a namespace or a container reaches the world.
      (link.kind === '' || link.kind === 'veth') &&
      link.master === '' &&
      !/^(veth|kt|docker|br-|cni)/.test(link.name),
  )
  const mtu = Math.min(defaultMtu, ...uplinks.map(link => link.mtu))
  if (!links.some(link => link.name === bridge)) await ip.batch([`link add name ${bridge} type bridge`])
  // A node that was deleted and registers again has another range: with two addresses the bridge plugin gives up.
  const old = (await ip.addresses()).filter(a => a.link === bridge && a.family === 'inet' && a.address !== gateway)
  await ip.batch([
    ...old.map(a => `address delete ${a.address}/${a.prefixLength} dev ${bridge}`),
    `address replace ${gateway}/${podCidr.split('/')[1]} dev ${bridge}`,
    `link set dev ${bridge} mtu ${mtu} up`,
  ])
  await setKernel('net/ipv4/ip_forward', '1', log)
  // NodePorts on 127.0.0.1 leave through the bridge; the proxy's table drops what comes in this way for 127/8.
  await setKernel(`net/ipv4/conf/${bridge}/route_localnet`, '1', log)
  // A reply between two pods of this bridge must pass the address translation, too.
  await setKernel('net/bridge/bridge-nf-call-iptables', '1', log)
  return { address: gateway, mtu }
}

/** Tells containerd of the network: from then on the node is ready for pods. */
export async function announceNetwork(
  { bridge, podCidr, confDir, stateDir }: PodNetworkOptions,
  mtu: number,
): Promise<void> {
  await mkdir(confDir, { recursive: true })
  await mkdir(stateDir, { recursive: true })
  const text = podNetworkText({ bridge, podCidr, stateDir, mtu })
  const file = join(confDir, confFile)
  if ((await readFile(file, 'utf8').catch(() => '')) !== text) {
    await writeFile(`${file}.new`, text)
    await rename(`${file}.new`, file)
  }
}

/** Removes the bridge and the addresses handed out. */
export async function stopPodNetwork({ bridge, confDir, stateDir }: Omit<PodNetworkOptions, 'podCidr'>): Promise<void> {
  const ip = makeIp()
  if ((await ip.links()).some(link => link.name === bridge)) await ip.batch([`link delete dev ${bridge}`])
  await rm(join(confDir, confFile), { force: true })
  await rm(stateDir, { recursive: true, force: true })
}
