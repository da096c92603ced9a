// Which pods end in which phase of a shutdown, and what systemd's programs report. The programs are scripts here.
import assert from 'node:assert/strict'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { realClock } from '../../base/clock.ts'
import { podOf } from '../../kinds/testing.ts'
import { logindSource, shutdownIn } from './logind.ts'
import { planShutdown } from './plan.ts'

const pod = (name: string, priority: number, terminationGracePeriodSeconds = 30) =>
  podOf({ metadata: { name }, spec: { priority, terminationGracePeriodSeconds } })

test('pods end in phases from the lowest priority on, each with its own time but no more than that of the phase', () => {
  const phases = [
    { priority: 2_000_000_000, graceSeconds: 10 },
    { priority: 0, graceSeconds: 20 },
    { priority: 1000, graceSeconds: 60 },
  ]
  const pods = [pod('critical', 2_000_001_000), pod('plain', 0), pod('quick', 5, 3), pod('low', -7), pod('high', 1000)]
  const plan = planShutdown(phases, pods).map(
    phase => `${phase.limitSeconds}: ${phase.pods.map(p => `${p.pod.metadata.name} ${p.graceSeconds}`).join(', ')}`,
  )
  assert.deepEqual(plan, ['20: plain 20, quick 3, low 20', '60: high 30', '10: critical 10'])
})

test('phases without pods take no time, and without phases nothing ends', () => {
  const phases = [
    { priority: 0, graceSeconds: 20 },
    { priority: 1000, graceSeconds: 60 },
  ]
  assert.equal(planShutdown(phases, [pod('plain', 0)]).length, 1)
  assert.deepEqual(planShutdown(phases, []), [])
  assert.deepEqual(planShutdown([], [pod('plain', 0)]), [])
})

const unexpected = () => assert.fail('nothing is followed')
const line = (member: string, value: unknown) =>
  JSON.stringify({ type: 'signal', path: '/org/freedesktop/login1', member, payload: { type: 'b', data: [value] } })

test('only the signal of a shutdown counts', () => {
  assert.equal(shutdownIn(line('PrepareForShutdown', true)), true)
  assert.equal(shutdownIn(line('PrepareForShutdown', false)), false)
  for (const other of [
    line('PrepareForSleep', true),
    line('PrepareForShutdown', 1),
    'Monitoring bus…',
    '',
    '{',
    'null',
  ])
    assert.equal(shutdownIn(other), undefined, other)
})

test('a shutdown is delayed as long as the delay is held, and its signals arrive', async t => {
  const dir = await mkdtemp(join(tmpdir(), 'logind-'))
  t.after(() => rm(dir, { recursive: true }))
  const script = async (name: string, text: string) => {
    await writeFile(join(dir, name), `#!/bin/sh\n${text}\n`)
    await chmod(join(dir, name), 0o755)
  }
  await script('systemd-inhibit', `echo "$@" > ${dir}/held; cat; rm ${dir}/held`)
  await script('busctl', `echo '${line('PrepareForShutdown', true)}'; exec sleep 1000`)
  const seen: boolean[] = []
  const problems: string[] = []
  const path = `${dir}:${process.env.PATH}`
  const lock = logindSource(dir, path).follow(
    is => seen.push(is),
    why => problems.push(why),
  )
  assert.ok(lock)
  const held = () => readFile(join(dir, 'held'), 'utf8').catch(() => undefined)
  const until = async (condition: () => Promise<boolean> | boolean) => {
    while (!(await condition())) await realClock.sleep(5)
  }
  await until(async () => Boolean(await held()) && seen.length === 1)
  assert.deepEqual(seen, [true])
  assert.match((await held())!, /^--what=shutdown --mode=delay --who=kubelet --why=.* cat\n$/)
  lock.release()
  await until(async () => (await held()) === undefined)
  assert.deepEqual(problems, [])
})

test('a program that ends is reported, and where systemd is not there nothing is followed', async t => {
  const dir = await mkdtemp(join(tmpdir(), 'logind-'))
  t.after(() => rm(dir, { recursive: true }))
  assert.equal(logindSource(join(dir, 'missing')).follow(unexpected, unexpected), undefined)
  assert.equal(logindSource(dir, dir).follow(unexpected, unexpected), undefined)
  for (const name of ['systemd-inhibit', 'busctl']) {
    await writeFile(join(dir, name), '#!/bin/sh\nexit 3\n')
    await chmod(join(dir, name), 0o755)
  }
  const why = await new Promise<string>(resolve =>
    logindSource(dir, `${dir}:${process.env.PATH}`).follow(unexpected, resolve),
  )
  assert.match(why, /has ended with 3/)
})
