// What claims, classes and slices of devices have in common: names, selectors, settings, taints and tolerations.
// Source: pkg/apis/resource/validation.
import { named, oneOf, type Problems, supported } from '../../api/checks.ts'
import {
  dnsLabelErrors,
  dnsSubdomainErrors,
  identifierErrors,
  labelValueErrors,
  qualifiedNameErrors,
} from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import { validateDriverName } from '../core/volume-source-rules.ts'
import { validateSelectorExpression } from './selector-expression.ts'
import type { DeviceConfiguration, DeviceSelector, DeviceTaint, DeviceToleration } from './types.ts'

const maxIdentifierBytes = 32
const maxPoolBytes = 253
const maxSelectors = 32
const maxParameterBytes = 10 * 1024
const maxExpressionBytes = 10 * 1024
const effects = ['NoExecute', 'NoSchedule', 'None']

/** Names of devices, requests and counters. An empty one is as wrong as any other. */
export const validateDeviceName = (name: string, at: Path): Problems => named(dnsLabelErrors, name, at)

/** The elements of a list that may only be so long. If it is longer, nothing else is said about it. */
export function* validateEach<T>(
  list: readonly T[],
  max: number,
  check: (element: T, at: Path) => Problems,
  at: Path,
): Problems {
  if (max >= 0 && list.length > max) return yield at.tooMany(list.length, max)
  for (const [i, element] of list.entries()) yield* check(element, at.index(i))
}

/** The same for lists whose elements must have distinct keys. */
export function* validateSet<T>(
  list: readonly T[],
  max: number,
  check: (element: T, at: Path) => Problems,
  key: (element: T) => string,
  at: Path,
): Problems {
  yield* validateEach(list, max, check, at)
  if (max >= 0 && list.length > max) return
  const keys = list.map(key)
  for (const [i, k] of keys.entries()) if (keys.indexOf(k) < i) yield at.index(i).duplicate(k)
}

/** A name that may have a domain before it. */
export function* validateAttributeName(name: string, at: Path): Problems {
  const [domain, id, more] = name.split('/')
  // Kubernetes lets them through.
  if (more !== undefined) return
  if (id === undefined) return yield* validateIdentifier(name, at)
  if (domain) yield* validateDriverName(domain, at)
  else yield at.invalid('', 'the domain must not be empty')
  if (id) yield* validateIdentifier(id, at)
  else yield at.invalid('', 'the name must not be empty')
}

/** A name that has one. */
export function* validateFullName(name: string, at: Path): Problems {
  yield* validateAttributeName(name, at)
  if (!name.includes('/'))
    yield at.invalid(name, 'a fully qualified name must be a domain and a name separated by a slash')
}

function* validateIdentifier(id: string, at: Path): Problems {
  if (Buffer.byteLength(id) > maxIdentifierBytes) yield at.tooLong(maxIdentifierBytes)
  yield* named(identifierErrors, id, at)
}

export function* validatePoolName(name: string, at: Path): Problems {
  if (!name) return yield at.required()
  if (Buffer.byteLength(name) > maxPoolBytes) yield at.tooLong(maxPoolBytes)
  for (const part of name.split('/')) yield* named(dnsSubdomainErrors, part, at)
}

export const validateSelectors = (selectors: readonly DeviceSelector[], at: Path): Problems =>
  validateEach(selectors, maxSelectors, validateSelector, at)

function* validateSelector({ cel }: DeviceSelector, at: Path): Problems {
  if (!cel) return yield at.field('cel').required()
  const path = at.field('cel', 'expression')
  if (Buffer.byteLength(cel.expression) > maxExpressionBytes) yield path.tooLong(maxExpressionBytes)
  else yield* validateSelectorExpression(cel.expression, path)
}

/** Settings that only a driver understands: an object of whatever. */
export function* validateConfiguration({ opaque }: DeviceConfiguration, at: Path): Problems {
  if (!opaque) return yield at.field('opaque').required()
  yield* validateDriverName(opaque.driver, at.field('opaque', 'driver'))
  yield* validateRaw(opaque.parameters, maxParameterBytes, at.field('opaque', 'parameters'))
}

/** Any object, as JSON not longer than `max`. */
export function* validateRaw(value: unknown, max: number, at: Path): Problems {
  if (value === undefined || value === null) yield at.required()
  else if (Buffer.byteLength(JSON.stringify(value)) > max) yield at.tooLong(max)
  else if (typeof value !== 'object' || Array.isArray(value))
    yield at.invalid('<value omitted>', 'must be a valid JSON object')
}

export function* validateTaint({ key, value, effect }: DeviceTaint, at: Path): Problems {
  yield* named(qualifiedNameErrors, key, at.field('key'))
  if (value) yield* named(labelValueErrors, value, at.field('value'))
  yield* oneOf(effect, effects, at.field('effect'))
}

export function* validateTolerations(tolerations: readonly DeviceToleration[] | undefined, at: Path): Problems {
  for (const [i, { key, operator, value = '', effect }] of (tolerations ?? []).entries()) {
    const path = at.index(i)
    if (key) yield* named(qualifiedNameErrors, key, path.field('key'))
    if (operator === 'Exists') {
      if (value) yield path.field('value').invalid(value, 'must be empty for operator `Exists`')
    } else if (operator === 'Equal') yield* named(labelValueErrors, value, path.field('value'))
    else yield* oneOf(operator, ['Equal', 'Exists'], path.field('operator'))
    if (effect) yield* supported(effect, effects, path.field('effect'))
  }
}

const maxConditions = 4

interface Binding {
  readonly bindingConditions?: readonly string[]
  readonly bindingFailureConditions?: readonly string[]
}

/** Conditions to wait for, and conditions not to wait any longer: both or none, and no condition in both. */
export function* validateBinding(device: Binding, at: Path): Problems {
  const { bindingConditions: good = [], bindingFailureConditions: bad = [] } = device
  const [goodAt, badAt] = [at.field('bindingConditions'), at.field('bindingFailureConditions')]
  const check = (name: string, path: Path) => named(qualifiedNameErrors, name, path)
  yield* validateEach(good, maxConditions, check, goodAt)
  yield* validateEach(bad, maxConditions, check, badAt)
  for (const [i, name] of good.entries()) if (good.indexOf(name) < i) yield goodAt.index(i).duplicate(name)
  for (const [i, name] of bad.entries()) {
    if (bad.indexOf(name) < i) yield badAt.index(i).duplicate(name)
    if (good.includes(name))
      yield badAt.index(i).invalid(name, 'bindingFailureConditions must not overlap with bindingConditions')
  }
  if (!good.length && bad.length)
    yield goodAt.invalid(device.bindingConditions, 'bindingConditions are required to use bindingFailureConditions')
  if (!bad.length && good.length)
    yield badAt.invalid(
      device.bindingFailureConditions,
      'bindingFailureConditions are required to use bindingConditions',
    )
}
