// Users with passwords for the annotation auth-type, from a Secret as the nginx controller reads it: a file of htpasswd
// under the key `auth`, or a key for each user. Passwords are hashes that crypt(3) can verify.
import type { Secret } from '../../kinds/core/secret.ts'
import { isText } from './text.ts'

const maxUsers = 500

export interface Users {
  /** The users that can be used. */
  users: readonly { name: string; hash: string }[]
  /** What of the Secret cannot be used. */
  problem?: string
}

export function usersOf(secret: Secret | undefined, isMap: boolean): Users {
  if (!secret) return { users: [], problem: 'does not exist' }
  const text = (value: string) => Buffer.from(value, 'base64').toString('latin1')
  const all = isMap
    ? Object.entries(secret.data ?? {}).map(([name, value]) => [name, text(value).trim()] as const)
    : text(secret.data?.auth ?? '')
        .split(/\r?\n/)
        .filter(Boolean)
        .map(splitLine)
  const users = all.flatMap(([name, hash]) => (isText('user', name) && canVerify(hash) ? [{ name, hash }] : []))
  const names = new Map(users.slice(0, maxUsers).map(user => [user.name, user]))
  const left = all.length - names.size
  return {
    users: [...names.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    ...(!names.size
      ? { problem: 'has no user that can be used' }
      : left > 0 && { problem: `has ${left} users that cannot be used` }),
  }
}

const splitLine = (line: string): [string, string] => {
  const at = line.indexOf(':')
  return at < 0 ? ['', ''] : [line.slice(0, at), line.slice(at + 1).trim()]
}

/** Hashes of glibc: MD5, SHA-256, SHA-512, bcrypt, yescrypt. Apache's own `$apr1$` and `{SHA}` are not among them. */
const canVerify = (hash: string) => /^\$(1|5|6|2[aby]|y)\$/.test(hash) && isText('hash', hash)
