// What of this machine's firewall and kernel settings is in the way of pods, each with the one line that mends it.
import { readFile } from 'node:fs/promises'
import { run } from '../linux/index.ts'

interface Chain {
  family: string
  table: string
  hook?: string
  policy?: string
}

/** What is known of the machine. Missing programs and files leave a part empty. */
export interface FirewallFacts {
  /** The chains of nftables, those of iptables-nft among them. */
  chains: readonly Chain[]
  /** The output of `iptables-legacy -S`. */
  legacy: string
  /** The content of /etc/ufw/ufw.conf. */
  ufw: string
  /** Kernel settings by their path below /proc/sys. */
  settings: ReadonlyMap<string, string>
}

interface Obstacle {
  what: string
  mend: string
}

const [forwarding, forwarding6] = ['net/ipv4/ip_forward', 'net/ipv6/conf/all/forwarding']
const reversePath = 'net/ipv4/conf/all/rp_filter'
const settingPaths = [forwarding, forwarding6, reversePath] as const

/** What is in the way. `podCidr` and `serviceCidr` are those of the default cluster. Pure. */
export function obstaclesOf({ chains, legacy, ufw, settings }: FirewallFacts, podCidr = '10.244.0.0/16'): Obstacle[] {
  const found: Obstacle[] = []
  const isManaged = { firewalld: chains.some(({ table }) => table === 'firewalld'), ufw: /^ENABLED=yes/im.test(ufw) }
  if (isManaged.firewalld)
    found.push({
      what: 'firewalld is active and drops packets of pods and Services',
      mend: `firewall-cmd --permanent --zone=trusted --add-source=${podCidr} && firewall-cmd --permanent --add-port={6443,10250}/tcp --add-port=8472/udp && firewall-cmd --reload`,
    })
  if (isManaged.ufw)
    found.push({
      what: 'ufw is active and drops packets of pods and Services',
      mend: `ufw default allow routed && ufw allow from ${podCidr} && ufw allow 6443,10250/tcp && ufw allow 8472/udp`,
    })
  const drops = (hook: string) =>
    chains.some(chain => chain.hook === hook && chain.policy === 'drop' && chain.table !== 'firewalld') ||
    new RegExp(`^-P ${hook.toUpperCase()} DROP`, 'm').test(legacy)
  if (!isManaged.ufw && drops('forward'))
    found.push({
      what: 'the firewall drops packets between links, and with them those between pods and other nodes',
      mend: 'iptables -P FORWARD ACCEPT',
    })
  if (!isManaged.ufw && drops('input'))
    found.push({
      what: 'the firewall drops packets to this machine, and with them those of pods to DNS and the API server',
      mend: `iptables -I INPUT -s ${podCidr} -j ACCEPT`,
    })
  if (settings.get(reversePath) === '1')
    found.push({
      what: 'the kernel drops packets that come in by another link than answers would leave by (rp_filter is 1)',
      mend: `sysctl -w ${reversePath.replaceAll('/', '.')}=2`,
    })
  return found
}

/** What `kutter up` sets by itself, and something else may take back. Pure. */
export const settingsToBeMade = ({ settings }: FirewallFacts): string[] =>
  [forwarding, forwarding6].filter(path => settings.get(path) === '0').map(path => path.replaceAll('/', '.'))

/** Reads the facts. Never throws. */
export async function readFirewall(): Promise<FirewallFacts> {
  const quiet = async (program: string, ...args: string[]) =>
    (await run(program, args, { accept: 'any' }).catch(() => undefined))?.stdout ?? ''
  const text = (path: string) => readFile(path, 'utf8').catch(() => '')
  const settings = await Promise.all(
    settingPaths.map(async path => [path, (await text(`/proc/sys/${path}`)).trim()] as const),
  )
  return {
    chains: chainsOf(await quiet('nft', '-j', 'list', 'chains')),
    legacy: await quiet('iptables-legacy', '-S'),
    ufw: await text('/etc/ufw/ufw.conf'),
    settings: new Map(settings),
  }
}

/** The chains in the output of `nft -j list chains`; none when it is something else. */
export function chainsOf(json: string): Chain[] {
  try {
    const { nftables } = JSON.parse(json) as { nftables: { chain?: Chain }[] }
    return nftables.flatMap(({ chain }) => chain ?? [])
  } catch {
    return []
  }
}
