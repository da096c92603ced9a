// kubectl explain shows the schema’s own sentences: every struct and field has one, and a user can read it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DeleteOptions, Status } from '../api/meta.ts'
import type { Struct } from '../api/schema/node.ts'
import { builtinKinds } from './all.ts'
import { customMetricKind, externalMetricKind } from './metrics/other-metrics.ts'
import { NodeMetrics, PodMetrics } from './metrics/resource-metrics.ts'

interface Description {
  /** `Struct` or `Struct.field`. */
  readonly place: string
  readonly text: string
}

const metrics = [NodeMetrics, PodMetrics, customMetricKind('pods'), externalMetricKind('queue-length')]
const roots = [...[...builtinKinds, ...metrics].map(kind => kind.schema), Status, DeleteOptions]

function collect(): Description[] {
  const seen = new Set<Struct>()
  const found: Description[] = []
  const walk = (struct: Struct): void => {
    if (seen.has(struct)) return
    seen.add(struct)
    found.push({ place: struct.name, text: struct.doc })
    for (const [name, field] of Object.entries(struct.fields)) {
      found.push({ place: `${struct.name}.${name}`, text: field.doc ?? '' })
      let inner = field
      while (inner.item) inner = inner.item
      if (inner.struct) walk(inner.struct())
    }
  }
  for (const root of roots) walk(root as Struct)
  return found
}

const maxLength = 280
const maxSentences = 4
const sentences = (text: string) => text.split(/\.(?= |$)/).length - 1

/** What a description must not be. The examples show what a rule is about, and that it finds them. */
const rules: readonly { name: string; broken: (text: string) => boolean; examples: readonly string[] }[] = [
  { name: 'is there', broken: text => !text, examples: [''] },
  { name: 'begins with a capital letter', broken: text => !/^[A-Z]/.test(text), examples: ['name of the port.'] },
  { name: 'ends with a full stop', broken: text => !text.endsWith('.'), examples: ['Name of the port'] },
  { name: 'has at least three words', broken: text => text.split(' ').length < 3, examples: ['The port.'] },
  {
    name: `has at most ${maxSentences} sentences and ${maxLength} characters`,
    broken: text => sentences(text) > maxSentences || text.length > maxLength,
    examples: ['Name. Port. Protocol. Address. Node.'],
  },
  {
    name: 'says what the field is for',
    broken: text =>
      /^(What (is|it|can|was|were)\b|The same\b|Whether (it|they) \w+[.:]|One CamelCase word|Its \w+\.|True (to|if)\b)/.test(
        text,
      ),
    examples: [
      'What is the case, as last observed.',
      'The same for people.',
      'Whether it holds: True, False or Unknown.',
      'One CamelCase word why.',
      'Its pods.',
      'True to hold rollouts back.',
    ],
  },
  {
    name: 'uses plain words',
    broken: text =>
      /\b(whoever|anew|nothing is said|what is there|(is|are) to be|the same for|somebody|everybody|nobody)\b/i.test(
        text,
      ),
    examples: ['What a Deployment is to be.', 'Kept by whoever made it.'],
  },
  {
    name: 'does not let programs think or speak',
    broken: text => /\b(wants?|wanted|wish(es|ed)?|knows?|known|thinks?|tells?|told|hears?|says?|said)\b/i.test(text),
    examples: ['How many pods are wanted.'],
  },
  {
    name: 'marks what is no longer in use',
    broken: text =>
      /\bobsolete\b/i.test(text) ||
      (/\bno longer (set|used|supported)\b/.test(text) && !text.startsWith('Deprecated: ')),
    examples: ['Obsolete; never set.', 'It is no longer used.'],
  },
  {
    name: 'is spelled as in Kubernetes',
    broken: text =>
      /\b\w*(behaviour|colour|honour|cancell|labell|centre|(initial|serial|author|recogn|synchron)is(e|ed|es|ing|ation))\b/i.test(
        text,
      ),
    examples: ['Behaviour of the autoscaler.'],
  },
  {
    name: 'has typographic quotes and single spaces',
    broken: text => /['"]| {2}|^ | $/.test(text),
    examples: ["The pod's address.", 'The address  of the pod.'],
  },
]

const descriptions = collect()

test('the kinds are walked down to their last field', () => {
  const walked = descriptions.map(description => description.place)
  for (const place of ['apps.v1.Deployment.spec', 'core.v1.EnvVarSource.fieldRef', 'meta.v1.StatusCause.field'])
    assert.ok(walked.includes(place), place)
})

for (const { name, broken, examples } of rules)
  test(`every description ${name}`, () => {
    for (const example of examples) assert.ok(broken(example), example)
    assert.deepEqual(
      descriptions.filter(({ text }) => broken(text)).map(({ place, text }) => `${place}: ${text}`),
      [],
    )
  })
