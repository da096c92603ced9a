// Turns a question about the cluster into an answer: finds the records (records.ts), follows aliases, and adds the SOA
// record that lets resolvers remember for a while that there is nothing.
import { lowerCase, rcodes, types } from './message.ts'
import { authority, type Found, lookup, type Names, type Record, ttl } from './records.ts'

export interface Reply {
  readonly rcode: number
  readonly answers: readonly Record[]
  readonly authorities: readonly Record[]
  readonly additionals: readonly Record[]
}

interface Answered {
  readonly reply: Reply
  /** The Service from which alone the answer is computed, as `namespace/name`. */
  readonly service?: string
  /** Where the aliases of the answer lead out of the cluster. What is there is for other resolvers to answer. */
  readonly outside?: string
}

/** How many aliases are followed. Longer chains, and circles, end there. */
const maxAliases = 8

/** The answer to a question about a name of the cluster, given as labels in lower case; undefined for other names. */
export function answer(names: Names, labels: readonly string[], type: number): Answered | undefined {
  const found = lookup(names, labels, type)
  if (!found) return undefined
  if (type === types.ANY && found.exists) return { reply: replyOf([minimal], found, names.domain) }
  const alias = aliasOf(found)
  if (alias !== undefined && type !== types.CNAME) return follow(names, found, alias, type)
  const own = found.records.filter(record => record.type !== 'CNAME' || type === types.CNAME)
  const reply = replyOf(own, found, names.domain)
  return { reply, ...(found.service !== undefined && { service: found.service }) }
}

/** To a question for everything the least is an answer. Source: RFC 8482, section 4.2. */
const minimal: Record = { type: 'HINFO', ttl, cpu: 'RFC8482', os: '' }

const aliasOf = ({ records: [first] }: Found) => (first?.type === 'CNAME' ? first.target : undefined)

/** Follows aliases inside the cluster. The code is that of the last name. Source: RFC 6604. */
function follow(names: Names, first: Found, firstTarget: string, type: number): Answered {
  const answers: Record[] = [...first.records]
  let target = firstTarget
  for (let i = 1; i < maxAliases; i++) {
    const next = lookup(names, lowerCase(target).split('.'), type)
    if (!next) return { reply: { ...nothing, answers }, outside: target }
    const owner = target
    answers.push(...next.records.map(record => ({ ...record, name: record.name ?? owner })))
    const alias = aliasOf(next)
    if (alias === undefined) {
      const more = next.records.length > 0 && next.additionals ? next.additionals : []
      const authorities = next.records.length ? [] : [authority(names.domain)]
      return { reply: { rcode: codeOf(next), answers, authorities, additionals: more } }
    }
    target = alias
  }
  return { reply: { ...nothing, answers } }
}

const nothing: Reply = { rcode: rcodes.NOERROR, answers: [], authorities: [], additionals: [] }

const codeOf = ({ exists }: Found) => (exists ? rcodes.NOERROR : rcodes.NXDOMAIN)

function replyOf(answers: readonly Record[], found: Found, domain: string): Reply {
  const authorities = answers.length ? [] : [authority(found.zone ?? domain)]
  return { rcode: codeOf(found), answers, authorities, additionals: answers.length ? (found.additionals ?? []) : [] }
}
