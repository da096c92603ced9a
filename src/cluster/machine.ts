// Facts about this machine that decide whether it can run a cluster: addresses, installed programs, ports, free disk.
import { existsSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { delimiter, join } from 'node:path'

/**
 * The machine's addresses of a family that others can reach, in the kernel's order: without loopback, bridges and pod
 * links, and without IPv6 addresses that are good only on their link.
 */
export function hostAddresses(family: 4 | 6): string[] {
  const all = Object.entries(networkInterfaces()).flatMap(([name, addresses]) =>
    (addresses ?? []).map(a => ({ name, ...a })),
  )
  return (
    all
      .filter(a => a.family === `IPv${family}` && !a.internal && !/^(kt|veth|cni|docker|br-)/.test(a.name))
      // Those of load balancers are without a network, and the kernel lists the newest one of IPv6 first.
      .sort((one, other) => Number(isSingle(one.cidr)) - Number(isSingle(other.cidr)))
      .map(a => a.address)
      .filter(address => !/^fe[89ab]/i.test(address))
  )
}

const isSingle = (cidr: string | null) => /\/(32|128)$/.test(cidr ?? '')

/** The programs that a node runs, and the Debian package of each. */
const programs: readonly { program: string; package: string; path?: string }[] = [
  { program: 'containerd', package: 'containerd' },
  { program: 'runc', package: 'runc' },
  { program: 'bridge', package: 'containernetworking-plugins', path: '/usr/lib/cni' },
  { program: 'nft', package: 'nftables' },
  { program: 'ip', package: 'iproute2' },
  { program: 'catatonit', package: 'catatonit' },
  { program: 'conntrack', package: 'conntrack' },
  { program: 'haproxy', package: 'haproxy' },
  { program: 'arping', package: 'iputils-arping' },
]

const searchPath = () => [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin']

/** The program that a server runs in addition where the cluster has an etcd of its own. */
const etcdProgram = { program: 'etcd', package: 'etcd-server' } as const

/** The Debian packages of all programs that are not installed. */
export function missingPackages({ etcd = false } = {}): string[] {
  const missing = [...programs, ...(etcd ? [{ ...etcdProgram, path: undefined }] : [])].filter(
    ({ program, path }) => !(path ? [path] : searchPath()).some(dir => existsSync(join(dir, program))),
  )
  return [...new Set(missing.map(m => m.package))]
}

/** Why no cluster can run on this machine, in one sentence; undefined when one can. */
export function machineProblem(): string | undefined {
  if (process.platform !== 'linux') return `kutter requires Linux to run containers; this is ${process.platform}`
  if (process.getuid?.() !== 0)
    return 'kutter starts containers and configures networks, which only root may do; run it with sudo'
  return undefined
}

const minFreeBytes = 200 * 1024 * 1024

/** With less than this, a write may fail at any moment. */
const minWritableBytes = 16 * 1024 * 1024

/**
 * Why a cluster cannot start in a directory, in one sentence: its file system is too full. Undefined when it is not.
 */
export async function diskProblem(dir: string): Promise<string | undefined> {
  const free = await freeBytes(dir)
  return free < minFreeBytes
    ? `the disk of ${dir} is full: ${mebibytes(free)} are free, and kutter requires ${mebibytes(minFreeBytes)}`
    : undefined
}

/** Why a running cluster cannot store anything more, in one sentence; undefined when it can. */
export async function fullDisk(dir: string): Promise<string | undefined> {
  const free = await freeBytes(dir)
  return free < minWritableBytes
    ? `the disk of ${dir} is full: ${mebibytes(free)} are free, and nothing more can be stored`
    : undefined
}

const mebibytes = (bytes: number) => `${Math.floor(bytes / 1024 / 1024)} MiB`

async function freeBytes(dir: string): Promise<number> {
  let existing = dir
  while (!existsSync(existing)) existing = join(existing, '..')
  const { bavail, bsize } = await statfs(existing)
  return bavail * bsize
}
