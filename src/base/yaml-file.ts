// Reads configuration files.
import { readFile } from 'node:fs/promises'
import { parseDocument } from 'yaml'
import { messageOf, StatusError } from './errors.ts'

/** The document in a YAML or JSON file. Throws a StatusError that names the file, and the line of what is not YAML. */
export async function readYamlFile(path: string): Promise<unknown> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    throw new StatusError('BadRequest', `${path} cannot be read: ${messageOf(cause)}`, { cause })
  }
  return parseYaml(text, path)
}

/** The document in a text of YAML or JSON. Throws a StatusError that names the `source`. */
export function parseYaml(text: string, source: string): unknown {
  const document = parseDocument(text)
  const [error] = document.errors
  if (error) throw new StatusError('BadRequest', `${source} is not YAML: ${error.message}`)
  return document.toJS()
}
