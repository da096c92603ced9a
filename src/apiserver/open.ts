// Builds the server over a store, with its authorizers and its admission plugins in their order.
import { X509Certificate } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { AnyKind } from '../api/kind.ts'
import type { Serve } from '../api/operation.ts'
import type { Store } from '../store/index.ts'
import { admissionChain, type AdmissionPlugin } from './admission/chain.ts'
import { createOnUpdate } from './admission/create-on-update.ts'
import { certificateAdmission } from './admission/certificates.ts'
import { defaultIngressClass } from './admission/default-class.ts'
import { deviceAccess } from './admission/device-access.ts'
import { defaultTolerations } from './admission/default-tolerations.ts'
import { denyExternalIPs } from './admission/deny-external-ips.ts'
import { eventRateLimit } from './admission/event-rate-limit.ts'
import { escalationCheck } from './admission/escalation.ts'
import { limitRanger } from './admission/limit-ranger.ts'
import { mutatingPolicies } from './admission/mutating-policies.ts'
import { namespaceLifecycle } from './admission/namespace-lifecycle.ts'
import { nodeRestriction } from './admission/node-restriction.ts'
import { nodeTaint } from './admission/node-taint.ts'
import { ownerPermissions } from './admission/owner-permissions.ts'
import { type PluginSwitches, runningPlugins } from './admission/plugins.ts'
import { alwaysPullImages, extendedResourceToleration, podNodeSelector } from './admission/pod-options.ts'
import { podSecurity } from './admission/pod-security.ts'
import { podTolerationRestriction } from './admission/pod-toleration-restriction.ts'
import { podTopologyLabels } from './admission/pod-topology-labels.ts'
import { priorityAdmission } from './admission/priority.ts'
import { resourceQuota } from './admission/resource-quota.ts'
import { runtimeClassAdmission } from './admission/runtime-class.ts'
import { serviceAccountAdmission } from './admission/service-account.ts'
import { claimResize, defaultStorageClass, storageProtection } from './admission/storage-objects.ts'
import { unserved } from './admission/unserved.ts'
import { validatingPolicies } from './admission/validating-policies.ts'
import { mutatingWebhooks, validatingWebhooks, type WebhookContext } from './admission/webhooks.ts'
import type { Passwords } from './authn/password-file.ts'
import type { TokenSource } from './authn/token-source.ts'
import type { Auditor } from './audit/auditor.ts'
import { AuthorizerChoice, requestAuthorizer } from './authz/chosen.ts'
import { nodeAuthorizer } from './authz/node.ts'
import { rbacAuthorizer } from './authz/rbac.ts'
import type { FrontProxy } from './aggregation/target.ts'
import { Catalog } from './catalog.ts'
import type { Handler, ServerCore } from './core.ts'
import type { Encryption } from './encryption/encryption.ts'
import { webhookConversion } from './extend/conversion.ts'
import { Definitions } from './extend/definitions.ts'
import { checkPolicies } from './extend/type-checking.ts'
import { WebhookCaller } from './extend/webhook.ts'
import { Registry } from './registry.ts'
import { serviceAllocation, type ServiceRanges } from './resources/service-allocation.ts'
import { serve } from './serve.ts'
import { Storage } from './storage.ts'
import { measuredStore, showStored } from './store-metrics.ts'
import type { TokenIssuer } from './tokens.ts'

interface ServerOptions extends ServiceRanges {
  store: Store
  kinds: readonly AnyKind[]
  clock: Clock
  random: Random
  log: Log
  tokens: TokenIssuer
  /** Whether to warn of objects that no part of this cluster serves. */
  warnOfUnserved?: boolean
  /** Admission plugins that are enabled or disabled, unlike by default. */
  plugins?: PluginSwitches
  /** Handlers of API groups that are served by another room in this process. */
  extensions?: ReadonlyMap<string, Handler>
  /** How objects are encrypted in the store; without it all are stored as they are. */
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
  /** By which this server is recognized as a front proxy, and recognizes others. */
  frontProxy?: FrontProxy
}

/** Loads all objects from a store, and returns the server. `close` ends it, but not the store. */
export async function openServer(
  options: ServerOptions,
): Promise<{ core: ServerCore; serve: Serve; close(): Promise<void> }> {
  const { store, kinds, clock, random, log, tokens } = options
  const storage = new Storage(measuredStore(store, clock), clock, log, options.encryption)
  const stored = (kind: AnyKind) => kind.plural && !kind.view && !options.extensions?.has(kind.group)
  for (const kind of kinds) if (stored(kind)) storage.add(kind)
  await storage.load()
  const catalog = new Catalog(kinds)
  const webhooks = new WebhookCaller(storage)
  const authorizer = requestAuthorizer(options.authorizers ?? new AuthorizerChoice(), {
    Node: nodeAuthorizer(storage),
    RBAC: rbacAuthorizer(storage),
  })
  const context: WebhookContext = { storage, catalog, authorizer, caller: webhooks, random, log }
  const plugins = allPlugins({ ...options, ...context })
  const admission = admissionChain(runningPlugins(plugins, options.plugins), clock)
  const registry = new Registry({ storage, clock, random, admission })
  const extensions = options.extensions ?? new Map<string, Handler>()
  const { frontProxy } = options
  const core: ServerCore = {
    registry,
    storage,
    authorizer,
    tokens,
    clock,
    log,
    catalog,
    extensions,
    ...(options.tokenSources && { tokenSources: options.tokenSources }),
    ...(options.passwords && { passwords: options.passwords }),
    ...(options.anonymous && { anonymous: options.anonymous }),
    ...(options.auditor && { auditor: options.auditor }),
    ...(frontProxy && { frontProxyCa: new X509Certificate(frontProxy.ca) }),
  }
  const answer: Serve = operation => serve(core, operation)
  const convert = webhookConversion(webhooks, random)
  const definitions = new Definitions({ storage, registry, catalog, serve: answer, convert, clock, log })
  await definitions.start()
  const stopShowing = showStored(storage, catalog)
  const stopChecking = checkPolicies({ storage, registry, catalog, clock, log })
  return {
    core,
    serve: answer,
    close: async () => {
      stopShowing()
      await stopChecking()
      await definitions.close()
      webhooks.close()
      await storage.close()
    },
  }
}

/** All plugins in their order. */
function allPlugins(
  options: Pick<ServerOptions, 'clock' | 'warnOfUnserved' | 'plugins' | keyof ServiceRanges> & WebhookContext,
): AdmissionPlugin[] {
  const { storage, catalog, clock, random, authorizer, log } = options
  const { podSecurity: security, nodeSelectors, tolerations, eventLimits } = options.plugins?.configuration ?? {}
  return [
    createOnUpdate(authorizer),
    namespaceLifecycle(storage),
    limitRanger(storage),
    serviceAccountAdmission(storage, random),
    nodeRestriction(storage, authorizer),
    nodeTaint(),
    alwaysPullImages(),
    podSecurity(storage, security),
    podNodeSelector(storage, nodeSelectors),
    priorityAdmission(storage),
    defaultTolerations(),
    podTolerationRestriction(storage, tolerations),
    eventRateLimit(clock, eventLimits ?? []),
    extendedResourceToleration(),
    defaultStorageClass(storage),
    storageProtection(),
    ownerPermissions(catalog, authorizer),
    claimResize(storage),
    runtimeClassAdmission(storage),
    certificateAdmission(clock, authorizer),
    defaultIngressClass(storage),
    denyExternalIPs(),
    podTopologyLabels(storage),
    escalationCheck(storage, authorizer),
    deviceAccess(storage, authorizer),
    ...(options.warnOfUnserved ? [unserved()] : []),
    mutatingPolicies(options),
    mutatingWebhooks(options),
    // Webhooks see a Service as it was sent. Its addresses are part of how it is stored.
    serviceAllocation(storage, clock, random, options, log),
    validatingPolicies(options),
    validatingWebhooks(options),
    // The quota comes last, since it counts what it admits.
    resourceQuota(storage, clock),
  ]
}
