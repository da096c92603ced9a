import { deepStrictEqual, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { parseBody } from './bodies.ts'

const context = { kind: { kind: 'ConfigMap' }, kinds: [], patchType: 'json' } as const
const duplicates = (text: string, type = 'application/json') => parseBody(Buffer.from(text), type, context).duplicates

test('duplicate keys are reported with their paths', () => {
  const table: [text: string, paths: string[]][] = [
    ['{"a":1,"b":{"a":2}}', []],
    ['{"a":1,"a":2}', ['a']],
    ['{"a":1,"a":2,"a":3}', ['a']],
    ['{"a":{"b":1,"\\u0062":2}}', ['a.b']],
    ['{"spec":{"list":[{"x":1},{"x":"}{\\":","x":[1,{"y":1,"y":2}]}]}}', ['spec.list[1].x', 'spec.list[1].x[1].y']],
    ['[{"op":"add","op":"add"}]', ['[0].op']],
    ['{"__proto__":1,"a":{":":1}}', []],
    ['{"__proto__":1,"__proto__":2}', ['__proto__']],
  ]
  for (const [text, paths] of table)
    deepStrictEqual(
      duplicates(text),
      paths.map(path => `duplicate field ${JSON.stringify(path)}`),
      text,
    )
})

test('in YAML duplicate keys are reported with their lines, and the last one counts', () => {
  const text = 'spec:\n  replicas: 2\n  other: 1\n  replicas: 3\nspec2: 1\n'
  deepStrictEqual(duplicates(text, 'application/yaml'), ['line 4: key "replicas" already set in map'])
  const { value } = parseBody(Buffer.from(text), 'application/yaml', context)
  strictEqual((value as { spec: { replicas: number } }).spec.replicas, 3)
})
