// How a node defends itself: what it refuses, what ends for the sake of a critical pod, and what it evicts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PriorityClass } from '../../src/kinds/scheduling/priorityclass.ts'
import { makeNode, one } from './one-node.ts'

const cpu = (amount: string) => one({ resources: { requests: { cpu: amount } } })

test('a critical pod waits until the pods that make room for it have ended', async t => {
  const { clock, client, run, pod, events } = await makeNode(t)
  const name = 'system-node-critical'
  if (!(await client.find(PriorityClass, { name })))
    await client.create(PriorityClass, { metadata: { name }, value: 2_000_001_000 })
  await run('plain', cpu('20'), { main: { stopMs: 4_000 } })
  await run('small', cpu('2'))
  await clock.forward(1_000)
  await run('critical', { ...cpu('29'), priorityClassName: name })
  await clock.forward(1_000)
  assert.equal((await pod('critical')).status.phase, 'Pending')
  assert.deepEqual((await pod('critical')).status.containerStatuses, undefined)

  await clock.forward(5_000)
  assert.equal((await pod('critical')).status.phase, 'Running')
  const { phase, reason, message, conditions } = (await pod('plain')).status
  assert.deepEqual([phase, reason, message], ['Failed', 'Preempting', 'Preempted in order to admit critical pod'])
  const disruption = conditions?.find(c => c.type === 'DisruptionTarget')
  assert.deepEqual([disruption?.status, disruption?.reason], ['True', 'TerminationByKubelet'])
  assert.ok((await events('plain')).includes('Preempting 1'))
  assert.equal((await pod('small')).status.phase, 'Running')
})
