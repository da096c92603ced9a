// Pods in few words, for tests of this room: which containers a spec has, what the runtime has of them, and the status
// that follows from the plan for both.
import type { Draft } from '../../api/kind.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { podOf } from '../../kinds/testing.ts'
import type { ContainerSeen, PodSeen } from '../runtime/runtime.ts'
import { type PodMemory, planPod } from './plan.ts'
import { containerHash, findContainer } from './spec.ts'
import { podStatus } from './status.ts'

export type Spec = Partial<Draft<Pod>['spec']>
export type StatusDraft = Draft<Pod>['status']

export const now = Date.UTC(2026, 0, 2, 3, 4, 5)
export const nothing: PodMemory = {
  life: { is: 'alive', finishedAtMs: undefined },
  busy: [],
  backoffs: new Map(),
  failures: new Map(),
  sandboxRetryAt: 0,
  obstacle: '',
  condemned: new Map(),
  notStarted: new Set(),
  hooked: new Set(),
  resize: { applied: new Map(), podPending: false, retryAt: 0 },
}

/** `a` is a main container, `i1` an init container, `s1` a sidecar, `e1` an ephemeral container. */
export function specOf(names: string, more: Spec = {}): Spec {
  const of = (kind: RegExp) =>
    names
      .split(' ')
      .filter(name => kind.test(name))
      .map(name => ({ name, image: 'x', ...(name.startsWith('s') && { restartPolicy: 'Always' }) }))
  const ephemeral = of(/^e/).map(({ name, image }) => ({ name, image }))
  return {
    containers: of(/^[a-d]/),
    initContainers: of(/^[is]/),
    ...(ephemeral.length && { ephemeralContainers: ephemeral }),
    ...more,
  }
}

/** Containers, newest first: `a:running`, `a:exited:1`, `a:exited:137:OOMKilled`. The id is the name and the attempt. */
function seenOf(
  pod: Pod,
  containers: string,
  sandbox: 'ready' | 'dead' | 'none' | 'without address' = 'ready',
): PodSeen {
  const texts = containers.split(' ').filter(Boolean)
  return {
    uid: 'u',
    sandboxes:
      sandbox === 'none'
        ? []
        : [
            {
              id: 's',
              attempt: 0,
              ready: sandbox !== 'dead',
              createdAtMs: 1,
              ips: sandbox === 'without address' ? [] : ['10.1.1.1'],
            },
          ],
    containers: texts.map((text, i): ContainerSeen => {
      const [name = '', state = '', code = '0', reason = ''] = text.split(':')
      const attempt = texts.slice(i + 1).filter(other => other.startsWith(`${name}:`)).length
      return {
        id: `${name}-${attempt}`,
        sandboxId: 's',
        name,
        attempt,
        state: state as ContainerSeen['state'],
        exitCode: Number(code),
        reason,
        message: '',
        image: 'docker.io/library/x:latest',
        imageRef: 'sha256:1',
        createdAtMs: 1000,
        startedAtMs: state === 'created' ? 0 : 1000,
        finishedAtMs: state === 'exited' ? now - 1000 : 0,
        hash: containerHash(findContainer(pod, name)?.container ?? pod.spec.containers[0]!),
        logPath: '',
      }
    }),
  }
}

export interface Inputs {
  spec: Spec
  seen: string
  sandbox?: Parameters<typeof seenOf>[2]
  before?: StatusDraft
  metadata?: object
  memory?: Partial<PodMemory>
  notReady?: readonly string[]
  holdsClaims?: boolean
}

export function statusOf({
  spec,
  seen,
  sandbox,
  before,
  metadata,
  memory,
  notReady = [],
  holdsClaims = false,
}: Inputs) {
  const pod = podOf({
    metadata: { name: 'p', namespace: 'd', uid: 'u', generation: 3, ...metadata },
    spec,
    ...(before && { status: before }),
  })
  const kept = { ...nothing, ...memory }
  const there = seenOf(pod, seen, sandbox)
  return podStatus({
    pod,
    seen: there,
    plan: planPod(pod, there, kept, now),
    memory: kept,
    notReady: new Set(notReady),
    startedAtMs: now,
    nodeIPs: ['10.0.0.1', 'fd00::1'],
    resize: [],
    holdsClaims,
    healthOf: () => [],
    runtimeName: 'containerd',
    now,
  })
}
