// The controllers: each watches some kinds and brings what exists closer to what specs ask for, one object and one step
// at a time. Read harness.ts for what a controller is, replicaset.ts for the model of one, and the plan functions for
// what they decide.
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { KindSource } from '../api/kind-source.ts'
import type { Client } from '../client/index.ts'
import { autoscalerController } from './autoscaling/autoscaler.ts'
import { cronJobController } from './cronjob/cronjob.ts'
import { daemonSetController } from './daemonset/daemonset.ts'
import { disruptionController } from './disruption/budget.ts'
import { staleDisruptionController } from './disruption/stale.ts'
import { jobController } from './job/job.ts'
import { jobOrphanController } from './job/orphans.ts'
import { statefulSetController } from './statefulset/statefulset.ts'
import { deploymentController } from './deployment/deployment.ts'
import { endpointsController } from './endpoints/endpoints.ts'
import { endpointSliceController } from './endpoints/endpointslice.ts'
import { endpointSliceMirroringController } from './endpoints/mirroring.ts'
import { eventTtlController } from './event-ttl.ts'
import { garbageCollector } from './gc/collector.ts'
import type { Controller } from './harness.ts'
import { namespaceController } from './namespace.ts'
import { type MaskSizes, nodeIpamController } from './node-ipam.ts'
import { taintEvictionController } from './node/eviction.ts'
import { nodeLifecycleController } from './node/lifecycle.ts'
import { podGcController } from './pod-gc.ts'
import { replicaSetController } from './replicaset.ts'
import { replicationControllerController } from './replicationcontroller.ts'
import { rootCaController } from './root-ca.ts'
import { runController } from './run.ts'
import { nodeTtlController } from './node/ttl.ts'
import { resourceQuotaController } from './resource-quota.ts'
import { roleAggregationController } from './role-aggregation.ts'
import { serviceAccountController } from './serviceaccount/accounts.ts'
import { legacyTokenCleaner } from './serviceaccount/legacy-tokens.ts'
import { tokenSecretController } from './serviceaccount/tokens.ts'
import { gatewayStatusController, type GatewaySharing } from './gateway/gateway.ts'
import { ingressStatusController } from './ingress-status.ts'
import { loadBalancerController, type LoadBalancing } from './loadbalancer/loadbalancer.ts'
import { clusterInfoSigner } from './bootstrap/cluster-info.ts'
import { bootstrapTokenCleaner } from './bootstrap/token-cleaner.ts'
import { certificateApprover } from './certificates/approving.ts'
import { certificateCleaner } from './certificates/cleaning.ts'
import { certificateSigner } from './certificates/signing.ts'
import type { Authority } from '../wire/x509.ts'
import { serviceAddressController } from './service-addresses.ts'
import { serviceCidrController } from './service-cidr.ts'
import { classProtectionController, pvcProtectionController, pvProtectionController } from './storage-protection.ts'
import { directoryController, type NodeDirectories } from './volumes/directories.ts'
import { attachDetachController } from './volumes/attach-detach.ts'
import { ephemeralVolumeController } from './volumes/ephemeral.ts'
import { volumeBinder } from './volumes/binder.ts'
import { resourceClaimController } from './resourceclaim/resourceclaim.ts'
import { deviceTaintEvictionController } from './resourceclaim/taint-eviction.ts'
import { ttlAfterFinishedController } from './ttl-after-finished.ts'

export type { GatewaySharing } from './gateway/gateway.ts'
export type { LoadBalancing } from './loadbalancer/loadbalancer.ts'
export { directoryProvisioner, type NodeDirectories, sharedParameter } from './volumes/directories.ts'

interface ControllersOptions {
  /** The client whose mirrors all controllers share. */
  reader: Client
  /** A client that acts as this service account of kube-system. */
  clientFor(account: string): Client
  clock: Clock
  random: Random
  log: Log
  /** Ends all controllers. */
  signal: AbortSignal
  /** All kinds that the cluster serves. The garbage collector and the namespace controller work on all of them. */
  kinds: KindSource
  /** The certificate authority of the API server; without it no ConfigMap kube-root-ca.crt is published. */
  caPem?: string
  /** Signs certificate requests. Without it they are approved and not signed. */
  authority?: Authority
  /** The longest life of a certificate signed here, in milliseconds; default a year. */
  certificateLifeMs?: number
  /** Signs the claims of service account tokens; without it no Secret gets one. */
  signToken?(claims: Record<string, unknown>): string
  /** The range of pod addresses. Without it no controller sets the podCIDR of nodes. */
  clusterCidr?: string
  /** Prefix lengths of a node's ranges; default 24 and 64. */
  nodeMaskSizes?: Partial<MaskSizes>
  /** How long a node may give no sign of life before its conditions become Unknown. Default 50 s. */
  nodeMonitorGraceMs?: number
  /** The directories of nodes; without them no class for directories is provisioned. */
  directories?: NodeDirectories
  /** How Services of type LoadBalancer get addresses; without it they are left to others. */
  loadBalancing?: LoadBalancing
  /** How Gateways are served; without it Gateway API is left to others. */
  gateways?: GatewaySharing
  /** Names of controllers that do not run. */
  disable?: readonly string[]
}

/** Starts the controllers. Resolves when the mirrors of all are filled. They end when the signal aborts. */
export async function startControllers(options: ControllersOptions): Promise<void> {
  const { reader, clientFor, clock, random, log, signal, disable = [] } = options
  const clientOf = ({ identity, name }: Controller) => (identity === null ? reader : clientFor(identity ?? name))
  const wanted = controllersFor(options).filter(controller => !disable.includes(controller.name))
  await Promise.all(
    wanted.map(controller =>
      runController(controller, {
        reader,
        client: clientOf(controller),
        clock,
        random,
        log,
        signal,
        kinds: options.kinds,
      }),
    ),
  )
}

function controllersFor(options: ControllersOptions): Controller[] {
  const { kinds, caPem, clusterCidr, nodeMonitorGraceMs, authority, certificateLifeMs, signToken } = options
  return [
    deploymentController,
    replicaSetController,
    replicationControllerController,
    daemonSetController(),
    statefulSetController,
    jobController,
    jobOrphanController,
    cronJobController,
    ttlAfterFinishedController,
    volumeBinder,
    ephemeralVolumeController,
    resourceClaimController,
    deviceTaintEvictionController,
    attachDetachController(),
    ...(options.directories ? [directoryController(options.directories)] : []),
    pvcProtectionController,
    pvProtectionController,
    classProtectionController,
    autoscalerController(kinds),
    disruptionController(kinds),
    staleDisruptionController,
    resourceQuotaController(kinds),
    endpointsController,
    endpointSliceController,
    serviceAddressController,
    serviceCidrController,
    endpointSliceMirroringController,
    serviceAccountController,
    ...(caPem ? [rootCaController(caPem)] : []),
    ...(caPem && signToken ? [tokenSecretController({ caPem, sign: signToken })] : []),
    legacyTokenCleaner,
    certificateApprover,
    ...(authority ? [certificateSigner(authority, certificateLifeMs)] : []),
    certificateCleaner,
    clusterInfoSigner,
    bootstrapTokenCleaner,
    namespaceController(kinds),
    garbageCollector(kinds),
    podGcController(),
    nodeLifecycleController(nodeMonitorGraceMs),
    taintEvictionController(),
    ...(clusterCidr ? [nodeIpamController(clusterCidr, options.nodeMaskSizes)] : []),
    nodeTtlController(),
    roleAggregationController,
    eventTtlController,
    ingressStatusController,
    ...(options.gateways ? [gatewayStatusController(options.gateways)] : []),
    ...(options.loadBalancing ? [loadBalancerController(options.loadBalancing)] : []),
  ]
}
