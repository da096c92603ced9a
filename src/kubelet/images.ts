// Brings the image of a container or volume to the node: by its pull policy, with the credentials of the pod, one pull
// at a time, and with back-off after failures. Source: kubernetes pkg/kubelet/images/image_manager.go,
// pkg/credentialprovider.
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { orAborted, withJoined } from '../base/waiters.ts'
import { durationText } from '../api/time.ts'
import type { AuthConfig, ImageSeen, Runtime, SandboxConfig } from './runtime/runtime.ts'
import { credentialsFor, normalizeImage } from './credentials.ts'
import { type Backoff, nextBackoff, waitUntil } from './pod/backoff.ts'
import { StartFailure } from './pod/start-failure.ts'
import { uidOf } from './pod/spec.ts'
import { counts } from './metrics.ts'
import type { Pod } from '../kinds/core/pod.ts'

export interface ImageRequest {
  pod: Pod
  /** The name in the spec. */
  image: string
  pullPolicy: string | undefined
  sandbox: SandboxConfig
  /** The pod's pull secrets as dockerconfigjson texts. */
  pullSecrets: () => Promise<readonly string[]>
  event: (type: 'Normal' | 'Warning', reason: string, message: string) => void
  signal: AbortSignal
}

/** How long a status shows ErrImagePull before the retry turns it into ImagePullBackOff. */
const showErrorMs = 3_000
const badNameRetryMs = 60_000
/** How long a registry may take to answer if a loaded image can be used instead. */
const loadedPullMs = 5_000

interface FailedPull {
  backoff: Backoff
  failedAt: number
  why: string
}

/** The image, if the runtime has it, and the reference to it in the configuration of containers. */
interface Ensured {
  image: ImageSeen | undefined
  ref: string
}

/**
 * The images of one node.
 *
 * - `ensure` decides by the policy: Never uses only what is present, IfNotPresent pulls what is missing, Always pulls.
 *   A pinned image, which was loaded by hand, is used under Always too if its registry does not answer in five seconds.
 * - Pulls run one at a time, for all pods, except those of pinned images. A caller whose signal aborts stops waiting at
 *   once.
 * - A failed pull is kept by pod and image, with a back-off of 10 seconds to 5 minutes. Until it is over, `ensure`
 *   throws ImagePullBackOff without a pull. Another pod tries by itself. `forget` drops the failures of a pod, which
 *   limits their number.
 * - Images are never removed here, but by gc/images.ts.
 */
export class Images {
  readonly #runtime: Runtime
  readonly #clock: Clock
  readonly #log: Log
  /** By uid of the pod and name of the image. */
  readonly #failed = new Map<string, FailedPull>()
  /** Resolves after the last pull that was requested, whether it succeeds or fails. */
  #line: Promise<unknown> = Promise.resolve()

  constructor(runtime: Runtime, clock: Clock, log: Log) {
    this.#runtime = runtime
    this.#clock = clock
    this.#log = log
  }

  /** Brings an image to the node. Throws StartFailure with the reason for the container's status. */
  async ensure(request: ImageRequest): Promise<Ensured> {
    const name = nameOf(request)
    const policy = request.pullPolicy ?? (name.endsWith(':latest') ? 'Always' : 'IfNotPresent')
    const there = await this.#runtime.image(name)
    if (policy !== 'Always' && there) return present(request, there)
    if (policy === 'Never') throw neverPulled(request)
    return there?.pinned ? this.#pullOrKeep(request, name, there) : this.#pull(request, name)
  }

  /** Drops the failures of a pod. Must be called when the pod is removed. */
  forget(podUid: string): void {
    for (const key of this.#failed.keys()) if (key.startsWith(`${podUid} `)) this.#failed.delete(key)
  }

  async #pull(request: ImageRequest, name: string): Promise<Ensured> {
    const { image: shown, event, signal } = request
    const key = `${uidOf(request.pod)} ${name}`
    this.#throwWhileBackingOff(request, key)
    event('Normal', 'Pulling', `Pulling image "${shown}"`)
    const askedAt = this.#clock.steady()
    try {
      const { ref, startedAt } = await this.#inTurn(request, name)
      const image = await this.#runtime.image(ref).then(found => found ?? this.#runtime.image(name))
      counts.pull(this.#clock.steady() - startedAt, image?.sizeBytes ?? 0)
      const took = (from: number) => durationText(Math.round(this.#clock.steady() - from) * 1e6)
      event(
        'Normal',
        'Pulled',
        `Successfully pulled image "${shown}" in ${took(startedAt)} (${took(askedAt)} including waiting). Image size: ${image?.sizeBytes ?? 0} bytes.`,
      )
      this.#failed.delete(key)
      return { image, ref }
    } catch (error) {
      signal.throwIfAborted()
      throw this.#pullFailed(request, key, error)
    }
  }

  #throwWhileBackingOff({ image, event }: ImageRequest, key: string): void {
    const failed = this.#failed.get(key)
    const until = failed && waitUntil(this.#clock.steady(), failed.failedAt, failed.backoff)
    if (!failed || until === undefined) return
    const text = `Back-off pulling image "${image}"`
    event('Normal', 'BackOff', text)
    throw new StartFailure('ImagePullBackOff', `${text}: ErrImagePull: ${failed.why}`, until - this.#clock.steady())
  }

  /** Pulls when all earlier pulls have ended. After an abort the caller does not wait for its turn. */
  async #inTurn({ pullSecrets, sandbox, signal }: ImageRequest, name: string) {
    const secrets = await pullSecrets()
    let startedAt = 0
    const turn = this.#line.then(() => {
      signal.throwIfAborted()
      startedAt = this.#clock.steady()
      return pullWithAny(this.#runtime, name, credentialsFor(name, secrets), sandbox, signal)
    })
    this.#line = turn.catch(() => {})
    return { ref: await orAborted(turn, signal), startedAt }
  }

  #pullFailed({ image, event }: ImageRequest, key: string, error: unknown): StartFailure {
    const why = messageOf(error)
    const now = this.#clock.steady()
    this.#failed.set(key, { backoff: nextBackoff(now, this.#failed.get(key)?.backoff), failedAt: now, why })
    event('Warning', 'Failed', `Failed to pull image "${image}": ${why}`)
    return new StartFailure('ErrImagePull', why, showErrorMs, error)
  }

  /** Pulls an image that was loaded by hand, as the policy asks for, and uses the loaded one if that fails soon. */
  async #pullOrKeep(request: ImageRequest, name: string, loaded: ImageSeen): Promise<Ensured> {
    try {
      const secrets = await request.pullSecrets()
      const ref = await withJoined([request.signal, AbortSignal.timeout(loadedPullMs)], limit =>
        pullWithAny(this.#runtime, name, credentialsFor(name, secrets), request.sandbox, limit),
      )
      return { image: (await this.#runtime.image(ref)) ?? loaded, ref }
    } catch (error) {
      request.signal.throwIfAborted()
      this.#log.info('the loaded image is used, since it could not be pulled', { image: name, why: messageOf(error) })
      return present(request, loaded)
    }
  }
}

/** The full name of the image. Throws StartFailure for an invalid name. */
function nameOf({ image, event }: ImageRequest): string {
  const name = normalizeImage(image)
  if (name) return name
  const why = `Failed to apply default image tag "${image}": couldn't parse image name "${image}": invalid reference format`
  event('Warning', 'InspectFailed', why)
  throw new StartFailure('InvalidImageName', why, badNameRetryMs)
}

function present({ image, event }: ImageRequest, seen: ImageSeen): Ensured {
  const text = `Container image "${image}" already present on machine and can be accessed by the pod`
  event('Normal', 'Pulled', text)
  return { image: seen, ref: seen.id }
}

function neverPulled({ image, event }: ImageRequest): StartFailure {
  const why = `Container image "${image}" is not present with pull policy of Never`
  event('Warning', 'ErrImageNeverPull', why)
  return new StartFailure('ErrImageNeverPull', why, badNameRetryMs)
}

// Tries every credential that covers the image, or none if there is none.
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
