// The pause image: one small program that holds a pod's namespaces open, reaps orphans, and does nothing else.
// Debian's catatonit does that when called with -P.
import type { BuildOptions, Built } from './build.ts'
import { buildDescription } from './build.ts'

/** The name nodes are configured with; no registry is ever asked for it. */
export const pauseImage = 'kutter.local/pause:1'

/** Writes the pause image to `file`. */
export function buildPause(file: string, o: BuildOptions): Promise<Built> {
  const description = {
    names: [pauseImage],
    packages: ['catatonit'],
    user: '65535:65535',
    entrypoint: ['/usr/bin/catatonit', '-P'],
  }
  return buildDescription(description, '/', file, o)
}
