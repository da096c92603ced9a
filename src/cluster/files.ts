// Reads small files that may be missing: keys, certificates, configurations.
import { readFile } from 'node:fs/promises'
import { messageOf, StatusError } from '../base/errors.ts'

/** The text of a file; undefined when there is none. */
export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** The text of a configuration file. Throws a StatusError that names it. */
export async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new StatusError('BadRequest', `${file} cannot be read: ${messageOf(cause)}`, { cause })
  }
}
