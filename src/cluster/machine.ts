// What this machine is: its addresses, what is installed on it, what it can do.
import { existsSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { createServer } from 'node:net'
import { delimiter, join } from 'node:path'

/** IPv4 addresses of the machine that others can reach, the most usual first. */
export function hostAddresses(): string[] {
  const all = Object.entries(networkInterfaces()).flatMap(([name, addresses]) =>
    (addresses ?? []).map(a => ({ name, ...a })),
  )
  return all
    .filter(a => a.family === 'IPv4' && !a.internal && !/^(kt|veth|cni|docker|br-)/.test(a.name))
    .map(a => a.address)
}

/** A program a node needs, and the Debian package that has it. */
const programs: readonly { program: string; package: string; path?: string }[] = [
  { program: 'containerd', package: 'containerd' },
  { program: 'runc', package: 'runc' },
  { program: 'bridge', package: 'containernetworking-plugins', path: '/usr/lib/cni' },
  { program: 'nft', package: 'nftables' },
  { program: 'ip', package: 'iproute2' },
  { program: 'catatonit', package: 'catatonit' },
  { program: 'conntrack', package: 'conntrack' },
]

const searchPath = () => [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin']

/** Debian packages that are missing. */
export function missingPackages(): string[] {
  const missing = programs.filter(
    ({ program, path }) => !(path ? [path] : searchPath()).some(dir => existsSync(join(dir, program))),
  )
  // The package catatonit has its program in a directory of its own on some releases.
  return [...new Set(missing.map(m => m.package))]
}

/** One sentence about why a cluster cannot run here, or undefined. */
export function machineProblem(): string | undefined {
  if (process.platform !== 'linux') return `kutter runs containers, which needs Linux; this is ${process.platform}`
  if (process.getuid?.() !== 0)
    return 'kutter starts containers and sets up networks, which only root may do; run it with sudo'
  return undefined
}

/** Whether a TCP port can be listened on. */
export function portFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '0.0.0.0', () => server.close(() => resolve(true)))
  })
}

const minFreeBytes = 200 * 1024 * 1024

/** With less than this a write may fail any moment. */
const minWritableBytes = 16 * 1024 * 1024

/** One sentence when the file system of a directory is too full to start on. */
export async function diskProblem(dir: string): Promise<string | undefined> {
  const free = await freeBytes(dir)
  return free < minFreeBytes
    ? `the disk of ${dir} is full: ${mebibytes(free)} are free, kutter needs ${mebibytes(minFreeBytes)}`
    : undefined
}

/** One sentence when there is no room for what a running cluster writes. */
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
