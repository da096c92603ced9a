// The number of a port that a probe or hook gives by number, or by its name in the container's spec.
import { StatusError } from '../../base/errors.ts'
import type { ReadContainer } from '../pod/spec.ts'

export function portOf(container: ReadContainer, port: number | string): number {
  if (typeof port === 'number') return port
  const named = container.ports?.find(p => p.name === port)
  if (named) return named.containerPort
  const number = Number(port)
  if (Number.isInteger(number) && number > 0 && number < 65_536) return number
  throw new StatusError('BadRequest', `couldn't find port: "${port}" in container ${container.name}`)
}
