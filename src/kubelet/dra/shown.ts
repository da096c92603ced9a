// What is shown of the claims of pods: the health of their devices in the statuses of containers, and their devices in
// podresources. Pure. Source: pkg/kubelet/cm/dra/manager.go (UpdateAllocatedResourcesStatus),
// pkg/kubelet/cm/container_manager_linux.go (GetDynamicResources).
import type { Pod } from '../../kinds/core/pod.ts'
import type { ResourceHealth, ResourceStatus } from '../../kinds/core/podstatus.ts'
import { namespaceOf, type ReadContainer } from '../pod/spec.ts'
import type { DeviceHealth } from './health.ts'
import { isForRequest, usesOf } from './pod-claims.ts'
import type { NodeClaim, PreparedDevice } from './prepared.ts'

/** What the answers are made from. */
interface ClaimsNow {
  claim(namespace: string, name: string): NodeClaim | undefined
  healthOf(driver: string, device: string): DeviceHealth
}

/** The health of the devices of a container, by claim and request. */
export function claimHealth(pod: Pod, container: ReadContainer, now: ClaimsNow): ResourceStatus[] {
  return usesOrNone(pod, container).flatMap(({ claim, request, shownAs }) => {
    const resources = new Map<string, ResourceHealth>()
    for (const [driver, device] of devicesIn(now.claim(namespaceOf(pod), claim))) {
      if (!isForRequest(device.requests, request)) continue
      const resourceID = device.cdiIds[0] ?? `${driver}/${device.pool}/${device.device}`
      const { health, message } = now.healthOf(driver, `${device.pool}/${device.device}`)
      if (!resources.has(resourceID)) resources.set(resourceID, { resourceID, health, ...(message && { message }) })
    }
    return shownAs !== undefined && resources.size ? [{ name: shownAs, resources: [...resources.values()] }] : []
  })
}

interface DynamicResource {
  claimName: string
  claimNamespace: string
  claimResources: {
    cdiDevices: { name: string }[]
    driverName: string
    poolName: string
    deviceName: string
    shareId: string
  }[]
}

/** The claims of a container with all their devices. */
export function dynamicResources(pod: Pod, container: ReadContainer, now: Pick<ClaimsNow, 'claim'>): DynamicResource[] {
  const names = new Set(usesOrNone(pod, container).map(({ claim }) => claim))
  return Array.from(names).flatMap(name => {
    const claim = now.claim(namespaceOf(pod), name)
    if (!claim) return []
    const claimResources = devicesIn(claim).map(([driverName, { pool, device, shareId, cdiIds }]) => ({
      cdiDevices: cdiIds.map(id => ({ name: id })),
      driverName,
      poolName: pool,
      deviceName: device,
      shareId,
    }))
    return [{ claimName: name, claimNamespace: claim.namespace, claimResources }]
  })
}

/** What a container uses; nothing while a claim is not made yet. */
function usesOrNone(pod: Pod, container: ReadContainer): ReturnType<typeof usesOf> {
  try {
    return usesOf(pod, container)
  } catch {
    return []
  }
}

const devicesIn = (claim: NodeClaim | undefined): [string, PreparedDevice][] =>
  Array.from(claim?.drivers ?? []).flatMap(([driver, devices]) =>
    devices.map((device): [string, PreparedDevice] => [driver, device]),
  )
