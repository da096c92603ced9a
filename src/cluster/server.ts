// The server process: opens the store, serves the API over HTTPS, and runs the controllers and the scheduler.
import { joined } from '../base/waiters.ts'
import { realClock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { realRandom } from '../base/random.ts'
import {
  apiServiceAddress,
  debugPages,
  discovery,
  frontProxyName,
  health,
  askKubelet,
  openapi,
  startHttp,
  startPlain,
  streams as makeStreams,
} from '../apiserver/index.ts'
import { ResourceMetrics } from '../metrics/index.ts'
import type { Scheduler } from '../scheduler/index.ts'
import type { Authority, KeyPair } from '../wire/x509.ts'
import { rewriteKubeconfigs } from './admin-credentials.ts'
import { type ClusterConfig, type ClusterPaths, clusterTag } from './config.ts'
import { type ControlPlane, type ControlPlaneOptions, openControlPlane } from './control-plane.ts'
import { startControllers } from './controllers.ts'
import { serverPages } from './debug.ts'
import { keepLifeline } from './lifeline.ts'
import { fullDisk, hostAddresses } from './machine.ts'
import { metricsGroup, metricsHandler, metricsKinds } from './metrics-api.ts'
import { anyAddress, movedSignal, nodeAddresses } from './node-addresses.ts'
import { addressIn } from './node-range.ts'
import { directoriesOf } from './storage.ts'
import type { Store } from '../store/index.ts'
import { openStore } from './store-location.ts'
import { watchSpace } from './store-space.ts'
import { defaultSnapshotMs, defaultSnapshotsKept, Snapshots, storeHandler } from './snapshots.ts'
import { parseDuration } from '../api/time.ts'
import { clientLimits, type RunningFlow, startFlow } from './flow.ts'
import { changeSignal, keepCertificates } from './kept-certificates.ts'
import { type EtcdHealth, watchEtcd } from './etcd-health.ts'
import { etcdPkiOf } from './etcd-pki.ts'
import { keepTrust } from './etcd-trust.ts'
import { hasOwnEtcd } from './own-etcd.ts'
import { authorityText, Pki, type TokenKeys } from './pki.ts'
import { openSecurity, type Security } from './security.ts'
import { schedulerDebug } from './scheduler-debug.ts'
import { answersMs, endParts, leaveClients } from './server-end.ts'
import { clusterFiles, etcdFiles, followFiles } from './shared-keys.ts'
import { startTracing } from './tracing.ts'

export interface RoleOptions {
  config: ClusterConfig
  /** The node beside which the role runs. */
  nodeName: string
  paths: ClusterPaths
  log: Log
  signal: AbortSignal
  /** Starts a new supervisor. */
  revive(): void
}

/** The name of a certificate of one server among those that share a directory. */
type OwnName = (name: string) => string

/** Runs the server until the signal aborts. */
export async function runServer(options: RoleOptions): Promise<void> {
  const { nodeName, log, signal } = options
  const clock = realClock
  const { config, paths, isFirst, ownName } = besideNode(options)
  const [report, pki] = [startReports(options, isFirst), new Pki(paths.pki, clock)]
  const [storeFailed, ending] = [new AbortController(), new AbortController()]
  const authority = await pki.authority()
  const stopTracing = await startTracing(config.tracingConfig, clock, log)
  const security = await openSecurity(config, paths, { clock, log, signal })
  const etcd = await watchEtcd({ config, nodeName, paths, clock, log, signal, report: problem => report({ problem }) })
  const [serving, kubeletClient, frontProxy, tokenKeys, store] = await Promise.all([
    servingCertificate(pki, config, ownName),
    kubeletClientCertificate(pki, ownName),
    pki.frontProxy(frontProxyName),
    pki.tokenKeys(),
    openStore(config, paths, {
      log,
      onFailure: error => storeFailed.abort(error),
      onClient: client => etcd?.use(client),
    }),
  ])
  const asServer = { ca: authority.certPem, ...kubeletClient }
  const plane = await openPlane({ ...options, config }, asServer, { store, tokenKeys, frontProxy, ...security })
  const snapshots = snapshotsOf(options, store)
  const flow = startFlow(plane, config)
  const parts = { plane, paths, config, serving, asServer, snapshots, security, flow, ...(etcd && { etcd }) }
  const inside: Inside = { isEnding: () => ending.signal.aborted }
  const front = frontOf({ ...parts, inside })
  const http = await serveHttps(front, parts)
  const plain = await servePlain(front, config, log)
  renewCertificates({ pki, config, serving, asServer, frontProxy, http, ownName }, { clock, log, signal })
  const controllersEnded = await startControllers({
    plane,
    config,
    nodeName,
    authority,
    identity: `${nodeName}_${clusterTag(paths, config.name)}`,
    directories: directoriesOf((...of) => askKubelet(plane.core.storage, asServer, ...of)),
    signal: joined(signal, ending.signal).signal,
    scheduling: now => void (inside.scheduler = now),
  })
  // The servers of one machine share the directory of snapshots.
  if (isFirst) keepSnapshots(snapshots, config, signal)
  report({ ready: true })
  void watchSpace(plane, { config, nodeName, log, signal, report })
  log.info('serving', { port: http.port, startedInMs: Math.round(performance.now()) })
  if (store.isShared) followKeys({ ...options, config }, plane, pki)
  await aborted(joined(storeFailed.signal, changed(options, pki, textOf(authority, tokenKeys))).signal)
  ending.abort()
  const isBroken = storeFailed.signal.aborted
  if (!isBroken) await leaveClients({ plane, http, nodeName, config, controllersEnded, clock, log })
  await endParts(
    [
      ['requests', () => Promise.all([http.close(isBroken ? 0 : answersMs), plain?.close()])],
      ['flow control', () => flow.close()],
      ['control plane', () => plane.close()],
      ['tracing', stopTracing],
    ],
    clock,
    log,
  )
  // Without its writer the store is of no use to anybody: a new process opens it again.
  storeFailed.signal.throwIfAborted()
}

/** Opens the control plane, which answers for the resource metrics of its nodes, too. */
async function openPlane(
  { config, nodeName, log }: RoleOptions,
  asServer: FrontParts['asServer'],
  more: Pick<ControlPlaneOptions, 'store' | 'tokenKeys' | 'frontProxy'> & Security,
): Promise<ControlPlane> {
  let metrics: ResourceMetrics | undefined
  const plane = await openControlPlane({
    extensions: { kinds: metricsKinds, handlers: new Map([[metricsGroup, metricsHandler(() => metrics)]]) },
    clock: realClock,
    random: realRandom,
    log,
    clientCa: asServer.ca,
    serviceCidrs: config.serviceCidrs,
    nodePorts: config.nodePorts,
    warnOfUnserved: true,
    ...more,
    advertise: { address: nodeAddresses(config, nodeName)[0]!, port: config.port },
  })
  metrics = metricsOf(plane, asServer, log)
  return plane
}

/** Takes the keys that other servers have changed. */
function followKeys({ config, nodeName, paths, log, signal }: RoleOptions, plane: ControlPlane, pki: Pki): void {
  const client = plane.client('kutter', ['system:masters'])
  followFiles(client, clusterFiles(pki), () => rewriteKubeconfigs(paths, config), log)
  if (!hasOwnEtcd(config)) return
  followFiles(client, etcdFiles(etcdPkiOf(paths, realClock), paths), async () => {}, log)
  void keepTrust({ config, nodeName, paths, client, clock: realClock, log, signal })
}

/** A signal that aborts with that of the process, and when it has to start again with other addresses or other keys. */
function changed({ config, nodeName, log, signal }: RoleOptions, pki: Pki, used: string): AbortSignal {
  const moved = movedSignal(() => nodeAddresses(config, nodeName), realClock, log, signal)
  const rekeyed = changeSignal(pki.dir, used, () => keysText(pki), { clock: realClock, log, signal })
  return joined(signal, moved, rekeyed).signal
}

/** All that makes the server start again when it changes. */
const keysText = async (pki: Pki): Promise<string> => textOf(await pki.authority(), await pki.tokenKeys())
const textOf = (authority: Authority, tokenKeys: TokenKeys): string =>
  JSON.stringify([authorityText(authority), tokenKeys.key, tokenKeys.former])

/**
 * What a server has of its own. Several on one machine share a directory: beside a further node the certificates and the
 * audit log have the name of the node.
 */
function besideNode({ config, paths, nodeName }: RoleOptions) {
  const isFirst = nodeName === config.nodeName
  const ownName: OwnName = name => (isFirst ? name : `${name}-${nodeName}`)
  if (isFirst) return { config, paths, isFirst, ownName }
  const ownFile = (path: string) => path.replace(/(\.\w+)?$/, ending => `-${nodeName}${ending}`)
  const audit = config.audit?.log ? { audit: { ...config.audit, log: ownFile(config.audit.log) } } : {}
  return { config: { ...config, ...audit }, paths: { ...paths, auditLog: ownFile(paths.auditLog) }, isFirst, ownName }
}

/** Connects to the supervisor. Returns a function that reports what has changed. */
function startReports({ nodeName, paths, log, signal, revive }: RoleOptions, isFirst: boolean) {
  const hello = { role: 'server', ...(!isFirst && { node: nodeName }) } as const
  const lifeline = keepLifeline({ socket: paths.socket, hello, clock: realClock, log, revive, signal })
  const state: { ready: boolean; problem?: string | undefined } = { ready: false }
  return (change: Partial<typeof state>) => {
    const { ready, problem } = Object.assign(state, change)
    lifeline.report({ ready, ...(problem !== undefined && { problem }) })
  }
}

/** Renews the certificates of this process while it runs. What uses them reads them again for each connection. */
function renewCertificates(
  {
    pki,
    config,
    serving,
    asServer,
    frontProxy,
    http,
    ownName,
  }: Pick<FrontParts, 'config' | 'serving' | 'asServer'> & {
    pki: Pki
    frontProxy: { client: KeyPair }
    http: Pick<Awaited<ReturnType<typeof serveHttps>>, 'renew'>
    ownName: OwnName
  },
  around: Parameters<typeof keepCertificates>[2],
): void {
  const certificates = [
    {
      name: 'apiserver',
      now: serving,
      obtain: () => servingCertificate(pki, config, ownName),
      use: ({ keyPem, certPem }: KeyPair) => http.renew(keyPem, certPem),
    },
    {
      name: 'apiserver-kubelet-client',
      now: asServer,
      obtain: () => kubeletClientCertificate(pki, ownName),
      use: (pair: KeyPair) => void Object.assign(asServer, pair),
    },
    {
      name: frontProxyName,
      now: frontProxy.client,
      obtain: async () => (await pki.frontProxy(frontProxyName)).client,
      use: (pair: KeyPair) => void Object.assign(frontProxy.client, pair),
    },
  ]
  void keepCertificates(pki.dir, certificates, around)
}

const metricsOf = ({ client, core }: ControlPlane, asServer: FrontParts['asServer'], log: Log) =>
  new ResourceMetrics({
    client: client('system:kube-apiserver', ['system:masters']),
    ask: node => askKubelet(core.storage, asServer, node, '/metrics/resource'),
    clock: core.clock,
    log: log.with({ part: 'metrics' }),
  })

const snapshotsOf = ({ config, paths, log }: RoleOptions, store: Store) =>
  new Snapshots({
    paths,
    name: config.name,
    store,
    clock: realClock,
    log,
    keep: config.snapshotsKept ?? defaultSnapshotsKept,
  })

function keepSnapshots(snapshots: Snapshots, config: ClusterConfig, signal: AbortSignal): void {
  const everyMs = snapshotMs(config)
  if (everyMs > 0) void snapshots.keep(everyMs, signal)
}

const snapshotMs = ({ snapshotInterval }: ClusterConfig): number =>
  snapshotInterval === undefined ? defaultSnapshotMs : (parseDuration(snapshotInterval) ?? 0) / 1e6

interface FrontParts {
  plane: ControlPlane
  paths: ClusterPaths
  config: ClusterConfig
  serving: KeyPair
  /** This server's credentials for kubelets, and the authority of all certificates. */
  asServer: { ca: string } & KeyPair
  security: Security
  snapshots: Snapshots
  flow: RunningFlow
  /** Where the cluster runs its etcd itself. */
  etcd?: EtcdHealth
  inside: Inside
}

/** What requests ask of the process itself. */
interface Inside {
  isEnding(): boolean
  /** While the scheduler runs here. */
  scheduler?: Scheduler | undefined
}

/** What requests find, on whichever port they come. */
function frontOf({ plane, paths, config, asServer, snapshots, security, flow, etcd, inside }: FrontParts) {
  const kinds = () => plane.core.catalog.all
  return {
    core: plane.core,
    serve: plane.serve,
    aggregator: plane.aggregator,
    flow: flow.front,
    ...clientLimits(config),
    paths: [
      health(plane.core, {
        disk: () => checkDisk(paths, plane.core.storage.store),
        'kms-providers': async () => security.encryption.check(),
        ...(etcd && { 'etcd-members': etcd.check }),
        async shutdown() {
          if (inside.isEnding()) throw new Error('this server is ending')
        },
      }),
      discovery(kinds, plane.remote),
      openapi(kinds, plane.remote),
      debugPages(serverPages(config, plane.core.clock)),
      schedulerDebug(() => inside.scheduler),
      flow.dumps,
      storeHandler(snapshots, plane.core.storage.store),
    ],
    streams: makeStreams(plane.core, asServer),
  }
}

type Front = ReturnType<typeof frontOf>

const serveHttps = (front: Front, { config, serving, asServer }: Pick<FrontParts, 'config' | 'serving' | 'asServer'>) =>
  startHttp(
    { ...front, key: serving.keyPem, cert: serving.certPem, clientCa: asServer.ca },
    anyAddress(config),
    config.port,
  )

/** The plain port, if somebody wants it. */
async function servePlain(front: Front, { access }: ClusterConfig, log: Log) {
  if (!access?.insecurePort) return undefined
  log.warn('the plain port makes every program on this machine a superuser', { port: access.insecurePort })
  return startPlain(front, access.insecureAddress || '127.0.0.1', access.insecurePort)
}

const aborted = (signal: AbortSignal) =>
  new Promise<void>(resolve => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })

/** The disk that is written: with etcd, each member looks after its own. */
async function checkDisk(paths: ClusterPaths, store: Store): Promise<void> {
  const full = store.stats().full ?? (await fullDisk(paths.store))
  if (full) throw new Error(full)
}

/** By which kubelets recognize the API server. */
const kubeletClientCertificate = (pki: Pki, ownName: OwnName) =>
  pki.certificate(
    ownName('apiserver-kubelet-client'),
    { commonName: 'system:kube-apiserver', organizations: ['system:masters'] },
    ['client auth', 'digital signature'],
  )

/** The API server's certificate, with every name and address by which clients reach it. */
function servingCertificate(pki: Pki, config: ClusterConfig, ownName: OwnName) {
  const dnsNames = [
    'localhost',
    'kubernetes',
    'kubernetes.default',
    'kubernetes.default.svc',
    `kubernetes.default.svc.${config.domain}`,
  ]
  // Nodes in namespaces reach it on the bridge between them. The addresses are always included, for nodes added later.
  const nodeBridges = config.nodeCidrs.map(range => addressIn(range, 1))
  const services = config.serviceCidrs.map(apiServiceAddress)
  const own = [...hostAddresses(4), ...hostAddresses(6), ...(config.virtualAddress ? [config.virtualAddress] : [])]
  const ips = [...new Set(['127.0.0.1', '::1', ...services, ...nodeBridges, ...own])]
  return pki.certificate(ownName('apiserver'), { commonName: 'kube-apiserver', dnsNames, ips }, [
    'server auth',
    'digital signature',
    'key encipherment',
  ])
}
