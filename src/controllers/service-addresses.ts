// Service addresses as objects: every cluster IP of a Service has an IPAddress that names the Service, and goes with
// it. What these objects say is what `kubectl get ipaddresses` shows and what keeps a range from being deleted.
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

/** Its keys are addresses. */
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
          // Somebody took the address by hand just now; the Service has it all the same.
          if (!isReason(error, 'AlreadyExists')) throw error
        }
    }
  },
}

/** What becomes of the object of an address. One that somebody else made is left alone. */
export function planAddress(
  service: Service | undefined,
  existing: IPAddress | undefined,
): 'nothing' | 'create' | 'delete' {
  if (!existing) return service ? 'create' : 'nothing'
  if (existing.metadata.labels?.[managedByLabel] !== serviceAllocator) return 'nothing'
  const { namespace, name } = existing.spec.parentRef
  const same = service?.metadata.namespace === namespace && service?.metadata.name === name
  // Whose an address is cannot be changed: it is made again once it is gone.
  return same ? 'nothing' : 'delete'
}

function objectFor(address: string, { metadata: { namespace = '', name = '' } }: Service) {
  const family = parseIP(address)?.family === 6 ? 'IPv6' : 'IPv4'
  return {
    metadata: { name: address, labels: { [familyLabel]: family, [managedByLabel]: serviceAllocator } },
    spec: { parentRef: { resource: 'services', namespace, name } },
  }
}
