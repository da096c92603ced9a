// `kutter status`: lists the processes and nodes of a cluster, and what is wrong with them. The exit code is 0 only
// when nothing is.
import { messageOf } from '../base/errors.ts'
import { Node } from '../kinds/core/node.ts'
import { isNodeReady } from '../kinds/core/node-ready.ts'
import { adminOf } from './admin.ts'
import { type ClusterConfig, type ClusterPaths, nodeNames, readConfig } from './config.ts'
import { dnsAnswers } from './dns-probe.ts'
import { membersHere } from './etcd-member.ts'
import { contextName } from './kubeconfig.ts'
import { ask } from './link.ts'
import { fullDisk } from './machine.ts'
import { rolesOf } from './processes.ts'

interface Status {
  name: string
  ready: boolean
  server: string
  context: string
  dataDir: string
  processes: { role: string; node?: string; pid: number; ready: boolean; restarts: number; problem?: string }[]
  nodes: { name: string; ready: boolean; version: string }[]
  dns: boolean
  problems: string[]
}

export async function status(
  paths: ClusterPaths,
  name: string,
  json: boolean,
  out: (text: string) => void,
): Promise<number> {
  const result = await inspect(paths, name)
  out(json ? `${JSON.stringify(result, null, 2)}\n` : describe(result))
  return result.ready ? 0 : 1
}

async function inspect(paths: ClusterPaths, name: string): Promise<Status> {
  const config = readConfig(paths)
  const empty: Status = {
    name,
    ready: false,
    server: '',
    context: contextName(name),
    dataDir: paths.root,
    processes: [],
    nodes: [],
    dns: false,
    problems: [],
  }
  if (!config) return { ...empty, problems: [`there is no cluster ${name} in ${paths.dataDir}`] }
  if (config.joined) return inspectJoined(paths, config, empty)
  const server = `https://127.0.0.1:${config.port}`
  const state = await ask(paths.socket, { command: 'status' })
  if (!state) return { ...empty, server, problems: ['the cluster is not running'] }
  const problems: string[] = []
  const processes: Status['processes'] = [
    { role: 'supervisor', pid: state.supervisor, ready: true, restarts: 0 },
    ...state.processes,
  ]
  const runs = (role: string, node: string | undefined) => state.processes.some(p => p.role === role && p.node === node)
  if (!runs('server', undefined)) problems.push('the server is not running')
  for (const { name, isServer } of config.nodes)
    if (isServer && !runs('server', name)) problems.push(`the server of ${name} is not running`)
  for (const { name } of membersHere(config))
    if (!runs('etcd', name)) problems.push(`the etcd member of ${name} is not running`)
  for (const node of nodeNames(config)) if (!runs('agent', node)) problems.push(`the agent of ${node} is not running`)
  for (const p of state.processes) {
    const who = `the ${p.role}${p.node ? ` of ${p.node}` : ''}`
    if (!p.ready) problems.push(`${who} is not ready${p.problem ? `: ${p.problem}` : ''}`)
    else if (p.problem) problems.push(`${who} has a problem: ${p.problem}`)
  }
  for (const f of state.failing)
    problems.push(`the ${f.process.replace('/', ' of ')} has ended ${f.restarts} times: ${f.lastLogLine}`)
  const full = await fullDisk(paths.root)
  if (full) problems.push(full)
  const nodes = await readNodes(paths, config, problems)
  for (const node of nodes) if (!node.ready) problems.push(`node ${node.name} is not Ready`)
  const dns = await dnsAnswers(config.dnsAddress, `kubernetes.default.svc.${config.domain}`)
  if (!dns) problems.push('DNS does not answer')
  return { ...empty, server, processes, nodes, dns, problems, ready: problems.length === 0 && nodes.length > 0 }
}

/** The status of a machine that only joined a cluster: its agent and its DNS. The rest is the server's to report. */
async function inspectJoined(paths: ClusterPaths, config: ClusterConfig, empty: Status): Promise<Status> {
  const agents = await rolesOf(paths, config.name)
  const dns = await dnsAnswers(config.dnsAddress, `kubernetes.default.svc.${config.domain}`)
  const problems = [...(agents.length ? [] : ['the agent is not running']), ...(dns ? [] : ['DNS does not answer'])]
  const processes = agents.map(({ pid }) => ({ role: 'agent', node: config.nodeName, pid, ready: true, restarts: 0 }))
  return { ...empty, server: config.joined!.server, processes, dns, problems, ready: problems.length === 0 }
}

const waitMs = 3_000

async function readNodes(paths: ClusterPaths, config: ClusterConfig, problems: string[]): Promise<Status['nodes']> {
  let close = () => {}
  try {
    const admin = await adminOf(paths, config)
    close = admin.close
    const { items } = await admin.client.list(Node, { signal: AbortSignal.timeout(waitMs) })
    return items.map(node => ({
      name: node.metadata.name ?? '',
      ready: isNodeReady(node),
      version: node.status.nodeInfo.kubeletVersion,
    }))
  } catch (error) {
    problems.push(`the API server does not answer: ${messageOf(error)}`)
    return []
  } finally {
    close()
  }
}

function describe(s: Status): string {
  const lines = [
    `Cluster ${s.name}: ${s.ready ? 'ready' : 'not ready'}${s.server && ` at ${s.server}`} (kubectl --context ${s.context})`,
  ]
  for (const p of s.processes)
    lines.push(
      `  ${p.role.padEnd(10)} ${(p.node ?? '').padEnd(20)} pid ${String(p.pid).padEnd(8)} ${p.ready ? 'ready' : 'not ready'}${p.restarts ? `, restarted ${p.restarts} times` : ''}`,
    )
  for (const node of s.nodes)
    lines.push(`  node       ${node.name.padEnd(20)} ${node.version.padEnd(12)} ${node.ready ? 'Ready' : 'NotReady'}`)
  for (const problem of s.problems) lines.push(`  ! ${problem}`)
  return `${lines.join('\n')}\n`
}
