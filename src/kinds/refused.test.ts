// What is wrong with objects, and in which words. Each file of refused/ is a table: a new object, or a changed one with
// the object it was, and every problem that the client reads.
import { deepStrictEqual } from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parse } from 'yaml'
import type { Kind, KubeObject } from '../api/kind.ts'
import type { Draft } from '../api/schema/node.ts'
import { validateObject, validateUpdate } from '../api/validate.ts'
import { kindCalled, objectOf } from './testing.ts'

interface Row {
  /** With its version where several have the name. */
  kind: string
  old?: Draft<KubeObject>
  object: Draft<KubeObject>
  problems: string[]
}

const folder = new URL('refused/', import.meta.url)

function problemsOf({ kind: name, old, object }: Row): string[] {
  const kind: Kind = kindCalled(name)
  const made = objectOf(kind, object)
  const found = old ? validateUpdate(kind, made, objectOf(kind, old)) : validateObject(kind, made)
  return [...found].map(({ field, body }) => `${field}: ${body}`)
}

for (const file of readdirSync(folder).sort())
  for (const [i, row] of (parse(readFileSync(new URL(file, folder), 'utf8'), { version: '1.1' }) as Row[]).entries()) {
    const what = `${row.old ? 'the changed' : 'the'} ${row.kind} at ${i} in ${file}`
    const verdict = row.problems.length ? `is refused for ${row.problems[0]}` : 'is accepted'
    test(`${what} ${verdict}`, () => deepStrictEqual(problemsOf(row), row.problems))
  }
