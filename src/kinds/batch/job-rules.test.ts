import { deepStrictEqual } from 'node:assert'
import { test } from 'node:test'
import { decode } from '../../api/schema/decode.ts'
import { validateUpdate } from '../../api/validate.ts'
import { Job } from './job.ts'

const oldNames = { 'controller-uid': 'u', 'job-name': 'j' }
const newNames = { 'batch.kubernetes.io/controller-uid': 'u', 'batch.kubernetes.io/job-name': 'j' }

interface Given {
  labels?: object
  pod?: object
  container?: object
  spec?: object
  status?: object
}

function job({ labels = { ...oldNames, ...newNames }, pod, container, spec, status }: Given): Job {
  const containers = [{ name: 'c', image: 'app', ...container }]
  const made = decode(
    Job.schema,
    {
      kind: 'Job',
      apiVersion: 'batch/v1',
      metadata: { name: 'j', namespace: 'default', uid: 'u' },
      spec: {
        selector: { matchLabels: { 'controller-uid': 'u' } },
        template: { metadata: { labels }, spec: { restartPolicy: 'Never', containers, ...pod } },
        ...spec,
      },
      status: { ...status },
    },
    { defaults: true },
  )
  Job.defaults?.(made)
  return made
}

/** Fields that are refused. */
const refused = (next: Given, old: Given): string[] => [
  ...new Set([...validateUpdate(Job, job(next), job(old))].map(({ field }) => field)),
]

test('the template of a job at rest changes in what its pods ask for and where they run', () => {
  const suspend = { suspend: true }
  const more = { container: { resources: { requests: { cpu: '2' } } }, pod: { nodeSelector: { a: 'b' } } }
  const startTime = '2026-01-01T00:00:00Z'
  const conditions = [{ type: 'Suspended', status: 'True' }]
  const table: [status: object, spec: object, change: Given, refused: string[]][] = [
    [{}, {}, more, ['spec.template']],
    [{}, suspend, more, []],
    [{}, suspend, { container: { image: 'other' } }, ['spec.template.spec']],
    [{ startTime }, suspend, more, ['spec.template']],
    [{ startTime, conditions }, suspend, more, []],
    [{ startTime, conditions, active: 1 }, suspend, more, ['spec.template']],
  ]
  for (const [status, spec, change, expected] of table)
    deepStrictEqual(refused({ ...change, spec, status }, { spec, status }), expected)
})

test('completions follow parallelism where they are numbered', () => {
  const indexed = { completionMode: 'Indexed', completions: 2, parallelism: 2 }
  const table: [old: object, next: object, refused: string[]][] = [
    [{ completions: 2 }, { completions: 3 }, ['spec.completions']],
    [indexed, { ...indexed, completions: 3 }, ['spec.completions']],
    [indexed, { ...indexed, completions: 3, parallelism: 3 }, []],
    [indexed, { completions: 3, parallelism: 3 }, ['spec.completions', 'spec.completionMode']],
  ]
  for (const [old, next, expected] of table) deepStrictEqual(refused({ spec: next }, { spec: old }), expected)
})

test('a job keeps the labels by which its pods are found', () => {
  const label = (name: string) => `spec.template.metadata.labels[${name}]`
  const table: [old: object, next: object, refused: string[]][] = [
    [{ ...oldNames, ...newNames }, oldNames, [...Object.keys(newNames).map(label), 'spec.template']],
    [oldNames, oldNames, []],
    [oldNames, { ...oldNames, 'job-name': 'k' }, [label('job-name'), 'spec.template']],
  ]
  for (const [old, next, expected] of table) deepStrictEqual(refused({ labels: next }, { labels: old }), expected)
})
