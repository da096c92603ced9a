// How many times a second is a rule of a custom resource evaluated, and how long does it take to compile? Then the
// same for a rule that loops over a list, and for an estimate of what that may cost.
import { cpus } from 'node:os'
import {
  adapt,
  compile,
  declare,
  estimateCost,
  estimatorWith,
  kubernetes,
  objectsOf,
  sizesOf,
  type Schema,
} from '../src/cel/index.ts'

const runMs = Number(process.env.BENCH_MS ?? 2000)
const machine = `${cpus().length} cores, ${cpus()[0]?.model}`

const schema: Schema = {
  type: 'object',
  properties: {
    replicas: { type: 'integer' },
    maxReplicas: { type: 'integer' },
    name: { type: 'string', maxLength: 63 },
    items: {
      type: 'array',
      maxItems: 100,
      items: { type: 'object', properties: { name: { type: 'string', maxLength: 63 }, port: { type: 'integer' } } },
    },
  },
}
const self = declare(schema, 'self')!
const environment = kubernetes.extend({ variables: { self: self.type }, objects: objectsOf(self) })
const items = Array.from({ length: 100 }, (_, i) => ({ name: `item-${i}`, port: 8000 + i }))
const data = { replicas: 3, maxReplicas: 5, name: 'a-name', items }
const estimator = estimatorWith(sizesOf({ self }))

const rule = "self.replicas <= self.maxReplicas && self.name.startsWith('a')"
const loop = "self.items.all(i, i.port > 1024 && i.name.startsWith('item-'))"

print('cel-evaluate', rate(evaluation(rule)), 'evaluations/s', { rule })
print('cel-compile', 1e6 / rate(() => compile(rule, environment)), 'us', { rule })
print('cel-evaluate-loop', rate(evaluation(loop)), 'evaluations/s', { rule: loop, elements: items.length })
print('cel-compile-loop', 1e6 / rate(() => compile(loop, environment)), 'us', { rule: loop })
const { node } = programOf(loop)
print('cel-estimate', 1e6 / rate(() => estimateCost(node, estimator)), 'us', { rule: loop })
print('cel-parse-fault', 1e6 / rate(() => compile('self.replicas <=', environment)), 'us', { rule: 'self.replicas <=' })

function programOf(text: string) {
  const compiled = compile(text, environment)
  if (compiled.error !== undefined) throw new Error(compiled.error)
  return compiled.program
}

/** As the API server does it: the object is adapted for each evaluation. */
function evaluation(text: string): () => void {
  const program = programOf(text)
  return () => {
    const { value } = program.evaluate({ self: adapt(data, schema) })
    if (value !== true) throw new Error(`the rule does not hold: ${text}`)
  }
}

/** Calls a second, after a fifth of the time to warm up. */
function rate(run: () => void): number {
  const count = (ms: number): number => {
    const end = performance.now() + ms
    let calls = 0
    for (; performance.now() < end; calls += 10) for (let i = 0; i < 10; i++) run()
    return calls
  }
  count(runMs / 5)
  const start = performance.now()
  const calls = count(runMs)
  return (calls * 1000) / (performance.now() - start)
}

function print(bench: string, value: number, unit: string, more: object): void {
  console.log(JSON.stringify({ bench, value: Math.round(value * 10) / 10, unit, ...more, machine }))
}
