// Puts the API server together from a store, a clock and a key, without a listening port. The server process runs it
// over the embedded store, and simulations run it over the memory store.
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { Serve } from '../api/operation.ts'
import type { AnyKind } from '../api/kind.ts'
import type { KindSource } from '../api/kind-source.ts'
import {
  type Handler,
  type ServerCore,
  type Auditor,
  type AuthorizerChoice,
  type Passwords,
  type TokenSource,
  auditedServe,
  bootstrap,
  keepEssentials,
  Availability,
  type Encryption,
  ExtensionProxy,
  allKinds,
  withExtensions,
  RemoteDocuments,
  type FrontProxy,
  type RemoteVersion,
  openServer,
  ServerLeases,
  Registration,
  tokenIssuer,
  type PluginSwitches,
} from '../apiserver/index.ts'
import { Client } from '../client/index.ts'
import { builtinKinds } from '../kinds/all.ts'
import type { Store } from '../store/index.ts'

export interface ControlPlaneOptions {
  store: Store
  clock: Clock
  random: Random
  log: Log
  /** PEM of the key that signs service account tokens, and of the keys before it. */
  tokenKeys: Parameters<typeof tokenIssuer>[0]
  serviceCidrs: readonly string[]
  nodePorts: readonly [number, number]
  /** The address and port at which pods reach the API server, behind the Service kubernetes. */
  advertise: { address: string; port: number }
  /** PEM of the authority that signs certificates of users. */
  clientCa?: string
  /** By which extension servers recognize this one. */
  frontProxy?: FrontProxy
  /** Whether to warn of objects that no part of this cluster serves. */
  warnOfUnserved?: boolean
  /** Admission plugins that are enabled or disabled, unlike by default. */
  plugins?: PluginSwitches
  /** How objects are encrypted in the store. */
  encryption?: Encryption
  /** Where users of tokens come from that are not the cluster's own. */
  tokenSources?: readonly TokenSource[]
  /** The users who may come with a name and a password. */
  passwords?: Passwords
  /** Whether requests without credentials for a path are answered; without it all are. */
  anonymous?(path: string): boolean
  /** Which authorizers are asked; without it those of nodes and roles. */
  authorizers?: AuthorizerChoice
  /** Writes down what users do. */
  auditor?: Auditor
  /** Kinds and handlers of API groups that another room serves, such as metrics.k8s.io. */
  extensions?: { kinds: readonly AnyKind[]; handlers: ReadonlyMap<string, Handler> }
}

export interface ControlPlane {
  core: ServerCore
  serve: Serve
  /** Passes on what other servers have. */
  aggregator: ExtensionProxy
  /** The groups and versions that other servers have. */
  remote(): readonly RemoteVersion[]
  /** The kinds of this server and of extension servers, all of which the clients in this process can use. */
  kinds: KindSource
  /** A client in this process, acting as `user`. */
  client(user: string, groups?: readonly string[]): Client
  /** A client in this process, acting as a service account of kube-system. */
  accountClient(name: string): Client
  /** Signs the claims of a service account token. */
  signToken(claims: Record<string, unknown>): string
  /** Takes this server's address back, where others go on. It serves as before. */
  leave(): Promise<void>
  close(): Promise<void>
}

/**
 * Opens the store, creates what every cluster has, and returns the parts. Nothing listens yet. The caller closes it.
 */
export async function openControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { store, clock, log } = options
  const tokens = tokenIssuer(options.tokenKeys, clock, log)
  const { extensions, ...rest } = options
  const { core, serve, close } = await openServer({
    ...rest,
    kinds: [...builtinKinds, ...(extensions?.kinds ?? [])],
    tokens,
    ...(extensions && { extensions: extensions.handlers }),
  })
  const leases = store.isShared ? new ServerLeases(serve, clock, options.advertise) : undefined
  await bootstrap(serve, options, leases)
  const stopKeeping = keepEssentials(serve, options, log, leases)
  const registration = new Registration(core, serve)
  const aggregator = new ExtensionProxy(core, options.frontProxy?.client)
  const remote = new RemoteDocuments(core, options.frontProxy?.client)
  const availability = new Availability(core, serve, options.frontProxy?.client, (service, isAvailable) =>
    remote.refresh(service, isAvailable),
  )
  await registration.start()
  availability.start()
  let left: Promise<void> | undefined
  const clients: Client[] = []
  const clientOf = (name: string, groups: readonly string[], userAgent: string) => {
    const user = { name, groups: [...groups, 'system:authenticated'] }
    const client = new Client({
      serve: auditedServe(core.auditor, withExtensions(core, aggregator, serve)),
      user,
      userAgent,
      clock,
      log,
      shared: kind => (core.storage.has(kind) ? core.storage.mirror(kind) : undefined),
    })
    clients.push(client)
    return client
  }
  return {
    core,
    serve,
    aggregator,
    remote: () => remote.versions,
    kinds: allKinds(core.catalog, remote),
    client: (name, groups = []) => clientOf(name, groups, name.replace(/^system:/, '')),
    accountClient: name =>
      clientOf(
        `system:serviceaccount:kube-system:${name}`,
        ['system:serviceaccounts', 'system:serviceaccounts:kube-system'],
        'kube-controller-manager',
      ),
    signToken: claims => tokens.sign(claims),
    leave: () => (left ??= stopKeeping()),
    close: async () => {
      await (left ??= stopKeeping())
      for (const client of clients) client.close()
      aggregator.close()
      remote.close()
      await Promise.all([registration.close(), availability.close()])
      await close()
      await store.close()
      await core.auditor?.close()
    },
  }
}
