// Session affinity: each endpoint has a set of the clients it served lately, and a chain, which adds the client to the
// set again. A client that is in none of the sets gets a random endpoint. The sets stay when other endpoints change, so
// clients keep theirs.
import type { Service } from '../kinds/core/service.ts'
import type { ServicePort } from '../kinds/core/servicespec.ts'
import { add, type Backend, type Entry, type Fragment, shortHash } from './fragment.ts'
import { markIt, type Way, words } from './table.ts'

interface Stick {
  fragment: Fragment
  service: Service
  port: ServicePort
  protocol: string
  entry: Entry
  way: Way
  all: readonly Backend[]
  local: readonly Backend[]
  podCidr: string
}

/** Source: the default of sessionAffinityConfig.clientIP.timeoutSeconds. */
const defaultSeconds = 10_800

/** Leads an entry to chains of the Service, which all entries of one port share. */
export function stick(o: Stick): void {
  const { fragment, entry, way, all, local, podCidr } = o
  const { ip, end } = words[entry.family]
  const name = `${chainName(o.service, o.port)}${end}`
  const kind = way.replace('node-', '')
  add(fragment, `${entry.isNode ? 'node-' : ''}sticky${end}`, entry.key, `goto ${name}-${kind}`)
  switch (kind) {
    case 'cluster':
      return balance(o, `${name}-cluster`, [`${ip} saddr != ${podCidr} ${markIt}`], all)
    case 'local':
      return balance(o, `${name}-local`, [], local)
    case 'outside':
      return balance(o, `${name}-outside`, [markIt], all)
  }
  const inner = [
    `${ip} saddr ${podCidr} goto ${name}-any`,
    `fib saddr type local ${markIt}`,
    `fib saddr type local goto ${name}-any`,
  ]
  balance(o, `${name}-any`, [], all)
  if (local.length) balance(o, `${name}-edge`, inner, local)
  else fragment.chains.set(`${name}-edge`, inner)
}

function balance(
  { fragment, service, protocol, entry }: Stick,
  chain: string,
  first: readonly string[],
  backends: readonly Backend[],
): void {
  const { ip, type } = words[entry.family]
  const seconds = service.spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? defaultSeconds
  const names = backends.map(b => `${chain}-${b.ip.replace(/[.:]/g, '-')}-${b.port}`)
  // The kernel refuses another timeout for a set that exists, so the timeout is a part of the name.
  const setOf = (name: string) => `${name}-${seconds}s`
  for (const [i, backend] of backends.entries()) {
    const set = setOf(names[i]!)
    const to = entry.family === 6 ? `[${backend.ip}]` : backend.ip
    fragment.sets.set(set, `{ type ${type} ; flags dynamic,timeout ; timeout ${seconds}s ; size 65535 ; }`)
    fragment.chains.set(names[i]!, [
      `update @${set} { ${ip} saddr }`,
      `meta l4proto ${protocol} dnat ${ip} to ${to}:${backend.port}`,
    ])
  }
  const returning = names.map(name => `${ip} saddr @${setOf(name)} goto ${name}`)
  const pick = `numgen random mod ${backends.length} vmap { ${names.map((name, i) => `${i} : goto ${name}`).join(', ')} }`
  fragment.chains.set(chain, [...first, ...returning, pick])
}

/** A unique and readable name: a hash, since names of Services may be too long, and a name for readers of the table. */
function chainName({ metadata: { namespace = '', name = '' } }: Service, port: ServicePort): string {
  const hash = shortHash(`${namespace}/${name}/${port.protocol}/${port.name || port.port}`)
  return `svc-${hash}-${name.slice(0, 30)}-${port.port}`
}
