// Turns a question about the cluster into an answer: finds the records (records.ts), follows an ExternalName, and adds
// the SOA record that lets resolvers remember for a while that there is nothing.
import type { Answer, Packet, Question } from 'dns-packet'
import { type Found, lookup, type Names, type Record as DnsRecord } from './records.ts'

/** For how many seconds clients may keep an answer. It is short because endpoints change. */
const ttl = 5

type Reply = { answers: Answer[]; authorities: Answer[]; rcode: 'NOERROR' | 'NXDOMAIN' }

/**
 * The answer to a question about a name of the cluster; undefined for any other name. A Service of type ExternalName is
 * a CNAME; its target is looked up here, or by `resolve` when it is not in the cluster.
 */
export async function answer(
  names: Names,
  question: Question,
  resolve: (name: string, type: string) => Promise<Answer[]>,
): Promise<Reply | undefined> {
  const name = question.name.toLowerCase().replace(/\.$/, '')
  const found = lookup(names, name)
  if (!found) return undefined
  const type = question.type as string
  const answers = matching(found, type, question.name)
  const alias = found.records.find(r => r.type === 'CNAME')
  if (alias?.type === 'CNAME' && type !== 'CNAME') {
    const inside = lookup(names, alias.target.toLowerCase())
    if (inside) answers.push(...matching(inside, type, alias.target))
    else answers.push(...(await resolve(alias.target, type)))
  }
  const authorities = answers.length ? [] : [authority(names.domain)]
  return { answers, authorities, rcode: found.exists ? 'NOERROR' : 'NXDOMAIN' }
}

function matching(found: Found, type: string, name: string): Answer[] {
  return found.records.filter(r => r.type === type || type === 'ANY' || r.type === 'CNAME').map(r => toAnswer(r, name))
}

function toAnswer(record: DnsRecord, name: string): Answer {
  switch (record.type) {
    case 'A':
    case 'AAAA':
      return { type: record.type, name, ttl, data: record.address }
    case 'SRV':
      return {
        type: 'SRV',
        name,
        ttl,
        data: { target: record.target, port: record.port, priority: record.priority, weight: record.weight },
      }
    case 'CNAME':
    case 'PTR':
      return { type: record.type, name, ttl, data: record.target }
    case 'TXT':
      return { type: 'TXT', name, ttl, data: record.text }
  }
}

function authority(domain: string): Answer {
  return {
    type: 'SOA',
    name: domain,
    ttl,
    data: {
      mname: `ns.dns.${domain}`,
      rname: `hostmaster.${domain}`,
      serial: 1,
      refresh: 7200,
      retry: 1800,
      expire: 86400,
      minimum: ttl,
    },
  }
}

/** Answers may have as many bytes as fit into a packet on most networks. Source: DNS Flag Day 2020. */
const edns0 = { udpPayloadSize: 1232, extendedRcode: 0, ednsVersion: 0, flags: 0, flag_do: false } as const

/** What a query asks for, which is 0 for a lookup of names. It is in the flags beside the response code. */
export const opcodeOf = (query: Packet): number => ((query.flags ?? 0) >> 11) & 15

/** Makes the packet that answers `query`, with its id and its questions. */
export function replyTo(query: Packet, reply: Partial<Omit<Reply, 'rcode'>> & { rcode: string }): Packet {
  // The response code is the low four bits of the flags.
  const codes: Readonly<Record<string, number>> = {
    NOERROR: 0,
    FORMERR: 1,
    SERVFAIL: 2,
    NXDOMAIN: 3,
    NOTIMP: 4,
    REFUSED: 5,
  }
  const authoritative = 1 << 10
  const recursion = (1 << 7) | ((query.flags ?? 0) & (1 << 8))
  const edns = (query.additionals ?? []).some(a => a.type === 'OPT')
  return {
    id: query.id ?? 0,
    type: 'response',
    flags: (opcodeOf(query) << 11) | authoritative | recursion | (codes[reply.rcode] ?? 2),
    questions: query.questions ?? [],
    answers: reply.answers ?? [],
    authorities: reply.authorities ?? [],
    additionals: edns ? [{ type: 'OPT', name: '.', ...edns0, options: [] }] : [],
  }
}
