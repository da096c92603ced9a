// Images: makes sure that the image of a container or volume is on the node, by its pull policy, with the pod's
// credentials, one pull at a time, and with back-off for what cannot be pulled.
// Source: kubernetes pkg/kubelet/images/image_manager.go, pkg/credentialprovider.
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import { orAborted } from '../base/waiters.ts'
import { durationText } from '../api/time.ts'
import type { AuthConfig, ImageSeen, Runtime, SandboxConfig } from './runtime/runtime.ts'
import { credentialsFor, normalizeImage } from './credentials.ts'
import { type Backoff, nextBackoff, waitUntil } from './pod/backoff.ts'
import { StartFailure } from './pod/context.ts'
import { uidOf } from './pod/spec.ts'
import type { Pod } from '../kinds/core/pod.ts'

export interface Images {
  ensure(request: ImageRequest): Promise<{ image: ImageSeen | undefined; ref: string }>
  forget(podUid: string): void
}

export interface ImageRequest {
  pod: Pod
  /** As the spec names it. */
  image: string
  pullPolicy: string | undefined
  sandbox: SandboxConfig
  /** The pod's pull secrets as dockerconfigjson texts. */
  pullSecrets: () => Promise<readonly string[]>
  event: (type: 'Normal' | 'Warning', reason: string, message: string) => void
  signal: AbortSignal
}

/** How soon ErrImagePull turns into ImagePullBackOff. */
const showErrorMs = 3_000
const badNameRetryMs = 60_000
/** How long a registry is waited for where an image loaded by hand would do. */
const loadedPullMs = 5_000

export function makeImages(runtime: Runtime, clock: Clock): Images {
  const backoffs = new Map<string, { backoff: Backoff; failedAt: number; why: string }>()
  let pulling: Promise<unknown> = Promise.resolve()

  const pull = async (request: ImageRequest, name: string, key: string) => {
    const { image: shown, event, signal, sandbox } = request
    const failed = backoffs.get(key)
    const until = failed && waitUntil(clock.now(), failed.failedAt, failed.backoff)
    if (failed && until !== undefined) {
      const text = `Back-off pulling image "${shown}"`
      event('Normal', 'BackOff', text)
      throw new StartFailure('ImagePullBackOff', `${text}: ErrImagePull: ${failed.why}`, until - clock.now())
    }
    event('Normal', 'Pulling', `Pulling image "${shown}"`)
    const askedAt = clock.now()
    let startedAt = askedAt
    const secrets = await request.pullSecrets()
    const turn = pulling.then(async () => {
      signal.throwIfAborted()
      startedAt = clock.now()
      return pullWithAny(runtime, name, credentialsFor(name, secrets), sandbox, signal)
    })
    // The next in line goes on whatever becomes of this one.
    pulling = turn.catch(() => {})
    try {
      // A pod that ends need not wait for the images of others.
      const ref = await orAborted(turn, signal)
      const image = await runtime.image(ref).then(found => found ?? runtime.image(name))
      const took = (from: number) => durationText((clock.now() - from) * 1e6)
      event(
        'Normal',
        'Pulled',
        `Successfully pulled image "${shown}" in ${took(startedAt)} (${took(askedAt)} including waiting). Image size: ${image?.sizeBytes ?? 0} bytes.`,
      )
      backoffs.delete(key)
      return { image, ref }
    } catch (error) {
      signal.throwIfAborted()
      const why = messageOf(error)
      backoffs.set(key, { backoff: nextBackoff(clock.now(), failed?.backoff), failedAt: clock.now(), why })
      event('Warning', 'Failed', `Failed to pull image "${shown}": ${why}`)
      throw new StartFailure('ErrImagePull', why, showErrorMs, error)
    }
  }
  // Someone loaded this image by hand, as one does where no registry can be reached. Where one can be, it is asked,
  // as the policy says; where not, what was loaded serves.
  const pullOrKeep = async (request: ImageRequest, name: string, loaded: ImageSeen) => {
    try {
      const secrets = await request.pullSecrets()
      const limit = AbortSignal.any([request.signal, AbortSignal.timeout(loadedPullMs)])
      const ref = await pullWithAny(runtime, name, credentialsFor(name, secrets), request.sandbox, limit)
      return { image: (await runtime.image(ref)) ?? loaded, ref }
    } catch {
      request.signal.throwIfAborted()
      request.event(
        'Normal',
        'Pulled',
        `Container image "${request.image}" already present on machine and can be accessed by the pod`,
      )
      return { image: loaded, ref: loaded.id }
    }
  }
  return {
    async ensure(request) {
      const { pod, image: shown, event } = request
      const name = normalizeImage(shown)
      if (!name) {
        const why = `Failed to apply default image tag "${shown}": couldn't parse image name "${shown}": invalid reference format`
        event('Warning', 'InspectFailed', why)
        throw new StartFailure('InvalidImageName', why, badNameRetryMs)
      }
      const policy = request.pullPolicy ?? (name.endsWith(':latest') ? 'Always' : 'IfNotPresent')
      const present = policy === 'Always' ? undefined : await runtime.image(name)
      if (present) {
        event(
          'Normal',
          'Pulled',
          `Container image "${shown}" already present on machine and can be accessed by the pod`,
        )
        return { image: present, ref: present.id }
      }
      if (policy === 'Never') {
        const why = `Container image "${shown}" is not present with pull policy of Never`
        event('Warning', 'ErrImageNeverPull', why)
        throw new StartFailure('ErrImageNeverPull', why, badNameRetryMs)
      }
      const loaded = policy === 'Always' ? await runtime.image(name) : undefined
      return loaded?.pinned ? pullOrKeep(request, name, loaded) : pull(request, name, `${uidOf(pod)} ${name}`)
    },
    forget(podUid) {
      for (const key of backoffs.keys()) if (key.startsWith(`${podUid} `)) backoffs.delete(key)
    },
  }
}

// Every credential that fits is tried, and with none the registry is asked without.
async function pullWithAny(
  runtime: Runtime,
  name: string,
  credentials: readonly AuthConfig[],
  sandbox: SandboxConfig,
  signal: AbortSignal,
): Promise<string> {
  let last: unknown
  for (const auth of credentials.length ? credentials : [undefined]) {
    try {
      return await runtime.pullImage(name, auth, sandbox, signal)
    } catch (error) {
      signal.throwIfAborted()
      last = error
    }
  }
  throw last
}
