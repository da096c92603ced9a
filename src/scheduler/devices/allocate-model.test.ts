// The search for devices against one that tries everything, on random pools and claims that are small: it finds a
// solution where there is one, what it finds obeys every rule, and no device is ever given twice.
import { fail, ok, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { type Random, seededRandom } from '../../base/random.ts'
import { quantityNanos } from '../../api/quantity.ts'
import type { AllocationResult } from '../../kinds/resource/resourceclaimstatus.ts'
import type { ResourceSlice } from '../../kinds/resource/resourceslice.ts'
import { claimOf, classOf, type DeviceDraft, driver, request, sliceOf, solve } from './fixtures.ts'
import type { Unallocated } from './requests.ts'

const runs = 2000
const attribute = `${driver}/group`
const selectors = ['small', 'large'].map(size => ({
  name: size,
  deviceClassName: size,
}))
const classes = selectors.map(({ name }) =>
  classOf(name, { selectors: [{ cel: { expression: `device.attributes["${driver}"].size == "${name}"` } }] }),
)

interface Case {
  slices: ResourceSlice[]
  devices: readonly DeviceDraft[]
  claims: Unallocated[]
  used: AllocationResult[]
  counter: number
}

const upTo = (random: Random, n: number) => Math.floor(random.float() * n)
const pick = <T>(random: Random, list: readonly T[]): T => list[upTo(random, list.length)]!

function randomCase(random: Random): Case {
  const counter = 2 + upTo(random, 5)
  const devices = Array.from({ length: 1 + upTo(random, 5) }, (_, i): DeviceDraft => {
    const isShared = random.float() < 0.2
    return {
      name: `d${i}`,
      attributes: { size: { string: pick(random, ['small', 'large']) }, group: { int: upTo(random, 2) } },
      ...(random.float() < 0.3 && {
        consumesCounters: [{ counterSet: 's', counters: { c: { value: `${1 + upTo(random, 3)}` } } }],
      }),
      ...(isShared && { allowMultipleAllocations: true, capacity: { m: { value: `${1 + upTo(random, 4)}` } } }),
      ...(random.float() < 0.15 && { taints: [{ key: 'k', effect: 'NoSchedule' as const }] }),
    }
  })
  const pool = { resourceSliceCount: 2 }
  const used = devices.filter(device => !device.allowMultipleAllocations && random.float() < 0.15)
  return {
    counter,
    devices,
    slices: [
      sliceOf('counters', { pool, sharedCounters: [{ name: 's', counters: { c: { value: String(counter) } } }] }),
      sliceOf('devices', { pool, devices }),
    ],
    claims: Array.from({ length: 1 + upTo(random, 2) }, (_, i) => randomClaim(random, i)),
    used: used.map(({ name }) => ({ devices: { results: [{ request: 'r', driver, pool: 'p', device: name! }] } })),
  }
}

function randomClaim(random: Random, i: number): Unallocated {
  const exact = () => ({
    deviceClassName: pick(random, ['any', 'small', 'large']),
    ...(random.float() < 0.15 ? { allocationMode: 'All' } : { count: 1 + upTo(random, 2) }),
    ...(random.float() < 0.3 && { tolerations: [{ operator: 'Exists' }] }),
    ...(random.float() < 0.3 && { capacity: { requests: { m: `${1 + upTo(random, 2)}` } } }),
  })
  const requests = Array.from({ length: 1 + upTo(random, 2) }, (_, r) =>
    random.float() < 0.3
      ? { name: `r${r}`, firstAvailable: ['a', 'b'].map(name => ({ name, ...exact() })) }
      : request(`r${r}`, { ...exact(), ...(random.float() < 0.15 && { adminAccess: true }) }),
  )
  const constraint = pick(random, [{ matchAttribute: attribute }, { distinctAttribute: attribute }])
  return claimOf(`c${i}`, { requests, ...(random.float() < 0.4 && { constraints: [constraint] }) })
}

/** One place to be filled: a device for an alternative of a request. */
interface Slot {
  claim: number
  request: string
  asked: Asked
}
type Asked = NonNullable<NonNullable<Unallocated['spec']['devices']['requests']>[number]['exactly']>

/** Whether all slots can be filled, tried with every device for each, checked as a whole at the end. */
function exists(given: Case): boolean {
  for (const slots of allSlots(given)) if (fills(given, slots, [])) return true
  return false
}

/** All ways to choose alternatives. `All` has a slot for each device that matches. */
function* allSlots({ claims, devices }: Case): Generator<Slot[]> {
  const choices = claims.flatMap(({ spec }, claim) =>
    (spec.devices.requests ?? []).map(({ name, exactly, firstAvailable = [] }) =>
      (exactly ? [exactly] : firstAvailable).map(asked => ({ claim, request: name, asked: asked as Asked })),
    ),
  )
  const counts = choices.map(alternatives => alternatives.length)
  for (let n = 0; n < counts.reduce((a, b) => a * b, 1); n++) {
    let rest = n
    const chosen = choices.map((alternatives, i) => {
      const one = alternatives[rest % counts[i]!]!
      rest = Math.floor(rest / counts[i]!)
      return one
    })
    if (chosen.some(({ asked }) => asked.allocationMode === 'All' && !devices.some(device => selects(asked, device))))
      continue
    yield chosen.flatMap(slot => {
      const { allocationMode, count = 1 } = slot.asked
      const matching = devices.filter(device => selects(slot.asked, device)).length
      return Array.from({ length: allocationMode === 'All' ? matching : count }, () => slot)
    })
  }
}

/** Every rule that a part of a choice breaks, the whole breaks too. */
function fills(given: Case, slots: readonly Slot[], chosen: readonly DeviceDraft[]): boolean {
  if (problemOf(given, slots.slice(0, chosen.length), chosen) !== undefined) return false
  return chosen.length === slots.length || given.devices.some(device => fills(given, slots, [...chosen, device]))
}

/** Whether a device is one that the request is about, before the question whether it is available. */
function selects({ deviceClassName, capacity }: Asked, { attributes, capacity: has }: DeviceDraft): boolean {
  if (deviceClassName !== 'any' && attributes?.size?.string !== deviceClassName) return false
  return Object.entries(capacity?.requests ?? {}).every(
    ([name, amount]) => has?.[name] !== undefined && nanos(amount) <= nanos(has[name].value),
  )
}

const nanos = (text: string | number | undefined) => quantityNanos(String(text ?? 0)) ?? 0n

/** The rule that a choice of devices for slots breaks. */
function problemOf(given: Case, slots: readonly Slot[], chosen: readonly DeviceDraft[]): string | undefined {
  const inUse = new Set(given.used.map(({ devices }) => devices.results![0]!.device))
  const pairs = slots.map((slot, i) => ({ ...slot, device: chosen[i]! }))
  const whole = pairs.filter(({ device }) => !device.allowMultipleAllocations)
  for (const [i, { asked, device, claim, request: name }] of pairs.entries()) {
    if (!selects(asked, device)) return 'a selector'
    if (device.taints?.length && !asked.tolerations?.length) return 'a taint'
    const others = pairs.filter((_, j) => j !== i)
    if (
      asked.allocationMode === 'All' &&
      others.some(o => o.device === device && o.claim === claim && o.request === name)
    )
      return 'not all'
    if (device.allowMultipleAllocations) continue
    if (others.some(o => o.device === device && o.claim === claim)) return 'twice in a claim'
    if (asked.adminAccess) continue
    if (inUse.has(device.name!)) return 'in use'
    if (others.some(o => o.device === device && !o.asked.adminAccess)) return 'given twice'
  }
  const taken = new Set([
    ...given.devices.filter(device => inUse.has(device.name!)),
    ...whole.filter(({ asked }) => !asked.adminAccess).map(({ device }) => device),
    ...pairs
      .filter(({ device, asked }) => device.allowMultipleAllocations && !asked.adminAccess)
      .map(({ device }) => device),
  ])
  const consumed = [...taken].reduce((sum, device) => sum + nanos(device.consumesCounters?.[0]?.counters?.c?.value), 0n)
  // A counter that others have overdrawn only keeps devices away that take from it.
  const takesMore = pairs.some(({ device, asked }) => device.consumesCounters?.length && !asked.adminAccess)
  if (takesMore && consumed > nanos(given.counter)) return 'a counter'
  for (const device of given.devices.filter(one => one.allowMultipleAllocations)) {
    const shares = pairs.filter(pair => pair.device === device && !pair.asked.adminAccess)
    const total = shares.reduce(
      (sum, { asked }) => sum + nanos(asked.capacity?.requests?.m ?? device.capacity?.m?.value),
      0n,
    )
    if (total > nanos(device.capacity?.m?.value)) return 'a capacity'
  }
  for (const [claim, { spec }] of given.claims.entries())
    for (const { matchAttribute } of spec.devices.constraints ?? []) {
      const values = pairs.filter(pair => pair.claim === claim).map(({ device }) => device.attributes?.group?.int)
      const distinct = new Set(values).size
      if (matchAttribute ? distinct > 1 : distinct < values.length) return 'a constraint'
    }
  return undefined
}

/** The slots and devices of a solution, as the model has them. */
function slotsOf({ claims, devices }: Case, found: readonly AllocationResult[]): [Slot[], DeviceDraft[]] {
  const slots: Slot[] = []
  const chosen: DeviceDraft[] = []
  for (const [claim, allocation] of found.entries())
    for (const { request: of, device } of allocation.devices.results ?? []) {
      const [name = '', part] = of.split('/')
      const { exactly, firstAvailable } = claims[claim]!.spec.devices.requests!.find(one => one.name === name)!
      const asked = (exactly ?? firstAvailable!.find(one => one.name === part)) as Asked
      slots.push({ claim, request: name, asked })
      chosen.push(devices.find(one => one.name === device)!)
    }
  return [slots, chosen]
}

const first = Number(process.env.KUTTER_SEED ?? 1)

test(`finds what trying everything finds, in ${runs} cases`, () => {
  let solved = 0
  for (let seed = first; seed < first + runs; seed++) {
    const given = randomCase(seededRandom(seed))
    const found = solve({ ...given, classes })
    if (typeof found === 'string') {
      if (exists(given)) fail(`seed ${seed}: there is a solution, and it found ${found}: ${JSON.stringify(given)}`)
      continue
    }
    solved++
    strictEqual(problemOf(given, ...slotsOf(given, found)), undefined, `seed ${seed}: ${JSON.stringify(found)}`)
    const counts = given.claims.map(({ spec }) => spec.devices.requests!.length)
    ok(found.every(({ devices }, i) => new Set(devices.results!.map(r => r.request.split('/')[0])).size === counts[i]))
  }
  ok(solved > runs / 10, `only ${solved} cases had a solution`)
  ok(solved < (runs * 9) / 10, `${solved} cases had a solution`)
})

test('devices that are allocated one claim after the other are never given twice', () => {
  for (let seed = first; seed < first + 200; seed++) {
    const random = seededRandom(seed)
    const given = { ...randomCase(random), used: [] as AllocationResult[] }
    const held: { claim: Unallocated; allocation: AllocationResult }[] = []
    for (let step = 0; step < 20; step++) {
      if (held.length && random.float() < 0.3) held.splice(upTo(random, held.length), 1)
      const claim = randomClaim(random, step)
      const found = solve({ ...given, claims: [claim], classes, used: held.map(({ allocation }) => allocation) })
      if (typeof found !== 'string') held.push({ claim, allocation: found[0]! })
      const all = { ...given, claims: held.map(one => one.claim) }
      const problem = problemOf(
        all,
        ...slotsOf(
          all,
          held.map(({ allocation }) => allocation),
        ),
      )
      strictEqual(problem, undefined, `seed ${seed}, step ${step}`)
    }
  }
})
