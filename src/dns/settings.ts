// The settings of DNS that people write: the ConfigMap kube-dns in kube-system, in the format of Kubernetes' first DNS
// server.
//
//   stubDomains: '{"acme.local": ["10.0.0.53"]}'     names in these domains are asked of these resolvers
//   upstreamNameservers: '["8.8.8.8", "9.9.9.9:53"]' other names are asked of these, not of the machine's resolvers
//
// Source: kubernetes/dns pkg/dns/config/config.go.
import { isIPv4, isIPv6 } from 'node:net'
import { dnsSubdomainErrors } from '../api/names.ts'
import type { Resolver } from './exchange.ts'

export interface Settings {
  readonly stubDomains: Readonly<{ [domain: string]: readonly Resolver[] }>
  /** Undefined for the resolvers of the machine. */
  readonly upstreamNameservers: readonly Resolver[] | undefined
}

export const noSettings: Settings = { stubDomains: {}, upstreamNameservers: undefined }

const maxUpstreams = 3
const maxStubDomains = 100
const maxServersOfStub = 15

/** Thrown for a setting that cannot be used. The message names the field. */
class SettingError extends Error {}

/** Reads the data of the ConfigMap. Throws an error that names the field if something in it cannot be used. */
export function readSettings(data: Readonly<{ [key: string]: string }>, clusterDomain: string): Settings {
  const stubs = parse(data, 'stubDomains') ?? {}
  if (!isObject(stubs)) throw new SettingError('data.stubDomains: must be a JSON object of lists of addresses')
  const domains = Object.entries(stubs)
  if (domains.length > maxStubDomains) throw new SettingError(`data.stubDomains: at most ${maxStubDomains} domains`)
  const stubDomains = Object.fromEntries(
    domains.map(([domain, servers]) => {
      const at = `data.stubDomains[${domain}]`
      if (dnsSubdomainErrors(domain).length) throw new SettingError(`${at}: is no domain name`)
      if (domain === clusterDomain) throw new SettingError(`${at}: is the domain of the cluster itself`)
      return [domain, resolversOf(servers, at, maxServersOfStub)]
    }),
  )
  const upstreams = parse(data, 'upstreamNameservers')
  const upstreamNameservers =
    upstreams === undefined ? undefined : resolversOf(upstreams, 'data.upstreamNameservers', maxUpstreams)
  return { stubDomains, upstreamNameservers: upstreamNameservers?.length ? upstreamNameservers : undefined }
}

function parse(data: Readonly<{ [key: string]: string }>, key: string): unknown {
  const text = data[key]
  if (text === undefined || !text.trim()) return undefined
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new SettingError(`data.${key}: is no JSON: ${error instanceof Error ? error.message : error}`)
  }
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function resolversOf(value: unknown, at: string, limit: number): readonly Resolver[] {
  if (!Array.isArray(value)) throw new SettingError(`${at}: must be a list of addresses`)
  if (value.length > limit) throw new SettingError(`${at}: at most ${limit} addresses`)
  return value.map((entry: unknown, i) => {
    const resolver = typeof entry === 'string' ? resolverOf(entry) : undefined
    if (!resolver)
      throw new SettingError(`${at}[${i}]: ${JSON.stringify(entry)} is no address, with or without a port after ":"`)
    return resolver
  })
}

const defaultPort = 53

/** Reads `address`, `address:port` or `[address]:port`. */
function resolverOf(text: string): Resolver | undefined {
  if (isAddress(text)) return { address: text, port: defaultPort }
  const [, bracketed, plain, digits] = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? []
  const address = bracketed ?? plain ?? ''
  const port = Number(digits)
  return isAddress(address) && port > 0 && port < 65_536 ? { address, port } : undefined
}

const isAddress = (text: string) => isIPv4(text) || (isIPv6(text) && !text.includes('%'))
