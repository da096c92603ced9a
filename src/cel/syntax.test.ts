// Trees and messages against those of cel-go, for the expressions of its own tests of parser and checker. The package
// of the conformance tests has them: each with the checked tree as cel-go prints it, or with its error.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tests as checking } from '@bufbuild/cel-spec/testdata/checking.js'
import { tests as parsing } from '@bufbuild/cel-spec/testdata/parsing.js'
import type { Node } from './ast.ts'
import { compileWith } from './compilation.ts'
import { Environment } from './environment.ts'
import { bindings, twoVariables } from './library/comprehensions.ts'
import { optionals } from './library/optionals.ts'
import { standard } from './library/standard.ts'
import { formatType } from './types.ts'
import { Uint, type Value } from './values.ts'

interface Case {
  original: { expr: string }
  checkedAst?: string
  error?: string
}

const cases: readonly Case[] = [...(parsing.tests ?? []), ...(checking.tests ?? [])]

/** Some of the expressions are parsed without optionals or without quoted names, or with a lower limit of depth. */
function environmentOf(error: string): Environment {
  return new Environment({
    libraries: [standard, twoVariables, bindings, ...(/unsupported syntax '[.[]?\?/.test(error) ? [] : [optionals])],
    quotedFields: !error.includes("unsupported syntax: '`'"),
    maxDepth: /exceeded: 32|max recursion/.test(error) ? 32 : 250,
  })
}

/** What upstream's tests declare, and this one does not. */
const needsDeclarations = /undeclared reference/

test('trees are those of cel-go', () => {
  let compared = 0
  for (const { original, checkedAst, error } of cases) {
    if (error !== undefined || checkedAst === undefined) continue
    const compiled = compileWith(original.expr, environmentOf(''), { costs: () => undefined })
    if (compiled.error !== undefined) {
      assert.match(compiled.error, needsDeclarations, original.expr)
      continue
    }
    compared++
    assert.equal(flat(print(compiled.program.node)), flat(checkedAst), original.expr)
  }
  assert.ok(compared > 70, `${compared} trees were compared`)
})

/** Texts that differ, each with the reason. */
const otherwise: readonly (readonly [expression: RegExp, reason: string])[] = [
  [/^m\.existsOne\(/, 'upstream has the macro, but not in that test'],
  [/^1\.all\(2, 3\)$/, 'upstream has the message of another version there'],
  [/^--$/, 'a second message for the same place'],
  [/^a \? b \(\(\?\)\)$|^x\{\?\.$|^ó/, 'that test has a limit of four faults'],
  [
    /1u? <=? 1\.0|1\.0 >=? 1/,
    'upstream compares numbers of different types only where it is asked to, as Kubernetes does',
  ],
  [/^\{\?'key': \{/, 'upstream does not look into an entry that it refuses'],
  [/^-\[-1--1/, 'the message list ends where the depth is exceeded'],
]

test('messages are those of cel-go', () => {
  let compared = 0
  for (const { original, error } of cases) {
    const usesDeclarations = /TestAllTypes|google\.|_var0/.test(original.expr + (error ?? ''))
    if (error === undefined || usesDeclarations || otherwise.some(([pattern]) => pattern.test(original.expr))) continue
    const compiled = compileWith(original.expr, environmentOf(error), { costs: () => undefined })
    const expected = error.replaceAll(/^ERROR: :/gm, 'ERROR: <input>:')
    // Upstream's tests of the checker declare variables, which are not declared here.
    const undeclared = (text: string) => text.match(/undeclared reference/g)?.length ?? 0
    if (undeclared(compiled.error ?? '') > undeclared(expected)) continue
    compared++
    assert.equal(compiled.error, expected, original.expr)
  }
  assert.ok(compared > 130, `${compared} messages were compared`)
})

/** Layout makes no difference, nor does the name of accumulators. */
const flat = (tree: string) => tree.replaceAll('__result__', '@result').replaceAll(/\s+/g, ' ')

/** A tree as cel-go prints it: each node with its type and, after a caret, what it refers to. */
function print(node: Node): string {
  const type = `~${formatType(node.type!)}`
  switch (node.kind) {
    case 'constant':
      return printConstant(node.value) + type
    case 'ident':
      return `${node.name}${type}^${node.resolved ?? node.name}`
    case 'select':
      return `${print(node.operand)}.${node.field}${node.test ? '~test-only~' : ''}${type}`
    case 'call': {
      const target = node.target && node.resolved === undefined ? `${print(node.target)}.` : ''
      const ids = (node.overloads ?? []).map(o => o.id).join('|')
      return `${target}${node.resolved ?? node.name}${printAll(node.args.map(print), '()')}${type}^${ids}`
    }
    case 'list':
      return printAll(node.elements.map(print), '[]') + type
    case 'map':
      return (
        printAll(
          node.entries.map(e => `${print(e.key)}:${print(e.value)}`),
          '{}',
        ) + type
      )
    case 'struct':
      return (
        printAll(
          node.fields.map(f => `${f.name}:${print(f.value)}`),
          '{}',
        ) + type
      )
    case 'comprehension': {
      const variables = [node.variable, ...(node.variable2 === undefined ? [] : [node.variable2])]
      const parts = [
        ['Variable', variables.join(', ')],
        ['Target', print(node.range)],
        ['Accumulator', node.accumulator],
        ['Init', print(node.init)],
        ['LoopCondition', print(node.condition)],
        ['LoopStep', print(node.step)],
        ['Result', print(node.result)],
      ]
      return `__comprehension__( ${parts.map(([name, text]) => `// ${name} ${text}`).join(', ')})${type}`
    }
  }
}

const printAll = (parts: readonly string[], [open, close]: string) =>
  parts.length ? `${open} ${parts.join(', ')} ${close}` : `${open}${close}`

function printConstant(value: Value): string {
  if (typeof value === 'string') return JSON.stringify(value).replace('\\u0007', '\\a').replace('\\u000b', '\\v')
  if (value instanceof Uint8Array) return `b${JSON.stringify(Buffer.from(value).toString())}`
  return value instanceof Uint ? `${value.value}u` : String(value)
}
