// What Endpoints may hold. Source: pkg/apis/core/validation (validateEndpointSubsets).
import { named, oneOf, type Problems, requiredName, validateIP } from '../../api/checks.ts'
import { dnsLabelErrors, dnsSubdomainErrors, portErrors, qualifiedNameErrors } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import { notSpecialIP } from './address-rules.ts'
import { protocols } from './container-rules.ts'
import type { EndpointAddress, EndpointPort, EndpointSubset } from './endpointsubset.ts'

export function* validateSubsets(subsets: readonly EndpointSubset[] | undefined, at: Path): Problems {
  for (const [i, { addresses = [], notReadyAddresses = [], ports = [] }] of (subsets ?? []).entries()) {
    const path = at.index(i)
    if (!addresses.length && !notReadyAddresses.length)
      yield path.required('must specify `addresses` or `notReadyAddresses`')
    for (const [j, address] of addresses.entries()) yield* validateAddress(address, path.field('addresses').index(j))
    for (const [j, address] of notReadyAddresses.entries())
      yield* validateAddress(address, path.field('notReadyAddresses').index(j))
    for (const [j, port] of ports.entries()) yield* validatePort(port, ports.length > 1, path.field('ports').index(j))
  }
}

function* validateAddress({ ip, hostname, nodeName }: EndpointAddress, at: Path): Problems {
  yield* validateIP(ip, at.field('ip'))
  if (hostname) yield* named(dnsLabelErrors, hostname, at.field('hostname'))
  if (nodeName !== undefined) yield* named(dnsSubdomainErrors, nodeName, at.field('nodeName'))
  yield* notSpecialIP(ip, at.field('ip'))
}

function* validatePort({ name, port, protocol, appProtocol }: EndpointPort, needsName: boolean, at: Path): Problems {
  if (name || needsName) yield* requiredName(dnsLabelErrors, name, at.field('name'))
  for (const error of portErrors(port)) yield at.field('port').invalid(port, error)
  yield* oneOf(protocol, protocols, at.field('protocol'))
  if (appProtocol !== undefined) yield* named(qualifiedNameErrors, appProtocol, at.field('appProtocol'))
}
