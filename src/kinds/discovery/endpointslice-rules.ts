// What a slice of endpoints may hold. Source: pkg/apis/discovery/validation.
import { named, oneOf, type Problems, supported, validateIP } from '../../api/checks.ts'
import { ipFamily } from '../../api/ip.ts'
import { dnsLabelErrors, dnsSubdomainErrors, labelValueErrors, qualifiedNameErrors } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import { notSpecialIP } from '../core/address-rules.ts'
import { protocols } from '../core/container-rules.ts'
import type { Endpoint, EndpointHints, EndpointPort } from './endpoint.ts'

interface Slice {
  readonly addressType: string
  readonly endpoints?: readonly Endpoint[]
  readonly ports?: readonly EndpointPort[]
}

const maxEndpoints = 1000
const maxPorts = 20_000
const maxAddresses = 100
const maxHints = 8

export function* validateSlice({ addressType, endpoints = [], ports = [] }: Slice, at: Path): Problems {
  yield* oneOf(addressType, ['FQDN', 'IPv4', 'IPv6'], at.field('addressType'))
  // None at all are decoded as null.
  const all = endpoints ?? []
  if (all.length > maxEndpoints) yield at.field('endpoints').tooMany(all.length, maxEndpoints)
  else
    for (const [i, endpoint] of all.entries())
      yield* validateEndpoint(endpoint, addressType, at.field('endpoints').index(i))
  yield* validatePorts(ports ?? [], at.field('ports'))
}

function* validateEndpoint(endpoint: Endpoint, type: string, at: Path): Problems {
  const addresses = endpoint.addresses ?? []
  const path = at.field('addresses')
  if (!addresses.length) yield path.required('must contain at least 1 address')
  else if (addresses.length > maxAddresses) yield path.tooMany(addresses.length, maxAddresses)
  for (const [i, address] of addresses.entries()) yield* validateAddress(address, type, path, path.index(i))
  const { nodeName, hostname, hints } = endpoint
  if (nodeName !== undefined) yield* named(dnsSubdomainErrors, nodeName, at.field('nodeName'))
  if (hostname !== undefined) yield* named(dnsLabelErrors, hostname, at.field('hostname'))
  if (hints) yield* validateHints(hints, at.field('hints'))
}

function* validateAddress(address: string, type: string, list: Path, at: Path): Problems {
  if (type === 'FQDN') return yield* validateDomain(address, at)
  if (type !== 'IPv4' && type !== 'IPv6') return
  const family = ipFamily(address)
  if (!family) return yield* validateIP(address, at)
  if (`IPv${family}` !== type) yield list.invalid(address, `must be an ${type} address`)
  yield* notSpecialIP(address, at)
}

function* validateDomain(name: string, at: Path): Problems {
  if (!name) return yield at.required()
  const domain = name.replace(/\.$/, '')
  const errors = dnsSubdomainErrors(domain)
  if (errors.length) return yield at.invalid(domain, errors.join(','))
  const labels = domain.split('.')
  if (labels.length < 2) yield at.invalid(domain, 'should be a domain with at least two segments separated by dots')
  for (const label of labels) if (dnsLabelErrors(label).length) yield at.invalid(label, dnsLabelErrors(label).join(','))
}

function* validateHints(hints: EndpointHints, at: Path): Problems {
  for (const [field, errors] of [
    ['forZones', labelValueErrors],
    ['forNodes', dnsSubdomainErrors],
  ] as const) {
    const names = (hints[field] ?? []).map(hint => hint.name)
    if (names.length > maxHints) yield at.field(field).tooMany(names.length, maxHints)
    for (const [i, name] of names.entries()) {
      const path = at.field(field).index(i).field('name')
      if (names.indexOf(name) < i) yield path.duplicate(name)
      yield* named(text => errors(text), name, path)
    }
  }
}

function* validatePorts(ports: readonly EndpointPort[], at: Path): Problems {
  if (ports.length > maxPorts) return yield at.tooMany(ports.length, maxPorts)
  const names = new Set<string>()
  for (const [i, { name = '', protocol, appProtocol }] of ports.entries()) {
    const path = at.index(i)
    if (name) yield* named(dnsLabelErrors, name, path.field('name'))
    if (names.has(name)) yield path.field('name').duplicate(name)
    names.add(name)
    yield* supported(protocol, protocols, path.field('protocol'))
    if (appProtocol !== undefined) yield* named(qualifiedNameErrors, appProtocol, path.field('appProtocol'))
  }
}
