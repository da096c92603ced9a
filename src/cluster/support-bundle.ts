// `kutter support-bundle [FILE]`: what somebody needs who is to find out what is wrong with a cluster, in one file: its
// status and settings, the ends of its logs, what the machine has, and all objects but Secrets. It has no keys.
import { createWriteStream, existsSync } from 'node:fs'
import { open, readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { pack, type Pack } from 'tar-stream'
import { realClock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import { timeText } from '../api/time.ts'
import { run } from '../linux/index.ts'
import { type Admin, adminOf } from './admin.ts'
import type { ClusterConfig, ClusterPaths } from './config.ts'
import { listSnapshots } from './snapshots.ts'
import { status } from './status.ts'

interface Context {
  paths: ClusterPaths
  name: string
  config: ClusterConfig
  out: (text: string) => void
}

/** Of each log the end is enough, and of each resource so many objects. */
const maxLogBytes = 4 << 20
const maxObjectsBytes = 64 << 20

/** Commands that show what a cluster has on the machine. One that fails is part of the answer. */
const machine: Readonly<Record<string, readonly string[]>> = {
  uname: ['uname', '-a'],
  memory: ['free', '-m'],
  disks: ['df', '-h'],
  links: ['ip', 'address'],
  routes: ['ip', 'route', 'show', 'table', 'all'],
  nft: ['nft', 'list', 'tables'],
  packages: ['dpkg-query', '-W', 'containerd', 'runc', 'nftables', 'haproxy'],
}

export async function supportBundle([file]: readonly string[], context: Context): Promise<number> {
  const { paths, name, out } = context
  const target = resolve(file ?? `kutter-support-${name}-${timeText(realClock.now()).replaceAll(/[-:]/g, '')}.tar.gz`)
  const archive = pack()
  const written = pipeline(archive, createGzip(), createWriteStream(target, { mode: 0o600 }))
  await add(archive, 'status.json', () => statusOf(paths, name))
  await add(archive, 'cluster.json', () => readFile(paths.config, 'utf8'))
  await add(archive, 'snapshots.json', async () => JSON.stringify(await listSnapshots(paths.snapshots), null, 2))
  for (const [what, [program = '', ...args]] of Object.entries(machine))
    await add(archive, `machine/${what}.txt`, async () => (await run(program, args, { timeoutMs: 10_000 })).stdout)
  await addLogs(archive, paths.logs)
  await addObjects(archive, context)
  archive.finalize()
  await written
  out(`${target}\nIt has logs and all objects but Secrets: look through it before you hand it on.\n`)
  return 0
}

async function statusOf(paths: ClusterPaths, name: string): Promise<string> {
  let text = ''
  await status(paths, name, true, part => (text += part))
  return text
}

/** Adds a file. When its content cannot be had, the reason stands in its place. */
async function add(archive: Pack, name: string, content: () => Promise<string>): Promise<void> {
  let text: string
  try {
    text = await content()
  } catch (error) {
    text = `cannot be read: ${messageOf(error)}\n`
  }
  archive.entry({ name, mode: 0o600 }, text)
}

async function addLogs(archive: Pack, directory: string): Promise<void> {
  if (!existsSync(directory)) return
  const files = (await readdir(directory, { recursive: true, withFileTypes: true })).filter(entry => entry.isFile())
  for (const entry of files) {
    const path = join(entry.parentPath, entry.name)
    // Requests of users are in the audit log, which belongs to the auditor.
    if (entry.name.startsWith('audit')) continue
    await add(archive, `logs/${path.slice(directory.length + 1)}`, () => endOf(path))
  }
}

async function endOf(path: string): Promise<string> {
  const file = await open(path)
  try {
    const { size } = await file.stat()
    const length = Math.min(size, maxLogBytes)
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length)
    return buffer.toString()
  } finally {
    await file.close()
  }
}

interface ResourceList {
  resources: { name: string; verbs: string[] }[]
}

async function addObjects(archive: Pack, { paths, config }: Context): Promise<void> {
  let admin: Admin | undefined
  try {
    admin = await adminOf(paths, config)
    let left = maxObjectsBytes
    for (const { path, name } of await resourcesOf(admin)) {
      if (left <= 0) break
      await add(archive, `objects/${name}.json`, async () => {
        const text = await admin!.fetch(path)
        left -= text.length
        return text
      })
    }
  } catch (error) {
    await add(archive, 'objects/none.txt', () => Promise.reject(error as Error))
  } finally {
    admin?.close()
  }
}

/** Every resource that can be listed, in its preferred version, but for Secrets. */
async function resourcesOf({ fetch }: Admin): Promise<{ path: string; name: string }[]> {
  const { groups } = JSON.parse(await fetch('/apis')) as {
    groups: { name: string; preferredVersion: { groupVersion: string } }[]
  }
  const places = [
    { base: '/api/v1', group: 'core' },
    ...groups.map(({ name, preferredVersion }) => ({ base: `/apis/${preferredVersion.groupVersion}`, group: name })),
  ]
  const lists = await Promise.all(
    places.map(async ({ base, group }) => {
      const { resources } = JSON.parse(await fetch(base)) as ResourceList
      return resources
        .filter(({ name, verbs }) => !name.includes('/') && verbs.includes('list') && name !== 'secrets')
        .map(({ name }) => ({ path: `${base}/${name}`, name: `${group}/${name}` }))
    }),
  )
  return lists.flat()
}
