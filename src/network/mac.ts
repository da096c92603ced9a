// Hardware addresses that follow from addresses of IP, so that they are the same at every start.
import { createHash } from 'node:crypto'

/** The hardware address for an address of IP. `prefix` is its first two bytes, such as `0a:4b`. */
export function macOf(prefix: string, address: string): string {
  const bytes = address.includes(':')
    ? [...createHash('sha256').update(address).digest().subarray(0, 4)]
    : address.split('.').map(Number)
  return [prefix, ...bytes.map(byte => byte.toString(16).padStart(2, '0'))].join(':')
}
