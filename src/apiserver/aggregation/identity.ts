// The headers by which a front proxy passes on who made a request. This server sets them towards extension servers, and
// believes them in requests that come with its front-proxy certificate.
// Source: client-go transport/round_trippers.go (SetAuthProxyHeaders); apiserver
// pkg/authentication/request/headerrequest.
import type { User } from '../../api/operation.ts'

const identityHeaders = {
  user: 'x-remote-user',
  uid: 'x-remote-uid',
  group: 'x-remote-group',
  extra: 'x-remote-extra-',
} as const

/** Whether a header, in lower case, would be taken for a part of the user's identity. */
export const isIdentity = (name: string): boolean => name.startsWith('x-remote-')

/** The settings by which an extension server believes the headers. Source: pkg/controlplane/controller/clusterauthenticationtrust. */
export const headerSettings = {
  'requestheader-username-headers': JSON.stringify(['X-Remote-User']),
  'requestheader-uid-headers': JSON.stringify(['X-Remote-Uid']),
  'requestheader-group-headers': JSON.stringify(['X-Remote-Group']),
  'requestheader-extra-headers-prefix': JSON.stringify(['X-Remote-Extra-']),
} as const

/** The headers for a user. Values are UTF-8, in the one byte per character that Node.js sends. */
export function headersOf({ name, uid, groups, extra = {} }: User): Record<string, string | string[]> {
  const out: Record<string, string | string[]> = { [identityHeaders.user]: bytesOf(name) }
  if (uid) out[identityHeaders.uid] = bytesOf(uid)
  if (groups.length) out[identityHeaders.group] = groups.map(bytesOf)
  for (const [key, values] of Object.entries(extra)) out[identityHeaders.extra + escaped(key)] = values.map(bytesOf)
  return out
}

const bytesOf = (text: string) => Buffer.from(text).toString('latin1')
const textOf = (bytes: string) => Buffer.from(bytes, 'latin1').toString()

/** A key as a part of a header's name. Source: client-go transport/round_trippers.go (headerKeyEscape). */
const escaped = (key: string) =>
  [...Buffer.from(key)]
    .map(byte => String.fromCharCode(byte))
    .map(char => (/[!#$&'*+\-.0-9A-Z^_`a-z|~]/.test(char) ? char : percent(char)))
    .join('')

const percent = (char: string) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`

/**
 * The user that the headers of a trusted front proxy name. Undefined if they name none.
 * @param raw names and values in turn, as they came. Joined values would not show where one ends and the next begins.
 */
export function userOf(raw: readonly string[]): User | undefined {
  const values = new Map<string, string[]>()
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase()
    if (isIdentity(name)) values.set(name, [...(values.get(name) ?? []), textOf(raw[i + 1]!)])
  }
  const [name] = values.get(identityHeaders.user) ?? []
  if (!name) return undefined
  const [uid] = values.get(identityHeaders.uid) ?? []
  const extra: Record<string, string[]> = {}
  for (const [header, list] of values) if (header.startsWith(identityHeaders.extra)) extra[unescaped(header)] = list
  return {
    name,
    ...(uid && { uid }),
    groups: (values.get(identityHeaders.group) ?? []).filter(Boolean),
    ...(Object.keys(extra).length && { extra }),
  }
}

function unescaped(header: string): string {
  const key = header.slice(identityHeaders.extra.length)
  try {
    return decodeURIComponent(key)
  } catch {
    // A key that is not encoded counts as it stands.
    return key
  }
}
