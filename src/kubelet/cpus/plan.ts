// Which CPUs a container has for itself. Whole sockets are given before whole cores, and those before single CPUs, so
// that what belongs together is used by one container; single CPUs come from cores that are in use already. Pure.
//
// Example with two CPUs for each core, 0 and 4, 1 and 5, 2 and 6, 3 and 7: of the free CPUs 1 to 7, three are 1 and 5,
// which are a core, and 4, whose core is in use.
//
// Source: kubernetes pkg/kubelet/cm/cpumanager/cpu_assignment.go (the packed order), policy_static.go.
import { quantityMilli } from '../../api/quantity.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { qosClass } from '../../kinds/core/pod-defaults.ts'
import type { ReadContainer } from '../pod/spec.ts'

/** A logical CPU. */
export interface Cpu {
  id: number
  core: number
  socket: number
  /** The NUMA node. */
  node: number
}

/** CPUs as the kernel writes them: `0-2,5`; '' for none. Source: cpuset(7), the list format. */
export function cpusetText(ids: Iterable<number>): string {
  const sorted = [...ids].sort((a, b) => a - b)
  const ranges: [number, number][] = []
  for (const id of sorted) {
    const last = ranges.at(-1)
    if (last && id === last[1] + 1) last[1] = id
    else ranges.push([id, id])
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',')
}

const maxCpus = 8192

/** The CPUs of a list such as `0-2,5`. Undefined for any other text. */
export function cpusIn(text: string): number[] | undefined {
  if (text.trim() === '') return []
  const ids = new Set<number>()
  for (const part of text.trim().split(',')) {
    const [, from, to = from] = /^(\d+)(?:-(\d+))?$/.exec(part) ?? []
    if (from === undefined || Number(to) >= maxCpus || Number(from) > Number(to)) return undefined
    for (let id = Number(from); id <= Number(to); id++) ids.add(id)
  }
  return [...ids]
}

/** How many CPUs a container has for itself: its whole number of CPUs, if its pod is Guaranteed. Otherwise 0. */
export function exclusiveCpus(pod: Pod, container: ReadContainer): number {
  // As under Kubernetes, what a pod requests as a whole belongs to none of its containers.
  if (pod.spec.resources || qosClass(pod.spec) !== 'Guaranteed') return 0
  const milli = quantityMilli(container.resources?.requests?.cpu ?? container.resources?.limits?.cpu)
  return milli > 0 && milli % 1000 === 0 ? milli / 1000 : 0
}

/** The CPUs of a core, which are as many on all of them. */
export const cpusPerCore = (all: readonly Cpu[]): number => all.length / groupsBy(all, coreOf).length

/** Of the free CPUs, those whose whole core is free. */
export const wholeCores = (all: readonly Cpu[], free: ReadonlySet<number>): Set<number> =>
  new Set(
    groupsBy(all, coreOf)
      .filter(cpus => cpus.every(({ id }) => free.has(id)))
      .flatMap(cpus => cpus.map(({ id }) => id)),
  )

/** Takes CPUs from these sets, each as far as it goes before the next one. Undefined if there are not enough in all. */
export function takeInOrder(
  all: readonly Cpu[],
  sets: readonly ReadonlySet<number>[],
  count: number,
): number[] | undefined {
  const taken = new Set<number>()
  for (const set of sets) {
    const left = new Set([...set].filter(id => !taken.has(id)))
    for (const id of takeCpus(all, left, Math.min(left.size, count - taken.size)) ?? []) taken.add(id)
  }
  return taken.size === count ? [...taken].sort((a, b) => a - b) : undefined
}

/** Takes CPUs from the free ones. Undefined if there are not enough. */
export function takeCpus(all: readonly Cpu[], free: ReadonlySet<number>, count: number): number[] | undefined {
  if (free.size < count) return undefined
  const taken = new Set<number>()
  const isFree = ({ id }: Cpu) => free.has(id) && !taken.has(id)
  const take = (cpus: readonly Cpu[]) => {
    for (const { id } of cpus) taken.add(id)
  }
  for (const group of [socketOf, coreOf])
    for (const cpus of groupsBy(all, group)) if (cpus.every(isFree) && cpus.length <= count - taken.size) take(cpus)
  const used = (cpus: readonly Cpu[]) => cpus.filter(cpu => !isFree(cpu)).length
  // The cores with the most CPUs in use are filled up first.
  const cores = groupsBy(all, coreOf).sort((a, b) => used(b) - used(a) || a[0]!.id - b[0]!.id)
  for (const cpus of cores) take(cpus.filter(isFree).slice(0, count - taken.size))
  return [...taken].sort((a, b) => a - b)
}

const socketOf = ({ socket }: Cpu) => `${socket}`
const coreOf = ({ socket, core }: Cpu) => `${socket} ${core}`

function groupsBy(all: readonly Cpu[], keyOf: (cpu: Cpu) => string): Cpu[][] {
  const groups = new Map<string, Cpu[]>()
  for (const cpu of [...all].sort((a, b) => a.id - b.id)) {
    const key = keyOf(cpu)
    groups.set(key, [...(groups.get(key) ?? []), cpu])
  }
  return [...groups.values()]
}

/** The CPUs that are kept from exclusive use: those that are named, or as many as are reserved, from the first one on. */
export function reservedCpus(all: readonly Cpu[], named: readonly number[], reservedMilli: number): number[] {
  if (named.length) return [...named]
  return takeCpus(all, new Set(all.map(({ id }) => id)), Math.min(all.length, Math.ceil(reservedMilli / 1000))) ?? []
}
