// Conversations whose answers are known to differ. `differences.json` explains them: globs of names with the reason,
// each a deliberate difference that docs/parity.md tells of, or part of a feature that is not there yet.
import { readFileSync } from 'node:fs'
import { matcher } from './corpus.ts'

const text = readFileSync(new URL('differences.json', import.meta.url), 'utf8')

export const explanations = Object.entries(JSON.parse(text) as Record<string, string>).map(([glob, reason]) => ({
  glob,
  fits: matcher([glob]),
  reason,
}))
