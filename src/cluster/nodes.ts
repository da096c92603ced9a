// `kutter node add | remove`, and `kutter up --nodes N` on a running cluster: adds and removes nodes on this machine.
// Each is an agent in a network namespace of its own.
import { rm } from 'node:fs/promises'
import { realClock } from '../base/clock.ts'
import { isReason } from '../base/errors.ts'
import { silentLog } from '../base/log.ts'
import { Node } from '../kinds/core/node.ts'
import { adminOf } from './admin.ts'
import { UsageError } from './args.ts'
import { type ClusterConfig, type ClusterPaths, clusterTag, nodeNames, withNode, writeConfig } from './config.ts'
import { removeWireguard, wireguardLink } from '../network/index.ts'
import { commandLine } from './hint.ts'
import { ask } from './link.ts'
import { ensureNodeNetwork, removeNodeNamespace } from './node-net.ts'
import { bridgeOf } from './node-names.ts'
import { teardownNode } from './node-teardown.ts'
import { nodesReady, readyText, readyTimeoutMs, waitUntil } from './ready.ts'
import { Steps } from './steps.ts'
import { logOf } from './process-files.ts'

interface Context {
  paths: ClusterPaths
  config: ClusterConfig
  out: (text: string) => void
}

export async function nodeCommand(words: readonly string[], context: Context): Promise<number> {
  const [action, name, ...more] = words
  if (more.length) throw new UsageError(`kutter node ${action} takes only one name`)
  const { paths, config } = context
  if ((action === 'add' || action === 'remove') && !(await ask(paths.socket, { command: 'status' })))
    throw new UsageError(
      `the cluster ${config.name} is not running; start it with: ${commandLine('kutter', 'up', paths)}`,
    )
  switch (action) {
    case 'add':
      if (name !== undefined) checkName(name, config)
      return startNodes(context, withNode(config, name))
    case 'remove':
      if (name === undefined) throw new UsageError('kutter node remove requires the name of a node')
      return removeNode(name, context)
    default:
      throw new UsageError('kutter node requires one of: add, remove')
  }
}

const maxNameLength = 48

function checkName(name: string, config: ClusterConfig): void {
  if (!/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name) || name.length > maxNameLength)
    throw new UsageError(
      `${JSON.stringify(name)} is not a valid name of a node: it must have 1 to ${maxNameLength} lowercase letters, digits and dashes, and begin and end with a letter or digit`,
    )
  if (nodeNames(config).includes(name)) throw new UsageError(`the cluster ${config.name} has a node ${name} already`)
}

/** Starts the nodes that `wanted` has and the running cluster does not, and waits until they are Ready. */
export async function startNodes({ paths, config, out }: Context, wanted: ClusterConfig): Promise<number> {
  const added = nodeNames(wanted).filter(name => !nodeNames(config).includes(name))
  const steps = new Steps(out, process.stdout.isTTY === true)
  const { client, close } = await adminOf(paths, wanted)
  try {
    if (await client.find(Node, { name: added[0]! }))
      throw new UsageError(`the cluster has a node ${added[0]} on another machine already; choose another name`)
    await ensureNodeNetwork(clusterTag(paths, wanted.name), wanted)
    await writeConfig(paths, wanted)
    await ask(paths.socket, { command: 'reload' })
    const deadline = realClock.steady() + readyTimeoutMs
    await steps.run(readyText(added), () => waitUntil(deadline, paths, () => nodesReady(client, paths, added)))
    return 0
  } finally {
    close()
  }
}

async function removeNode(name: string, { paths, config, out }: Context): Promise<number> {
  const node = config.nodes.find(n => n.name === name)
  if (!node)
    throw new UsageError(
      name === config.nodeName
        ? `${name} is the first node, which is this machine itself; stop it with the whole cluster: ${commandLine('kutter', 'down', paths)}`
        : `the cluster ${config.name} has no node ${name} on this machine; it has: ${config.nodes.map(n => n.name).join(', ') || 'none that can be removed'}`,
    )
  const tag = clusterTag(paths, config.name)
  await writeConfig(paths, { ...config, nodes: config.nodes.filter(n => n !== node) })
  // The agent goes first: while it runs it would work on the node's pods and write the Node again.
  await ask(paths.socket, { command: 'reload' })
  const { client, close } = await adminOf(paths, config)
  try {
    await client.delete(Node, { name })
  } catch (error) {
    if (!isReason(error, 'NotFound')) throw error
  } finally {
    close()
  }
  const dir = paths.node(name)
  await teardownNode({ dir, tag, node: name, log: silentLog, purge: true })
  await removeWireguard(wireguardLink(bridgeOf(tag), node.index))
  await removeNodeNamespace(tag, node)
  await rm(dir, { recursive: true, force: true })
  await rm(logOf(paths, `agent/${name}`), { force: true })
  out(`Node ${name} is removed, with its pods, containerd, network namespace and files.\n`)
  return 0
}
