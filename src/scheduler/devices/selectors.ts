// Whether a device matches a selector: a CEL expression over its driver, attributes and capacity. Expressions are
// compiled once. Answers are kept with the device, since neither of them changes; a changed slice has other devices.
// Source: dynamic-resource-allocation cel/compile.go, cel/cache.go.
import {
  adaptUntyped,
  compile,
  Failure,
  LazyMap,
  makeQuantity,
  makeSemver,
  type Program,
  type Value,
} from '../../cel/index.ts'
import type { Device, DeviceAttribute } from '../../kinds/resource/resourceslicespec.ts'
import { selectorEnvironment } from '../../kinds/resource/selector-expression.ts'

/** Compiled expressions that are kept, and answers that are kept with a device. */
const maxPrograms = 200
const maxAnswers = 64

const programs = new Map<string, Program | Error>()
const answers = new WeakMap<Device, Map<string, boolean | Error>>()
const values = new WeakMap<Device, Value>()

/**
 * Whether a device matches an expression.
 * @throws Error when the expression cannot be compiled, fails for this device, or has no boolean for an answer
 */
export function matchesSelector(expression: string, device: Device, driver: string): boolean {
  let known = answers.get(device)
  if (!known) answers.set(device, (known = new Map()))
  let answer = known.get(expression)
  if (answer === undefined) {
    answer = evaluate(expression, device, driver)
    if (known.size >= maxAnswers) known.clear()
    known.set(expression, answer)
  }
  if (answer instanceof Error) throw answer
  return answer
}

function evaluate(expression: string, device: Device, driver: string): boolean | Error {
  const program = programOf(expression)
  if (program instanceof Error) return program
  const { value } = program.evaluate({ device: valueOf(device, driver) })
  if (value instanceof Failure) return new Error(`CEL runtime error: ${value.message}`)
  return typeof value === 'boolean' ? value : new Error('CEL runtime error: the result is not a boolean')
}

function programOf(expression: string): Program | Error {
  let program = programs.get(expression)
  if (program) programs.delete(expression)
  else {
    const compiled = compile(expression, selectorEnvironment)
    program =
      compiled.error === undefined
        ? compiled.program
        : new Error(`CEL compile error: ${compiled.foundBy} failed: ${compiled.error}`)
  }
  programs.set(expression, program)
  if (programs.size > maxPrograms) programs.delete(programs.keys().next().value!)
  return program
}

/** The variable `device` of expressions. */
function valueOf(device: Device, driver: string): Value {
  let value = values.get(device)
  if (value === undefined) {
    const fields: Record<string, () => Value> = {
      driver: () => driver,
      allowMultipleAllocations: () => device.allowMultipleAllocations ?? false,
      attributes: () => byDomain(device.attributes ?? {}, driver, attributeValue),
      capacity: () => byDomain(device.capacity ?? {}, driver, ({ value: amount }) => makeQuantity(amount)),
    }
    values.set(device, (value = new LazyMap(Object.keys(fields), name => fields[name]!())))
  }
  return value
}

const nothing = new LazyMap([], () => null)

/** Names without a domain are in that of the driver. A domain that the device does not have is an empty map. */
function byDomain<T>(all: Readonly<Record<string, T>>, driver: string, read: (entry: T) => Value): Value {
  const domains = new Map<string, Map<string, T>>()
  for (const [name, entry] of Object.entries(all)) {
    const slash = name.indexOf('/')
    const domain = slash < 0 ? driver : name.slice(0, slash)
    let ids = domains.get(domain)
    if (!ids) domains.set(domain, (ids = new Map()))
    ids.set(name.slice(slash + 1), entry)
  }
  return new LazyMap(
    [...domains.keys()],
    domain => {
      const ids = domains.get(domain)!
      return new LazyMap([...ids.keys()], id => read(ids.get(id)!))
    },
    nothing,
  )
}

function attributeValue({ int, bool, string, version, ints, bools, strings, versions }: DeviceAttribute): Value {
  if (int !== undefined) return BigInt(int)
  if (version !== undefined) return makeSemver(version)
  return bool ?? string ?? adaptUntyped(ints ?? bools ?? strings ?? versions ?? null)
}
