// `kutter up`: brings up a cluster, from an empty disk to a Ready node and a DNS server that answers. Every step can be
// repeated: on a running cluster the command only adds what is missing.
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { realClock } from '../base/clock.ts'
import { portFree, run } from '../linux/index.ts'
import { adminCredentials, writeKubeconfigs } from './admin-credentials.ts'
import {
  type Chosen,
  type ClusterConfig,
  type ClusterPaths,
  clusterTag,
  ensureConfig,
  type IpFamily,
  nodeNames,
  readConfig,
  withNodes,
  writeConfig,
} from './config.ts'
import { dnsAnswers } from './dns-probe.ts'
import { etcdPortsOf } from './etcd-member.ts'
import { ensureEtcdCertificates } from './etcd-pki.ts'
import { etcdProcesses } from './etcd-process.ts'
import { commandLine } from './hint.ts'
import { locked, reportBusy } from './lock.ts'
import { contextName } from './kubeconfig.ts'
import { ask } from './link.ts'
import { diskProblem, machineProblem, missingPackages } from './machine.ts'
import { ensureNodeNetwork } from './node-net.ts'
import { refuseBadChoices } from './start-checks.ts'
import { hasOwnEtcd } from './own-etcd.ts'
import { durationText, Steps } from './steps.ts'
import { sameStore } from './store-location.ts'
import { spawnSupervisor } from './supervisor.ts'
import { releaseIn } from './release.ts'

interface UpOptions extends Chosen {
  paths: ClusterPaths
  name: string
  /** Whether there are to be three servers on this machine. */
  ha?: boolean
  /** The number of nodes on this machine. A cluster that has more keeps them. */
  nodes?: number
  /** The families of addresses of a new cluster. */
  ipFamily?: IpFamily
  install: boolean
  /** The directory of this program's files. */
  directory: string
  /** How the user calls this program, for the commands that messages suggest. */
  command: string
  out: (text: string) => void
}

/**
 * Returns the exit code. Throws an Error whose message states what is wrong and what to do; when the cluster was not
 * running before, whatever had been started is stopped again.
 */
export async function up(options: UpOptions): Promise<number> {
  const problem = machineProblem()
  if (problem) throw new Error(problem)
  const { ha, paths, name, out } = options
  const wanted = ha ? { ...options, ...(await servers()).haChoices(readConfig(paths), options, paths) } : options
  return locked(paths, reportBusy(name, out), () => bringUp(wanted))
}

async function bringUp(options: UpOptions): Promise<number> {
  const { paths, name, out } = options
  const running = await ask(paths.socket, { command: 'status' })
  if (running?.processes.length) return alreadyRunning(options)
  // Fails here, on the terminal, rather than later in the server's log.
  await refuseBadChoices({ ...readConfig(paths), ...options })
  refuseOtherStore(options)
  const steps = new Steps(out, process.stdout.isTTY === true)
  await install(options, steps)
  const full = await diskProblem(paths.dataDir)
  if (full) throw new Error(full)
  const made = await ensureConfig(paths, { ...options, release: releaseIn(options.directory) })
  const config = await withVirtualAddress(made, options)
  reportExtraNodes(options, config)
  await refuseTakenPorts(config, paths)
  await steps.run('certificates and kubeconfig', () => prepare(paths, config))
  const names = nodeNames(config)
  let close = () => {}
  try {
    for (const dir of [paths.run, paths.logs, paths.manifests, paths.images])
      await mkdir(dir, { recursive: true, mode: 0o700 })
    await ensureNodeNetwork(clusterTag(paths, name), config)
    spawnSupervisor({ paths, config, directory: options.directory }, false)
    // The client is loaded while the server starts.
    const [{ adminOf }, { nodesReady, readyText, readyTimeoutMs, serverAnswers, waitUntil }] = await Promise.all([
      import('./admin.ts'),
      import('./ready.ts'),
    ])
    const deadline = realClock.steady() + readyTimeoutMs
    const admin = await adminOf(paths, config)
    const { client } = admin
    close = admin.close
    await steps.run('API server answers', () => waitUntil(deadline, paths, () => serverAnswers(client, paths)))
    const formed = await etcdHasRun(config, paths)
    // Without controllers nodes get no range of pod addresses, so they cannot become Ready yet.
    if (config.disable?.includes('controller-manager')) {
      out(alone(options, config))
      return 0
    }
    if (config.disable?.includes('network')) {
      out(withoutNetwork)
      return 0
    }
    await steps.run(readyText(names), () => waitUntil(deadline, paths, () => nodesReady(client, paths, names)))
    // Another proxy may come later than the nodes.
    if (!config.disable?.includes('proxy'))
      await steps.run('DNS answers', () =>
        waitUntil(deadline, paths, () => dnsAnswers(config.dnsAddress, `kubernetes.default.svc.${config.domain}`)),
      )
    await addServers(options, formed, steps)
  } catch (error) {
    // Stops what this command started, and nothing that was running before it.
    if (!running) await (await import('./down.ts')).stopProcesses(paths, name)
    throw error
  } finally {
    close()
  }
  out(farewell(options, config, steps.totalMs()))
  return 0
}

const servers = () => import('./high-availability.ts')

/** Adds the servers that `--ha` asks for. */
async function addServers({ ha, paths }: UpOptions, config: ClusterConfig, steps: Steps): Promise<void> {
  if (!ha) return
  const { growServers, haServers, missingServers } = await servers()
  if (!missingServers(config, haServers).length) return
  await steps.run(`${haServers} servers with ${haServers} members of etcd`, () => growServers(config, paths, haServers))
}

/** With several servers on one machine, kubectl uses an address that moves between them. */
async function withVirtualAddress(config: ClusterConfig, { ha, paths }: UpOptions): Promise<ClusterConfig> {
  if (!ha || config.virtualAddress !== undefined) return config
  const changed = { ...config, virtualAddress: (await servers()).localVirtualAddress(config) }
  await writeConfig(paths, changed)
  return changed
}

/** From now on the member of this machine never forms another cluster. */
async function etcdHasRun(config: ClusterConfig, paths: ClusterPaths): Promise<ClusterConfig> {
  if (!config.member || config.member.hasRun) return config
  const changed = { ...config, member: { ...config.member, hasRun: true as const } }
  await writeConfig(paths, changed)
  return changed
}

async function refuseTakenPorts(config: ClusterConfig, paths: ClusterPaths): Promise<void> {
  const { port, kubeletPort } = config
  if (!(await portFree(port)))
    throw new Error(`port ${port} is taken by another program; stop that program, or choose another port with --port`)
  if (!(await portFree(kubeletPort)))
    throw new Error(`port ${kubeletPort}, which the kubelet uses, is taken by another program; stop that program`)
  // A machine that has just joined has its member running.
  if (!config.member || (await etcdProcesses(paths, config.nodeName)).length) return
  for (const one of Object.values(etcdPortsOf(config)))
    if (!(await portFree(one)))
      throw new Error(`port ${one}, which etcd uses, is taken by another program; stop that program`)
}

/** Another store is an empty one, or that of another cluster: objects have to be copied first. */
function refuseOtherStore({ paths, store, name }: UpOptions): void {
  const existing = readConfig(paths)
  if (!existing || store === undefined || sameStore(store, existing.store, name)) return
  throw new Error(
    `the cluster ${name} has its objects in ${existing.store ?? 'the embedded store'}; copy them first with: ${commandLine('kutter', `store migrate --to ${store}`, paths)}`,
  )
}

const withoutNetwork = `
The cluster is up without a pod network. Its nodes become Ready when a CNI plugin has its configuration in /etc/cni/net.d
and its programs in /opt/cni/bin.
`

const alone = ({ command, paths }: UpOptions, { port, podCidrs }: ClusterConfig): string => `
The API server answers at https://127.0.0.1:${port}, without controllers. Start them with:

  ${command} controller-manager --kubeconfig ${paths.kubeconfigOf('controller-manager')} --cluster-cidr ${podCidrs.join(',')} \\
    --root-ca-file ${paths.pki}/ca.crt --cluster-signing-cert-file ${paths.pki}/ca.crt \\
    --cluster-signing-key-file ${paths.pki}/ca.key --service-account-private-key-file ${paths.pki}/sa.key

`

function farewell({ name, paths, command }: UpOptions, config: ClusterConfig, ms: number): string {
  const context = contextName(name)
  return `
The cluster is up: https://127.0.0.1:${config.port}, after ${durationText(ms)}. Try:

  kubectl --context ${context} get pods -A
  ${commandLine(command, 'image build examples/images/busybox examples/images/myapp', paths)}
  kubectl --context ${context} apply -f examples/canarydemo.yaml
  curl 127.0.0.1:32600
  ${commandLine(command, 'status', paths)}          show the health of the cluster
  ${commandLine(command, 'down', paths)}            stop it and keep its data

`
}

async function install(options: UpOptions, steps: Steps): Promise<void> {
  const missing = missingPackages({ etcd: hasOwnEtcd({ ...readConfig(options.paths), ...options }) })
  if (!missing.length) return
  if (!options.install)
    throw new Error(
      `missing Debian packages: ${missing.join(', ')}; install them with: apt-get install ${missing.join(' ')}`,
    )
  await steps.run(`installing ${missing.join(', ')}`, async () => {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    const get = () =>
      run('apt-get', ['install', '-y', '--no-install-recommends', ...missing], {
        env,
        timeoutMs: 600_000,
        maxOutputBytes: 64 * 1024 * 1024,
      })
    try {
      await get()
    } catch {
      // The lists of packages may be older than the packages they name.
      await run('apt-get', ['update'], { env, timeoutMs: 300_000, maxOutputBytes: 64 * 1024 * 1024 })
      await get()
    }
    // The package starts an etcd of the machine's own, at the ports of the cluster's.
    if (missing.includes('etcd-server') && existsSync('/run/systemd/system'))
      await run('systemctl', ['disable', '--now', 'etcd.service'], { timeoutMs: 60_000 })
  })
}

async function ensureEtcd(config: ClusterConfig, paths: ClusterPaths): Promise<void> {
  if (hasOwnEtcd(config)) await ensureEtcdCertificates(config, paths, realClock)
}

async function prepare(paths: ClusterPaths, config: ClusterConfig): Promise<void> {
  const credentials = await adminCredentials(paths, config)
  await ensureEtcd(config, paths)
  await writeKubeconfigs(paths, config, credentials)
}

const nodesOf = () => import('./nodes.ts')

/** Adds missing nodes to a running cluster. It never removes one. */
async function alreadyRunning(options: UpOptions): Promise<number> {
  const { paths, name, out, nodes = 1 } = options
  const config = readConfig(paths)!
  // Restores cables and routes that someone removed by hand.
  await ensureNodeNetwork(clusterTag(paths, name), config)
  if (options.ha) return growToServers(options, config)
  if (nodes > nodeNames(config).length)
    return (await nodesOf()).startNodes({ paths, config, out }, withNodes(config, nodes))
  out(
    `The cluster ${name} is running already at https://127.0.0.1:${config.port}. Show its health with: ${commandLine(options.command, 'status', paths)}\n`,
  )
  reportExtraNodes(options, config)
  const ignored = ignoredOptions(options, config)
  if (ignored.length)
    out(
      `It keeps running without: ${ignored.join(', ')}. These options take effect only at a start; stop the cluster first with: ${commandLine(options.command, 'down', paths)}\n`,
    )
  return 0
}

/** `--ha` for a cluster that runs with one server. */
async function growToServers(options: UpOptions, config: ClusterConfig): Promise<number> {
  const { paths, out, nodes = 1 } = options
  const wanted = withNodes(config, nodes)
  if (wanted.nodes.length > config.nodes.length) await (await nodesOf()).startNodes({ paths, config, out }, wanted)
  const steps = new Steps(out, process.stdout.isTTY === true)
  await addServers(options, wanted, steps)
  if (config.virtualAddress === undefined)
    out(
      `kubectl goes on with the first server. For an address that moves between the servers, start the cluster again: ${commandLine(options.command, 'down', paths)} and ${commandLine(options.command, 'up --ha', paths)}\n`,
    )
  return 0
}

/** The options that differ from how the cluster runs, and that only a start can change. */
function ignoredOptions(options: UpOptions, config: ClusterConfig): string[] {
  const listsOf = (from: Pick<ClusterConfig, (typeof lists)[number]>) =>
    Object.fromEntries(lists.map(key => [key, from[key]?.join(',')])) as Record<
      (typeof lists)[number],
      string | undefined
    >
  const now = { ...config, ...listsOf(config), nodePorts: config.nodePorts.join('-') }
  const asked = { ...options, ...listsOf(options), nodePorts: options.nodePorts?.join('-') }
  return lasting.flatMap(({ key, option }) =>
    asked[key] === undefined || asked[key] === (now[key] ?? '') ? [] : [`--${option} ${asked[key] || "''"}`],
  )
}

/** Settings that are lists of names. */
const lists = [
  'disable',
  'loadBalancerPool',
  'nodePortAddresses',
  'enableAdmissionPlugins',
  'disableAdmissionPlugins',
] as const

const lasting = [
  { key: 'port', option: 'port' },
  { key: 'nodeMonitorGracePeriod', option: 'node-monitor-grace-period' },
  { key: 'clusterSigningDuration', option: 'cluster-signing-duration' },
  { key: 'schedulerConfig', option: 'scheduler-config' },
  { key: 'kubeletConfig', option: 'kubelet-config' },
  { key: 'admissionConfig', option: 'admission-control-config-file' },
  { key: 'enableAdmissionPlugins', option: 'enable-admission-plugins' },
  { key: 'disableAdmissionPlugins', option: 'disable-admission-plugins' },
  { key: 'disable', option: 'disable' },
  { key: 'nodePorts', option: 'service-node-port-range' },
  { key: 'ingressHttpPort', option: 'ingress-http-port' },
  { key: 'ingressHttpsPort', option: 'ingress-https-port' },
  { key: 'loadBalancerPool', option: 'loadbalancer-pool' },
  { key: 'nodePortAddresses', option: 'nodeport-addresses' },
  { key: 'gateway', option: 'gateway' },
  { key: 'encrypt', option: 'encrypt' },
  { key: 'store', option: 'store' },
  { key: 'virtualAddress', option: 'virtual-address' },
  { key: 'etcdCa', option: 'etcd-cafile' },
  { key: 'etcdCert', option: 'etcd-certfile' },
  { key: 'etcdKey', option: 'etcd-keyfile' },
  { key: 'storeQuota', option: 'store-quota' },
  { key: 'snapshotInterval', option: 'snapshot-interval' },
  { key: 'maxRequestsInflight', option: 'max-requests-inflight' },
  { key: 'maxMutatingRequestsInflight', option: 'max-mutating-requests-inflight' },
  { key: 'maxWatches', option: 'max-watches' },
  { key: 'requestTimeout', option: 'request-timeout' },
  { key: 'profiling', option: 'profiling' },
  { key: 'tracingConfig', option: 'tracing-config-file' },
] as const

/** Reports that `--nodes` names fewer nodes than there are, since `up` removes none. */
function reportExtraNodes({ nodes, out, command, paths }: UpOptions, config: ClusterConfig): void {
  const names = nodeNames(config)
  if (nodes !== undefined && nodes < names.length)
    out(
      `It has ${names.length} nodes and keeps them: ${names.join(', ')}. Remove one with: ${commandLine(command, 'node remove NAME', paths)}\n`,
    )
}
