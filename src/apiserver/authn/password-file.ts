// Passwords in a file, for HTTP Basic (RFC 7617): lines of password, name, uid and, in quotes, groups. The file is read
// at the start. What compares them takes as long for a right one as for a wrong one.
import { createHash, timingSafeEqual } from 'node:crypto'
import type { User } from '../../api/operation.ts'
import { userLines } from './user-lines.ts'

export interface Passwords {
  /** The user of a header `Basic …`; undefined if name or password are wrong. */
  userOf(authorization: string): User | undefined
}

/** Reads the text of a file. Throws a StatusError that names the line of a mistake, without the password in it. */
export function passwordFile(text: string, source: string): Passwords {
  const users = new Map<string, { readonly user: User; readonly digest: Buffer }>()
  for (const { secret, user } of userLines(text, source, 'PASSWORD'))
    users.set(user.name, { user, digest: digestOf(secret) })
  const nobody = digestOf('')
  return {
    userOf(authorization) {
      const encoded = /^Basic +([\w+/]+={0,2})$/i.exec(authorization.trim())?.[1]
      const given = Buffer.from(encoded ?? '', 'base64').toString()
      const colon = given.indexOf(':')
      if (colon < 1) return undefined
      const found = users.get(given.slice(0, colon))
      // A name that is not there takes as long as one that is.
      const isRight = timingSafeEqual(digestOf(given.slice(colon + 1)), found?.digest ?? nobody)
      return found && isRight ? found.user : undefined
    },
  }
}

const digestOf = (password: string) => createHash('sha256').update(password).digest()
