// Tokens in a file, as `--token-auth-file` has them: lines of token, name, uid and, in quotes, groups. The file is read
// at the start; its tokens are for ever, so it is for machines that have nothing better.
// Source: apiserver pkg/authentication/token/tokenfile.
import { createHash } from 'node:crypto'
import { StatusError } from '../../base/errors.ts'
import type { User } from '../../api/operation.ts'
import type { TokenSource } from './token-source.ts'

const maxLines = 10_000
const fewestColumns = 3

/** Reads the text of a file. Throws a StatusError that names the line of a mistake, without the token in it. */
export function tokenFile(text: string, source: string): TokenSource {
  const users = new Map<string, User>()
  const lines = text.split('\n')
  if (lines.length > maxLines) throw new StatusError('BadRequest', `${source} has more than ${maxLines} lines`)
  lines.forEach((line, i) => {
    const trimmed = line.trim()
    if (!trimmed || trimmed.startsWith('#')) return
    const columns = columnsOf(trimmed)
    const [token, name, uid, groups = ''] = columns ?? []
    if (!columns || columns.length < fewestColumns || !token || !name)
      throw new StatusError(
        'BadRequest',
        `${source}: line ${i + 1} must be TOKEN,NAME,UID or TOKEN,NAME,UID,"GROUP,GROUP"`,
      )
    const list = groups
      .split(',')
      .map(group => group.trim())
      .filter(Boolean)
    users.set(digest(token), { name, ...(uid && { uid }), groups: list })
  })
  // Hashes are compared, so that the time of a look-up says nothing about a token.
  return { userOf: async token => users.get(digest(token)) }
}

const digest = (token: string) => createHash('sha256').update(token).digest('base64')

/** The columns of a line of CSV; undefined when a quote is not closed. */
function columnsOf(line: string): string[] | undefined {
  const found = [...line.matchAll(/\s*(?:"((?:[^"]|"")*)"|([^",]*))\s*(,|$)/gy)]
  const read = found.reduce((sum, [all]) => sum + all.length, 0)
  if (read < line.length) return undefined
  const columns = found.map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain!.trim())
  // The end of a line matches once more, as an empty column.
  return line.endsWith(',') ? columns : columns.slice(0, found.findIndex(([, , , end]) => end === '') + 1)
}
