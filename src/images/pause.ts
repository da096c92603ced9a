// The pause image: one small program that holds a pod's namespaces open, reaps orphans, and does nothing else.
// Debian's catatonit does that when called with -P.
import { existsSync } from 'node:fs'
import { type BuildOptions, type Built, buildDescription } from './build.ts'

/** The name nodes are configured with; no registry is ever asked for it. */
export const pauseImage = 'kutter.local/pause:1'

const installed = '/usr/bin/catatonit'

/** Writes the pause image to `file`. */
export function buildPause(file: string, o: BuildOptions): Promise<Built> {
  // With the package installed no network is needed: the program is static and whole.
  const source = existsSync(installed)
    ? { packages: [], files: [{ from: installed, to: installed, mode: '0755' }] }
    : { packages: ['catatonit'] }
  const description = { names: [pauseImage], ...source, user: '65535:65535', entrypoint: [installed, '-P'] }
  return buildDescription(description, '/', file, o)
}
