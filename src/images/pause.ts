// The pause image: one small program that keeps a pod's namespaces open and reaps orphaned processes. Debian's
// catatonit does both when it is called with -P.
import { existsSync } from 'node:fs'
import { type BuildOptions, type Built, buildDescription } from './build.ts'

/** The name of the image in the configuration of nodes. It is never pulled from a registry. */
export const pauseImage = 'kutter.local/pause:1'

const installed = '/usr/bin/catatonit'

/** Writes the pause image to `file`. */
export function buildPause(file: string, o: BuildOptions): Promise<Built> {
  // The program is one static file, so with the package installed no network is needed.
  const source = existsSync(installed)
    ? { packages: [], files: [{ from: installed, to: installed, mode: '0755' }] }
    : { packages: ['catatonit'] }
  const description = { names: [pauseImage], ...source, user: '65535:65535', entrypoint: [installed, '-P'] }
  return buildDescription(description, '/', file, o)
}
