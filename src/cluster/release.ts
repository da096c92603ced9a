// Which release of Kutter this is, and where it is.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Release } from './config.ts'

/** The release whose programs are in a directory: that of the sources, or of the bundle that is made of them. */
export function releaseIn(directory: string): Release {
  for (let root = directory; root !== dirname(root); root = dirname(root)) {
    const file = join(root, 'package.json')
    if (!existsSync(file) || !existsSync(join(root, 'kutter'))) continue
    const { version = 'unknown' } = JSON.parse(readFileSync(file, 'utf8')) as { version?: string }
    return { directory: root, version }
  }
  return { directory, version: 'unknown' }
}
