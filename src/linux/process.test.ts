// Processes by their ids: those that run, zombies, and ids that nobody has.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { isRunning, sendSignal } from './process.ts'

test('a process runs until it has ended, also when nobody has collected it', async () => {
  // The shell becomes a program that never waits for the child that it had, which stays a zombie after its end.
  const parent = spawn('sh', ['-c', 'sleep 60 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] })
  try {
    const [line] = (await once(parent.stdout, 'data')) as [Buffer]
    const child = Number(line.toString())
    assert.equal(isRunning(child), true)
    assert.equal(sendSignal(child, 'SIGKILL'), true)
    while (!/\) Z /.test(readFileSync(`/proc/${child}/stat`, 'utf8'))) await setImmediate()
    assert.equal(isRunning(child), false)
    assert.equal(sendSignal(child, 'SIGTERM'), true)
  } finally {
    const ended = once(parent, 'exit')
    parent.kill('SIGKILL')
    await ended
  }
  assert.equal(isRunning(parent.pid!), false)
  assert.equal(sendSignal(parent.pid!, 'SIGTERM'), false)
})
