// `kutter image build DIR… | import FILE… | list`: puts images on the nodes of this machine without a registry, and
// lists those they have.
import { existsSync } from 'node:fs'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { buildImage, listImages, loadArchive, pinsFileFor } from '../images/index.ts'
import { containerdPaths } from '../kubelet/containerd/index.ts'
import { UsageError } from './args.ts'
import type { ClusterConfig, ClusterPaths } from './config.ts'
import { commandLine } from './hint.ts'
import { nodeDirs } from './node-names.ts'

interface Context {
  paths: ClusterPaths
  config: ClusterConfig
  out: (text: string) => void
}

export async function imageCommand(words: readonly string[], context: Context): Promise<number> {
  const [action, ...names] = words
  switch (action) {
    case 'build':
      if (!names.length)
        throw new UsageError('kutter image build requires a directory with an image.json or image.yaml')
      for (const dir of names) await build(resolve(dir), context)
      return 0
    case 'import':
      if (!names.length)
        throw new UsageError('kutter image import requires an archive, as written by docker save or in OCI layout')
      for (const file of names) await load(resolve(file), context)
      return 0
    case 'list':
      return list(context)
    default:
      throw new UsageError('kutter image requires one of: build, import, list')
  }
}

async function build(dir: string, context: Context): Promise<void> {
  const { paths, out } = context
  await mkdir(paths.debs, { recursive: true })
  const file = join(paths.debs, `${basename(dir)}-${process.pid}.tar`)
  try {
    const { names } = await buildImage(dir, file, { cacheDir: paths.debs })
    out(`built ${names.join(', ')}\n`)
    await load(file, context)
  } finally {
    await rm(file, { force: true })
  }
}

async function load(file: string, context: Context): Promise<void> {
  if (!existsSync(file)) throw new UsageError(`${file} does not exist`)
  await Promise.all(
    (await stores(context)).map(async ({ node, store }) => {
      const { names } = await loadArchive(file, store)
      context.out(`loaded ${names.join(', ')} into ${node}\n`)
    }),
  )
}

async function list(context: Context): Promise<number> {
  for (const { node, store } of await stores(context)) {
    for (const image of await listImages(store))
      context.out(`${node}  ${image.name}  ${image.size}${image.pinned ? '  pinned' : ''}\n`)
  }
  return 0
}

async function stores({ paths, config }: Context) {
  const agents = join(paths.root, 'agents')
  const nodes = existsSync(agents) ? await readdir(agents) : []
  const found = nodes.flatMap(node => {
    const { socket } = containerdPaths(nodeDirs(paths.node(node)).containerd)
    return existsSync(socket) ? [{ node, store: { socket, pinsFile: pinsFileFor(socket) } }] : []
  })
  if (!found.length)
    throw new UsageError(
      `the cluster ${config.name} has no running node on this machine; start it with: ${commandLine('kutter', 'up', paths)}`,
    )
  return found
}
