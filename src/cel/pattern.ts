// Regular expressions, in time that is linear in the text: Go's syntax, which has neither lookaround nor
// backreferences, by the package re2js.
// Source: https://github.com/google/re2/wiki/Syntax.
import { RE2JS } from 're2js'
import { Failure, failure } from './values.ts'
import { spend } from './work.ts'

/** Compiled patterns: an expression is evaluated many times with the same one. */
const compiled = new Map<string, RE2JS | Failure>()
const maxCompiled = 1000
/** Characters of a pattern; larger ones take long to compile. */
const maxPatternLength = 16_000
/** Instructions of a compiled pattern: `(a{1000}){1000}` would have a million. */
const maxInstructions = 200_000

/** The compiled pattern, or a failure with Go's message. */
export function compilePattern(pattern: string): RE2JS | Failure {
  const known = compiled.get(pattern)
  if (known) return known
  if (compiled.size >= maxCompiled) compiled.clear()
  const result = compileNew(pattern)
  if (pattern.length <= 1000) compiled.set(pattern, result)
  return result
}

function compileNew(pattern: string): RE2JS | Failure {
  if (pattern.length > maxPatternLength) return failure('error parsing regexp: expression too large')
  spend(pattern.length)
  try {
    const made = RE2JS.compile(pattern)
    return made.programSize() > maxInstructions ? failure('error parsing regexp: expression too large') : made
  } catch (error) {
    return failure(error instanceof Error ? error.message : String(error))
  }
}

/** Whether the pattern matches some part of the text. */
export function matchesPattern(text: string, pattern: string): boolean | Failure {
  const made = compilePattern(pattern)
  if (made instanceof Failure) return made
  spendFor(made, text)
  return made.matcher(text).find()
}

/** The first `limit` matches, all when it is negative. */
export function findPattern(text: string, pattern: string, limit: number): string[] | Failure {
  const made = compilePattern(pattern)
  if (made instanceof Failure) return made
  spendFor(made, text)
  const matcher = made.matcher(text)
  const found: string[] = []
  // An empty match directly after another one is none, by Go's rule.
  let last = -1
  while (found.length !== limit && matcher.find()) {
    if (matcher.end() === matcher.start() && matcher.start() === last) continue
    last = matcher.end()
    found.push(matcher.group() ?? '')
    // Each further match may look at all that is left.
    spend(((text.length - last) * Math.min(made.programSize(), 1000)) / 32)
  }
  return found
}

/** A match takes at most the product of text and program. */
const spendFor = (made: RE2JS, text: string) => spend(((text.length + 1) * Math.min(made.programSize(), 1000)) / 16)
