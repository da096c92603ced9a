// Service addresses as objects: keeps an IPAddress for every cluster IP of a Service, which names the Service. These
// objects are what `kubectl get ipaddresses` shows, and they keep a ServiceCIDR from being deleted.
// Source: pkg/registry/core/service/ipallocator (ipallocator.go), controller/repairip.go.
import { isReason } from '../base/errors.ts'
import { parseIP } from '../api/ip.ts'
import type { MirrorChange } from '../api/mirror.ts'
import { Service } from '../kinds/core/service.ts'
import { familyLabel, IPAddress, managedByLabel, serviceAllocator } from '../kinds/networking/ipaddress.ts'
import type { Controller } from './harness.ts'

const addressesOf = (service: Service): string[] => (service.spec.clusterIPs ?? []).filter(ip => ip !== 'None')

const changed = ({ item, before }: MirrorChange): string[] => [
  ...addressesOf(item.object as Service),
  ...(before ? addressesOf(before.object as Service) : []),
]

/** The keys of this controller are addresses. */
export const serviceAddressController: Controller = {
  name: 'service-ip-address-controller',
  workers: 5,
  kinds: [Service, IPAddress],
  watches: [
    { kind: Service, keys: changed },
    { kind: IPAddress, keys: ({ item }) => [item.object.metadata.name ?? ''] },
  ],
  async reconcile(address, ctx) {
    const service = ctx.cache(Service).byIndex('clusterIPs', addressesOf, address)[0]
    const existing = ctx.cache(IPAddress).get(undefined, address)
    switch (planAddress(service, existing)) {
      case 'nothing':
        return
      case 'delete':
        await ctx.delete(IPAddress, existing!)
        return
      case 'create':
        try {
          await ctx.create(IPAddress, objectFor(address, service!))
        } catch (error) {
          // A user has just created an object for the address. The Service keeps the address.
          if (!isReason(error, 'AlreadyExists')) throw error
        }
    }
  },
}

/** What happens to the object of an address. An object that a user created stays as it is. */
export function planAddress(
  service: Service | undefined,
  existing: IPAddress | undefined,
): 'nothing' | 'create' | 'delete' {
  if (!existing) return service ? 'create' : 'nothing'
  if (existing.metadata.labels?.[managedByLabel] !== serviceAllocator) return 'nothing'
  const { namespace, name } = existing.spec.parentRef
  const same = service?.metadata.namespace === namespace && service?.metadata.name === name
  // `parentRef` cannot be changed, so the object is deleted, and created again when the deletion wakes the key.
  return same ? 'nothing' : 'delete'
}

function objectFor(address: string, { metadata: { namespace = '', name = '' } }: Service) {
  const family = parseIP(address)?.family === 6 ? 'IPv6' : 'IPv4'
  return {
    metadata: { name: address, labels: { [familyLabel]: family, [managedByLabel]: serviceAllocator } },
    spec: { parentRef: { resource: 'services', namespace, name } },
  }
}
