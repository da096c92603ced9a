import { deepStrictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { nextSample, type Sample } from './rates.ts'

test('a rate is that between two samples, and goes on when the time is set', () => {
  const hour = 3600_000
  const rates: (number | undefined)[] = []
  let sample: Sample | undefined
  for (const [atMs, cpuNs] of [
    [5000, 0],
    [6000, 500e6],
    [6000, 600e6],
    [7000, 700e6],
    [8000 - hour, 800e6],
    [9000 - hour, 1100e6],
    [10_000 - hour, 0],
  ] as const)
    rates.push((sample = nextSample(sample, atMs, cpuNs)).nanoCores)
  deepStrictEqual(rates, [undefined, 500e6, 500e6, 200e6, 200e6, 300e6, 0])
})
