// Tokens in a file, as `--token-auth-file` has them: lines of token, name, uid and, in quotes, groups. The file is read
// at the start; its tokens are for ever, so it is for machines that have nothing better.
// Source: apiserver pkg/authentication/token/tokenfile.
import { createHash } from 'node:crypto'
import type { TokenSource } from './token-source.ts'
import { userLines } from './user-lines.ts'

/** Reads the text of a file. Throws a StatusError that names the line of a mistake, without the token in it. */
export function tokenFile(text: string, source: string): TokenSource {
  const users = new Map(userLines(text, source, 'TOKEN').map(({ secret, user }) => [digest(secret), user]))
  // Hashes are compared, so that the time of a look-up says nothing about a token.
  return { userOf: async token => users.get(digest(token)) }
}

const digest = (token: string) => createHash('sha256').update(token).digest('base64')
