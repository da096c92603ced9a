// The conditions that devices of a claim meet together: an attribute that is the same for all of them, or different for
// each. A device that breaks one breaks it whatever else is chosen, so that the search can turn back at once.
// Source: dynamic-resource-allocation structured/internal/incubating (constraint.go, matchAttributeConstraint).
import { own } from '../../base/own.ts'
import type { Device, DeviceAttribute } from '../../kinds/resource/resourceslicespec.ts'
import type { DeviceConstraint } from '../../kinds/resource/types.ts'

/** The part of a claim that a device would be for: `request`, or `request/part`. */
interface For {
  request: string
  part?: string
}

/** The state of one constraint during a search. `take` and `giveBack` are called in the order of a stack. */
export interface Constraint {
  /** Takes a device in. False if that would break the constraint, and then nothing has changed. */
  take(device: Device, driver: string, wanted: For): boolean
  /** Takes the last device back that was taken in. */
  giveBack(wanted: For): void
}

export function makeConstraint({ requests = [], matchAttribute, distinctAttribute }: DeviceConstraint): Constraint {
  const name = matchAttribute ?? distinctAttribute ?? ''
  const chosen: string[] = []
  const applies = ({ request, part }: For) =>
    !requests.length || requests.includes(request) || (part !== undefined && requests.includes(`${request}/${part}`))
  return {
    take(device, driver, wanted) {
      if (!applies(wanted)) return true
      const value = comparable(attributeOf(device, driver, name))
      if (value === undefined) return false
      if (matchAttribute === undefined ? chosen.includes(value) : chosen.length > 0 && chosen[0] !== value) return false
      chosen.push(value)
      return true
    },
    giveBack(wanted) {
      if (applies(wanted)) chosen.pop()
    },
  }
}

/** An attribute by its full name, which a driver may leave out for its own domain. */
function attributeOf({ attributes }: Device, driver: string, name: string): DeviceAttribute | undefined {
  const slash = name.indexOf('/')
  return own(attributes, name) ?? (name.slice(0, slash) === driver ? own(attributes, name.slice(slash + 1)) : undefined)
}

/** A text that is the same for the same value of the same type. Lists have none: they match nothing. */
function comparable(attribute: DeviceAttribute | undefined): string | undefined {
  const { string, int, bool, version } = attribute ?? {}
  if (string !== undefined) return `string ${string}`
  if (int !== undefined) return `int ${int}`
  if (bool !== undefined) return `bool ${bool}`
  return version === undefined ? undefined : `version ${version}`
}
