// How much of a device's capacity a request uses. A device with a policy says which amounts there are: a request is
// rounded up to the next of them. Without a request, the default of the policy counts, or all of the capacity.
// Source: dynamic-resource-allocation structured/internal/incubating/consumable_capacity.go.
import { canonicalQuantity, quantityNanos } from '../../api/quantity.ts'
import type { Device, DeviceCapacity } from '../../kinds/resource/resourceslicespec.ts'
import type { CapacityRequirements } from '../../kinds/resource/types.ts'

const nanos = (text: string) => quantityNanos(text) ?? 0n
const billion = 1_000_000_000n

/**
 * What a request uses of each capacity of a device, as quantities. Undefined if the device lacks a capacity that is
 * asked for, has less of it, or its policy does not allow the amount.
 */
export function consumption(
  device: Device,
  required: CapacityRequirements | undefined,
): Readonly<Record<string, string>> | undefined {
  const { capacity = {} } = device
  const requests = required?.requests ?? {}
  if (Object.keys(requests).some(name => !Object.hasOwn(capacity, name))) return undefined
  const amounts: Record<string, string> = {}
  for (const [name, available] of Object.entries(capacity)) {
    const amount = amountOf(Object.hasOwn(requests, name) ? requests[name] : undefined, available)
    if (amount === undefined || nanos(amount) > nanos(available.value)) return undefined
    amounts[name] = amount
  }
  return amounts
}

function amountOf(requested: string | undefined, { value, requestPolicy: policy }: DeviceCapacity): string | undefined {
  if (requested === undefined) return policy?.default ?? value
  const { validRange: range, validValues: values = [] } = policy ?? {}
  if (range?.min !== undefined) {
    const rounded = inRange(requested, range.min, range.step)
    return range.max !== undefined && nanos(rounded) > nanos(range.max) ? undefined : rounded
  }
  return values.length ? values.find(valid => nanos(valid) >= nanos(requested)) : requested
}

/** The amount, or the least above it that is a whole number of steps from `min`. */
function inRange(requested: string, min: string, step: string | undefined): string {
  const above = nanos(requested) - nanos(min)
  if (above <= 0n) return min
  const one = step === undefined ? 0n : nanos(step)
  if (one <= 0n || above % one === 0n) return requested
  const rounded = nanos(min) + (above / one + 1n) * one
  return rounded % billion === 0n ? binaryText(rounded / billion) : canonicalQuantity(`${rounded}n`)
}

/** A whole number in the form with Ki, Mi, …, as amounts of memory are written. */
function binaryText(units: bigint): string {
  const kibi = units / 1024n
  return units > 0n && units % 1024n === 0n ? canonicalQuantity(`${kibi}Ki`) : String(units)
}
