// Flows of UDP to addresses whose endpoints have changed. UDP has no end of a connection, so the kernel would send them
// to removed endpoints for as long as they last. Flows that began before there was an endpoint would stay without
// translation.
import type { Fragment } from './fragment.ts'

/** The flows to delete from the kernel's conntrack after a change, as arguments of conntrack(8). Pure. */
export function staleFlows(before: Fragment, after: Fragment): string[] {
  return [...new Set([...before.entries.keys(), ...after.entries.keys()])].flatMap(entry => {
    const flow = flowTo(entry)
    if (!flow) return []
    const [old, now] = [before.entries.get(entry) ?? [], new Set(after.entries.get(entry))]
    if (!old.length) return now.size ? [flow] : []
    return old.filter(ip => !now.has(ip)).map(ip => `${flow} --reply-src ${ip}`)
  })
}

/** `10.96.0.20 . udp . 53` is an address, and `udp . 30053 . ip6` a port of the node. Undefined when it is not of UDP. */
function flowTo(entry: string): string | undefined {
  const parts = entry.split(' . ')
  if (parts[0] === 'udp') return `-D${parts[2] === 'ip6' ? ' -f ipv6' : ''} -p udp --dport ${parts[1]}`
  if (parts[1] !== 'udp') return undefined
  return `-D${parts[0]!.includes(':') ? ' -f ipv6' : ''} -p udp --orig-dst ${parts[0]} --dport ${parts[2]}`
}
