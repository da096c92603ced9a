// The lines of a file with users and their secrets: secret, name, uid and, in quotes, groups.
// Source: apiserver pkg/authentication/token/tokenfile.
import { StatusError } from '../../base/errors.ts'
import type { User } from '../../api/operation.ts'

const maxLines = 10_000
const fewestColumns = 3

/**
 * Reads the text of a file. Throws a StatusError that names the line of a mistake, without the secret in it.
 * @param word what messages call a secret
 */
export function userLines(text: string, source: string, word: string): { secret: string; user: User }[] {
  const lines = text.split('\n')
  if (lines.length > maxLines) throw new StatusError('BadRequest', `${source} has more than ${maxLines} lines`)
  return lines.flatMap((line, i) => {
    const trimmed = line.trim()
    if (!trimmed || trimmed.startsWith('#')) return []
    const columns = columnsOf(trimmed)
    const [secret, name, uid, groups = ''] = columns ?? []
    if (!columns || columns.length < fewestColumns || !secret || !name)
      throw new StatusError(
        'BadRequest',
        `${source}: line ${i + 1} must be ${word},NAME,UID or ${word},NAME,UID,"GROUP,GROUP"`,
      )
    const list = groups
      .split(',')
      .map(group => group.trim())
      .filter(Boolean)
    return [{ secret, user: { name, ...(uid && { uid }), groups: list } }]
  })
}

/** The columns of a line of CSV; undefined when a quote is not closed. */
function columnsOf(line: string): string[] | undefined {
  const found = [...line.matchAll(/\s*(?:"((?:[^"]|"")*)"|([^",]*))\s*(,|$)/gy)]
  const read = found.reduce((sum, [all]) => sum + all.length, 0)
  if (read < line.length) return undefined
  const columns = found.map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain!.trim())
  // The end of a line matches once more, as an empty column.
  return line.endsWith(',') ? columns : columns.slice(0, found.findIndex(([, , , end]) => end === '') + 1)
}
