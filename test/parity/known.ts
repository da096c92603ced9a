// Conversations whose answers are known to differ. `differences.json` explains them: globs of names with the reason,
// each a deliberate difference that docs/parity.md tells of, or part of a feature that is not there yet.
// `unexplained.txt` lists the rest by name: faults to be mended. It may only shrink.
import { readFileSync } from 'node:fs'
import { matcher } from './corpus.ts'

const text = (file: string) => readFileSync(new URL(file, import.meta.url), 'utf8')

const reasons = Object.entries(JSON.parse(text('differences.json')) as Record<string, string>).map(
  ([glob, reason]) => ({ fits: matcher([glob]), reason }),
)
const unexplained = new Set(text('unexplained.txt').split('\n').filter(Boolean))

/** Why a case may differ; undefined for one that must not. */
export const reasonFor = (name: string): string | undefined =>
  reasons.find(({ fits }) => fits(name))?.reason ?? (unexplained.has(name) ? 'unexplained' : undefined)
