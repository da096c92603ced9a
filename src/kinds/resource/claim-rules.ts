// What a claim for devices may ask for, alone and as a template.
// Source: pkg/apis/resource/validation (validateDeviceClaim and below).
import { named, type Problems, requiredName, supported } from '../../api/checks.ts'
import { dnsLabelErrors, dnsSubdomainErrors } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import type { Mutable } from '../../api/schema/node.ts'
import {
  validateConfiguration,
  validateDeviceName,
  validateEach,
  validateFullName,
  validateSelectors,
  validateSet,
  validateTolerations,
} from './device-rules.ts'
import type {
  DeviceClaim,
  DeviceConstraint,
  DeviceRequest,
  DeviceSubRequest,
  ExactDeviceRequest,
  ResourceClaimSpec,
} from './types.ts'

type Spec = ResourceClaimSpec

const maxRequests = 32
const maxAlternatives = 8

/** Requests ask for one device unless they say otherwise. */
export function defaultClaim({ devices }: Mutable<ResourceClaimSpec>): void {
  for (const { exactly, firstAvailable } of devices.requests ?? [])
    for (const request of [...(exactly ? [exactly] : []), ...(firstAvailable ?? [])]) {
      request.allocationMode ||= 'ExactCount'
      if (request.allocationMode === 'ExactCount') request.count ||= 1
    }
}

export function* validateClaim({ devices }: Spec, at: Path): Problems {
  const { requests, constraints, config } = devices
  const names = namesOf(devices)
  const path = at.field('devices')
  yield* validateSet(requests ?? [], maxRequests, validateRequest, r => r.name, path.field('requests'))
  yield* validateEach(
    constraints ?? [],
    maxRequests,
    (constraint, where) => validateConstraint(constraint, names, where),
    path.field('constraints'),
  )
  yield* validateEach(
    config ?? [],
    maxRequests,
    function* (configuration, where) {
      yield* validateReferences(configuration.requests, names, where.field('requests'))
      yield* validateConfiguration(configuration, where)
    },
    path.field('config'),
  )
}

/** What can be referred to: requests, and parts of them as `request/part`. */
export function namesOf({ requests }: DeviceClaim): ReadonlySet<string> {
  return new Set(
    (requests ?? []).flatMap(({ name, firstAvailable = [] }) => [
      name,
      ...firstAvailable.map(part => `${name}/${part.name}`),
    ]),
  )
}

const oneOfTwo = 'exactly one of `exactly` or `firstAvailable` is required'

function* validateRequest(request: DeviceRequest, at: Path): Problems {
  const { name, exactly, firstAvailable = [] } = request
  yield* validateDeviceName(name, at.field('name'))
  if (exactly && firstAvailable.length) yield at.invalid(undefined, `${oneOfTwo}, but multiple fields are set`)
  else if (exactly) yield* validateExact(exactly, at.field('exactly'))
  else if (firstAvailable.length)
    yield* validateSet(
      firstAvailable,
      maxAlternatives,
      function* (part, where) {
        yield* validateDeviceName(part.name, where.field('name'))
        yield* validateExact(part, where)
      },
      part => part.name,
      at.field('firstAvailable'),
    )
  else yield at.required(oneOfTwo)
}

function* validateExact(request: ExactDeviceRequest | DeviceSubRequest, at: Path): Problems {
  const { deviceClassName, selectors = [], allocationMode, count = 0, tolerations } = request
  yield* requiredName(dnsSubdomainErrors, deviceClassName, at.field('deviceClassName'))
  yield* validateSelectors(selectors, at.field('selectors'))
  yield* supported(allocationMode, ['All', 'ExactCount'], at.field('allocationMode'))
  if (allocationMode === 'All' && count !== 0)
    yield at.field('count').invalid(count, "must not be specified when allocationMode is 'All'")
  if (allocationMode === 'ExactCount' && count <= 0) yield at.field('count').invalid(count, 'must be greater than zero')
  yield* validateTolerations(tolerations, at.field('tolerations'))
}

function* validateConstraint(constraint: DeviceConstraint, names: ReadonlySet<string>, at: Path): Problems {
  const { requests, matchAttribute, distinctAttribute } = constraint
  yield* validateReferences(requests, names, at.field('requests'))
  if (matchAttribute !== undefined) yield* validateFullName(matchAttribute, at.field('matchAttribute'))
  else if (distinctAttribute !== undefined) yield* validateFullName(distinctAttribute, at.field('distinctAttribute'))
  else
    yield at.required('exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set')
}

/** Requests that something is for, each of which there must be. */
export const validateReferences = (
  requests: readonly string[] | undefined,
  names: ReadonlySet<string>,
  at: Path,
): Problems =>
  validateSet(
    requests ?? [],
    maxRequests,
    (name, where) => validateReference(name, names, where),
    name => name,
    at,
  )

export function* validateReference(name: string, names: ReadonlySet<string>, at: Path): Problems {
  const unknown =
    "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
  const parts = name.split('/')
  if (parts.length > 2) return yield at.invalid(name, unknown)
  for (const part of parts) yield* named(dnsLabelErrors, part, at)
  if (!names.has(name)) yield at.invalid(name, unknown)
}
