// Keeps the logs of a cluster's processes bounded. The processes write to a file that is open for appending, so a log that
// is large is copied and emptied, and they go on writing at its beginning. What is written between the copy and the
// emptying is lost. Source: logrotate(8), copytruncate.
import { copyFile, readdir, rename, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { whenThere } from '../base/files.ts'
import type { ClusterPaths } from './config.ts'
import { nodeDirs } from './node-names.ts'

/** As kubelets do with those of containers (containerLogMaxSize, containerLogMaxFiles). */
const logLimits = { maxBytes: 10 << 20, kept: 4 }

/** Makes room in every log of a cluster that is larger than `maxBytes`, and keeps `kept` former parts of it. */
export async function rotateLogs(paths: ClusterPaths, { maxBytes, kept } = logLimits): Promise<string[]> {
  const large: string[] = []
  for (const file of await logFiles(paths)) {
    const size = (await whenThere(() => stat(file), undefined))?.size ?? 0
    if (size <= maxBytes) continue
    for (let number = kept - 1; number > 0; number--)
      await whenThere(() => rename(`${file}.${number}`, `${file}.${number + 1}`), undefined)
    await copyFile(file, `${file}.1`)
    await truncate(file)
    large.push(file)
  }
  return large
}

/** The logs of processes. That of the audit is divided by the server itself. */
async function logFiles(paths: ClusterPaths): Promise<string[]> {
  const nodes = await whenThere(() => readdir(join(paths.root, 'agents')), [])
  const directories = nodes.flatMap(node => {
    const { containerd, ingress, gateway, wireguard } = nodeDirs(paths.node(node))
    return [containerd, ingress, gateway, wireguard]
  })
  const found = await Promise.all(
    [paths.logs, ...directories].map(async directory =>
      (await whenThere(() => readdir(directory), [])).map(name => join(directory, name)),
    ),
  )
  return found.flat().filter(file => file.endsWith('.log') && !/\/audit[^/]*$/.test(file))
}
