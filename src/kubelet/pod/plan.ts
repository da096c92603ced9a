// The next steps for one pod, given its spec, what the runtime has of it, and what the kubelet keeps about it. Pure:
// the worker carries the steps out and plans again. Steps that are under way (`busy`) are not planned twice.
//
// Why is a container not running yet? `waiting` of the plan has the answer: the sandbox or an init container must come
// first (planLife, planInits), the last start failed and its time has not come (start), or the container ended and its
// back-off is not over (planContainer).
//
//                 ┌─────────── sandbox lost: killed and created again ────────────┐
//                 ▼                                                               │
//   waiting ─▶ starting (volumes, sandbox) ─▶ initializing (init 1…n) ─▶ running (restarts with back-off)
//      │             │                             │                         │
//      │             └──────────────┬──────────────┴────────────┬────────────┘
//      │          deleted, evicted, deadline          all ended for good
//      ▼                            ▼                           ▼
//   ending (preStop of all, SIGTERM, SIGKILL, sidecars last) ─▶ ended (sandbox stopped, volumes unmounted)
//                                                             └─ deleted? ─▶ gone (the object is deleted)
//
// Source: kubernetes pkg/kubelet/kuberuntime (computePodActions), KEP-753.
import { durationText, parseTime } from '../../api/time.ts'
import { appliedTo, type ResizeMemory } from '../resize/applied.ts'
import { changeOf } from '../resize/decide.ts'
import type { ContainerSeen, PodSeen, SandboxSeen } from '../runtime/runtime.ts'
import { type Backoff, backoffKey, waitUntil } from './backoff.ts'
import { type Job, keyOf } from './jobs.ts'
import { type Cause, type Ending, endingOf, endMsOf, type Living } from './life.ts'
import {
  containerHash,
  ephemeralContainers,
  findContainer,
  graceSecondsOf,
  initContainers,
  isSidecar,
  mainContainers,
  newest,
  podText,
  type ReadContainer,
  restartPolicyOf,
  restarts,
  type Role,
} from './spec.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { isTerminal } from '../../kinds/core/pod-phase.ts'

/** What the kubelet keeps about a pod in addition to what the runtime has. It is lost when the kubelet restarts. */
export interface PodMemory {
  life: Living
  /** The jobs under way. */
  busy: readonly Job[]
  /** Restart back-offs, by `backoffKey`. */
  backoffs: ReadonlyMap<string, Backoff>
  /** Containers that could not be started, by name. */
  failures: ReadonlyMap<string, StartProblem>
  /** After a failure of the sandbox or a volume, the time before which it is not tried again. */
  sandboxRetryAt: number
  /** Why there is no sandbox and will be none; otherwise ''. */
  obstacle: string
  /** Containers that must be restarted because a probe failed, by container id. */
  condemned: ReadonlyMap<string, { message: string; graceSeconds?: number }>
  /** Containers whose startup probe has not succeeded yet, by container id. */
  notStarted: ReadonlySet<string>
  /** The ids of containers whose preStop hook ran before their turn to end. */
  hooked: ReadonlySet<string>
  resize: ResizeMemory
}

/** Why a container could not be started: the reason and message of its status, and when to retry. */
export interface StartProblem {
  reason: string
  message: string
  retryAt: number
}

type PodState =
  | { state: 'starting' }
  | { state: 'initializing'; at: string }
  | { state: 'running' }
  | { state: 'ending' }
  | { state: 'ended' }

/** What to do next: a job, and all that it needs. */
export type Step =
  | { do: 'sandbox'; attempt: number; replaces?: string }
  | { do: 'start'; name: string; role: Role; attempt: number; after?: ContainerSeen }
  | { do: 'kill'; id: string; name: string; message: string; graceSeconds: number; preStop: boolean }
  /** Runs the preStop hook of a sidecar, whose SIGTERM must wait until others have ended. */
  | { do: 'preStop'; id: string; name: string; message: string; graceSeconds: number }
  | { do: 'remove' | 'removeSandbox'; id: string }
  /** Applies the granted resources to the pod and to running containers. */
  | { do: 'resize'; containers: { id: string; name: string }[] }
  /** Stops sandboxes, lets claims go, and unmounts volumes. */
  | { do: 'settle' }
  /** Deletes the object of a pod that has ended and is settled. */
  | { do: 'delete' }

export type StepTo<Do extends Step['do']> = Extract<Step, { do: Do }>

export interface PodPlan {
  state: PodState
  steps: Step[]
  /** When to plan again if nothing happens before, in ms since the epoch. */
  againAt: number | undefined
  /** Containers that are not started yet, by name, with the reason and message of their status. */
  waiting: Map<string, { reason: string; message: string; event?: string }>
  /** The running containers to which the granted resources do not apply yet. */
  unequal: { id: string; name: string }[]
}

/**
 * The plan of a pod. The same inputs always give the same plan, so the worker may plan as often as it wants. Steps of
 * one plan can be carried out at the same time, in any order; what must come later is not in the plan yet.
 *
 * Example: a pod with the init container i and the main container m.
 *
 *   runtime has nothing              sandbox
 *   sandbox                          start i
 *   sandbox, i running               (nothing: the worker waits for an event)
 *   sandbox, i exited with 0         start m
 *   sandbox, m exited with 1         (nothing: againAt is the end of the back-off, waiting has CrashLoopBackOff for m)
 */
export function planPod(pod: Pod, seen: PodSeen, memory: PodMemory, now: number): PodPlan {
  const plan: PodPlan = { state: { state: 'starting' }, steps: [], againAt: undefined, waiting: new Map(), unequal: [] }
  const context: Context = { pod, seen, memory, now, plan, sandbox: seen.sandboxes.find(s => s.ready) }
  const { life } = memory
  const ending = endingOf(life)
  const finishedAtMs = life.is === 'alive' ? life.finishedAtMs : undefined
  const byItself = { sinceMs: finishedAtMs ?? now, graceSeconds: graceSecondsOf(pod) }
  if (life.is !== 'alive' || isFinished(pod, seen)) planEnd(context, ending ?? byItself)
  else planLife(context)
  dropOld(context)
  return plan
}

/** Whether all containers have ended for good by themselves. */
function isFinished(pod: Pod, seen: PodSeen): boolean {
  if (isTerminal(pod)) return true
  if (!seen.sandboxes.length && !seen.containers.length) return false
  for (const container of initContainers(pod)) {
    if (isSidecar(container)) continue
    const last = newest(seen, container.name)
    if (last?.state === 'exited' && last.exitCode !== 0 && !restarts(pod, container, 'init', last.exitCode)) return true
  }
  return mainContainers(pod).every(container => {
    const last = newest(seen, container.name)
    return last?.state === 'exited' && !restarts(pod, container, 'main', last.exitCode)
  })
}

interface Context {
  pod: Pod
  seen: PodSeen
  memory: PodMemory
  now: number
  plan: PodPlan
  sandbox: SandboxSeen | undefined
}

function planLife(c: Context): void {
  const { pod, seen, memory, plan, now } = c
  const deadline = deadlineOf(pod)
  if (deadline !== undefined) planAgainAt(plan, deadline)
  if (!c.sandbox) return planSandbox(c)
  const busy = memory.busy.some(job => job.do === 'start')
  const begun = mainContainers(pod).some(m => newest(seen, m.name, c.sandbox))
  const blockedAt = planInits(c, begun)
  for (const container of ephemeralContainers(pod)) if (!newest(seen, container.name)) start(c, container, 'ephemeral')
  if (blockedAt !== undefined) {
    plan.state = { state: 'initializing', at: blockedAt }
  } else {
    plan.state = { state: 'running' }
    for (const container of mainContainers(pod)) planContainer(c, container, 'main')
  }
  // Containers start one at a time, in the order of the spec, on which images and hooks may rely.
  planResize(c)
  const first = plan.steps.find(step => step.do === 'start')
  plan.steps = plan.steps.filter(step => step.do !== 'start' || (step === first && !busy))
  for (const [name, failure] of memory.failures) {
    if (!plan.waiting.has(name)) plan.waiting.set(name, failure)
    if (failure.retryAt > now) planAgainAt(plan, failure.retryAt)
  }
}

function planSandbox(c: Context): void {
  const { pod, seen, memory, plan, now } = c
  const old = seen.sandboxes[0]
  for (const container of seen.containers)
    if (container.state === 'running')
      kill(c, container, 'Pod sandbox changed, it will be killed and re-created.', graceSecondsOf(pod), false)
  for (const [name, failure] of memory.failures) plan.waiting.set(name, failure)
  if (plan.steps.length || memory.busy.length) return
  if (memory.sandboxRetryAt > now) return planAgainAt(plan, memory.sandboxRetryAt)
  // A pod with restartPolicy Never whose containers have run gets no other sandbox, since they would run again.
  const hadMain = mainContainers(pod).some(m => newest(seen, m.name))
  if (old && hadMain && restartPolicyOf(pod) === 'Never') return
  plan.steps.push({ do: 'sandbox', attempt: old ? old.attempt + 1 : 0, ...(old && { replaces: old.id }) })
}

/** Returns the init container for which the others wait. */
function planInits(c: Context, begun: boolean): string | undefined {
  const { pod, seen, memory } = c
  for (const container of initContainers(pod)) {
    const last = newest(seen, container.name, c.sandbox)
    if (isSidecar(container)) {
      planContainer(c, container, 'init')
      const up = last?.state === 'running' && !memory.notStarted.has(last.id)
      if (!up && !begun) return container.name
    } else if (!begun && !(last?.state === 'exited' && last.exitCode === 0)) {
      planContainer(c, container, 'init')
      return container.name
    }
  }
  return undefined
}

function planContainer(c: Context, container: ReadContainer, role: Role): void {
  const { pod, memory, plan, now } = c
  const last = newest(c.seen, container.name, c.sandbox)
  if (!last || last.state === 'created' || last.state === 'unknown') {
    // The container was created and never started, because the kubelet ended in between. It is created again.
    if (last && !isBusy(c, { do: 'start', name: container.name })) remove(c, last.id)
    return start(c, container, role)
  }
  if (last.state === 'running') {
    const condemned = memory.condemned.get(last.id)
    if (condemned) return kill(c, last, condemned.message, condemned.graceSeconds ?? graceSecondsOf(pod), true)
    if (last.hash !== containerHash(container))
      return kill(
        c,
        last,
        `Container ${container.name} definition changed, will be restarted`,
        graceSecondsOf(pod),
        true,
      )
    const applied = role === 'ephemeral' ? undefined : appliedTo(last, memory.resize)
    const change = applied ? changeOf(container, applied) : 'none'
    if (change !== 'none') plan.unequal.push({ id: last.id, name: container.name })
    if (change === 'restart')
      kill(c, last, `Container ${container.name} resize requires restart`, graceSecondsOf(pod), true)
    return
  }
  if (!restarts(pod, container, role, last.exitCode) || isBusy(c, { do: 'start', name: container.name })) return
  const backoff = memory.backoffs.get(backoffKey(container))
  const until = waitUntil(now, last.finishedAtMs, backoff)
  if (until === undefined) return start(c, container, role, last)
  planAgainAt(plan, until)
  const delay = durationText(backoff!.delayMs * 1e6)
  plan.waiting.set(container.name, {
    reason: 'CrashLoopBackOff',
    message: `back-off ${delay} restarting failed container=${container.name} pod=${podText(pod)}`,
    event: `Back-off restarting failed container ${container.name} in pod ${podText(pod)}`,
  })
}

function planResize(c: Context): void {
  const { memory, plan, now } = c
  const { podPending, retryAt } = memory.resize
  const containers = plan.unequal.filter(({ id }) => !plan.steps.some(step => step.do === 'kill' && step.id === id))
  if ((!podPending && !containers.length) || isBusy(c, { do: 'resize' })) return
  if (retryAt > now) planAgainAt(plan, retryAt)
  else plan.steps.push({ do: 'resize', containers })
}

function start(c: Context, container: ReadContainer, role: Role, after?: ContainerSeen): void {
  const { memory, plan, now } = c
  const failure = memory.failures.get(container.name)
  if (failure && failure.retryAt > now) {
    plan.waiting.set(container.name, failure)
    return planAgainAt(plan, failure.retryAt)
  }
  plan.steps.push({
    do: 'start',
    name: container.name,
    role,
    attempt: nextAttempt(c, container.name, role),
    ...(after && { after }),
  })
}

// The number of earlier starts: from the runtime's newest container, or from the status if the runtime lost it.
function nextAttempt({ seen, pod }: Context, name: string, role: Role): number {
  const last = newest(seen, name)
  if (last) return last.state === 'exited' || last.state === 'running' ? last.attempt + 1 : last.attempt
  const statuses = role === 'init' ? pod.status.initContainerStatuses : pod.status.containerStatuses
  const known = statuses?.find(s => s.name === name)
  // A status without a container id has counted the lost container already.
  return known ? known.restartCount + (known.containerID ? 1 : 0) : 0
}

function planEnd(c: Context, time: Pick<Ending, 'sinceMs' | 'graceSeconds'>): void {
  const { pod, seen, memory, plan, now } = c
  plan.state = { state: 'ending' }
  const grace = Math.max(time.graceSeconds === 0 ? 0 : 1, time.graceSeconds - Math.floor((now - time.sinceMs) / 1000))
  const graceEndMs = endMsOf(time)
  const running = seen.containers.filter(r => r.state === 'running' || r.state === 'unknown')
  const waiting = now < graceEndMs ? waitingSidecars(pod, running) : new Set()
  for (const container of running) {
    const message = `Stopping container ${container.name}`
    const { id, name } = container
    const hooked = memory.hooked.has(id)
    if (!waiting.has(name)) {
      if (!isBusy(c, { do: 'preStop', id })) kill(c, container, message, grace, !hooked)
    } else if (!hooked && findContainer(pod, name)?.container.lifecycle?.preStop)
      plan.steps.push({ do: 'preStop', id, name, message, graceSeconds: grace })
  }
  if (waiting.size) planAgainAt(plan, graceEndMs)
  if (running.length || memory.busy.length) return
  const { life } = memory
  if (life.is !== 'settled') {
    plan.steps.push({ do: 'settle' })
    return
  }
  plan.state = { state: 'ended' }
  if (pod.metadata.deletionTimestamp || life.ending?.objectGone) plan.steps.push({ do: 'delete' })
}

// The sidecars that must not end yet: a sidecar ends after the main containers and after the sidecars that started
// later. When the grace period is over, all end. Source: kubernetes
// pkg/kubelet/kuberuntime/kuberuntime_termination_order.go.
function waitingSidecars(pod: Pod, running: readonly ContainerSeen[]): ReadonlySet<string> {
  const runs = (name: string) => running.some(r => r.name === name)
  const sidecars = initContainers(pod).flatMap(s => (isSidecar(s) && runs(s.name) ? [s.name] : []))
  const served = mainContainers(pod).some(m => runs(m.name))
  return new Set(served ? sidecars : sidecars.slice(0, -1))
}

function kill(c: Context, container: ContainerSeen, message: string, graceSeconds: number, preStop: boolean): void {
  const { id, name } = container
  if (!isBusy(c, { do: 'kill', id })) c.plan.steps.push({ do: 'kill', id, name, message, graceSeconds, preStop })
}

function remove(c: Context, id: string): void {
  if (!isBusy(c, { do: 'remove', id })) c.plan.steps.push({ do: 'remove', id })
}

const isBusy = ({ memory }: Context, job: Job): boolean => memory.busy.some(other => keyOf(other) === keyOf(job))

// One dead container of each name is kept, for its log and for the last state in the status.
const deadKept = 1

/**
 * Collects dead containers. The newest container of a name stays, dead or alive, and one dead container before it: for
 * example, of attempts 0 to 3, where 3 runs, attempt 2 stays and 0 and 1 are removed. A dead sandbox that another has
 * replaced goes when no container is left in it.
 */
function dropOld(c: Context): void {
  const dead = new Map<string, number>()
  for (const { id, name, state } of c.seen.containers) {
    if (state !== 'exited') continue
    const count = (dead.get(name) ?? 0) + 1
    dead.set(name, count)
    const current = newest(c.seen, name)?.id === id
    if (!current && count > deadKept + (newest(c.seen, name)?.state === 'exited' ? 1 : 0)) remove(c, id)
  }
  const [, ...older] = c.seen.sandboxes
  for (const { id, ready } of older) {
    const isEmpty = c.seen.containers.every(({ sandboxId }) => sandboxId !== id)
    const job = { do: 'removeSandbox', id } as const
    if (!ready && isEmpty && !isBusy(c, job)) c.plan.steps.push(job)
  }
}

/** Why a pod has to end that is past its active deadline. */
export function pastDeadline(pod: Pod, now: number): (Cause & { why: 'failed' }) | undefined {
  const deadline = deadlineOf(pod)
  if (deadline === undefined || now < deadline || isTerminal(pod)) return undefined
  const message = 'Pod was active on the node longer than the specified deadline'
  return { why: 'failed', reason: 'DeadlineExceeded', message }
}

/** When the pod's active deadline ends, in ms since the epoch. */
function deadlineOf(pod: Pod): number | undefined {
  const started = parseTime(pod.status.startTime)
  const seconds = pod.spec.activeDeadlineSeconds
  return seconds === undefined || started === undefined ? undefined : started + seconds * 1000
}

function planAgainAt(plan: PodPlan, at: number): void {
  plan.againAt = plan.againAt === undefined ? at : Math.min(plan.againAt, at)
}
