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

type Headers = Readonly<Record<string, string | string[] | undefined>>

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

/** The user that the headers of a trusted front proxy name. Undefined if they name none. */
export function userOf(headers: Headers): User | undefined {
  const [name] = listOf(headers[identityHeaders.user], false)
  if (!name) return undefined
  const [uid] = listOf(headers[identityHeaders.uid], false)
  const extra: Record<string, string[]> = {}
  for (const [header, value] of Object.entries(headers))
    if (header.startsWith(identityHeaders.extra)) extra[unescaped(header)] = listOf(value, true)
  return {
    name,
    ...(uid && { uid }),
    groups: listOf(headers[identityHeaders.group], true).filter(Boolean),
    ...(Object.keys(extra).length && { extra }),
  }
}

/** The values of a header. Node.js joins those of several lines by a comma and a blank. */
function listOf(value: string | string[] | undefined, several: boolean): string[] {
  if (value === undefined) return []
  return [value]
    .flat()
    .flatMap(one => (several ? one.split(', ') : [one]))
    .map(textOf)
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
