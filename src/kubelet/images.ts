// Images: makes sure that the image of a container or volume is on the node, by its pull policy, with the pod's
// credentials, one pull at a time, and with back-off for what cannot be pulled.
// Source: kubernetes pkg/kubelet/images/image_manager.go, pkg/credentialprovider.
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { orAborted } from '../base/waiters.ts'
import { durationText } from '../api/time.ts'
import type { AuthConfig, ImageSeen, Runtime, SandboxConfig } from './runtime/runtime.ts'
import { credentialsFor, normalizeImage } from './credentials.ts'
import { type Backoff, nextBackoff, waitUntil } from './pod/backoff.ts'
import { StartFailure } from './pod/start-failure.ts'
import { uidOf } from './pod/spec.ts'
import type { Pod } from '../kinds/core/pod.ts'

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

interface FailedPull {
  backoff: Backoff
  failedAt: number
  why: string
}

/** What a request came to: the image, where the runtime has it, and the reference by which containers name it. */
interface Ensured {
  image: ImageSeen | undefined
  ref: string
}

/**
 * The images of one node. Pulls take turns, one at a time for all pods; a pod that ends leaves the line. A pull that
 * fails is remembered for its pod and image, and is tried again when its back-off is over.
 */
export class Images {
  readonly #runtime: Runtime
  readonly #clock: Clock
  readonly #log: Log
  /** By pod UID and name of the image. */
  readonly #failed = new Map<string, FailedPull>()
  /** The last pull in the line, which ends well whatever becomes of it. */
  #line: Promise<unknown> = Promise.resolve()

  constructor(runtime: Runtime, clock: Clock, log: Log) {
    this.#runtime = runtime
    this.#clock = clock
    this.#log = log
  }

  /** Makes sure that an image is on the node. Throws StartFailure with the reason that the container shows. */
  async ensure(request: ImageRequest): Promise<Ensured> {
    const name = nameOf(request)
    const policy = request.pullPolicy ?? (name.endsWith(':latest') ? 'Always' : 'IfNotPresent')
    const there = await this.#runtime.image(name)
    if (policy !== 'Always' && there) return present(request, there)
    if (policy === 'Never') throw neverPulled(request)
    return there?.pinned ? this.#pullOrKeep(request, name, there) : this.#pull(request, name)
  }

  /** Forgets the failures of a pod that is gone. */
  forget(podUid: string): void {
    for (const key of this.#failed.keys()) if (key.startsWith(`${podUid} `)) this.#failed.delete(key)
  }

  async #pull(request: ImageRequest, name: string): Promise<Ensured> {
    const { image: shown, event, signal } = request
    const key = `${uidOf(request.pod)} ${name}`
    this.#throwWhileBackingOff(request, key)
    event('Normal', 'Pulling', `Pulling image "${shown}"`)
    const askedAt = this.#clock.now()
    try {
      const { ref, startedAt } = await this.#inTurn(request, name)
      const image = await this.#runtime.image(ref).then(found => found ?? this.#runtime.image(name))
      const took = (from: number) => durationText((this.#clock.now() - from) * 1e6)
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
    const until = failed && waitUntil(this.#clock.now(), failed.failedAt, failed.backoff)
    if (!failed || until === undefined) return
    const text = `Back-off pulling image "${image}"`
    event('Normal', 'BackOff', text)
    throw new StartFailure('ImagePullBackOff', `${text}: ErrImagePull: ${failed.why}`, until - this.#clock.now())
  }

  /** Pulls when all earlier pulls have ended. A pod that ends need not wait for the images of others. */
  async #inTurn({ pullSecrets, sandbox, signal }: ImageRequest, name: string) {
    const secrets = await pullSecrets()
    let startedAt = 0
    const turn = this.#line.then(() => {
      signal.throwIfAborted()
      startedAt = this.#clock.now()
      return pullWithAny(this.#runtime, name, credentialsFor(name, secrets), sandbox, signal)
    })
    this.#line = turn.catch(() => {})
    return { ref: await orAborted(turn, signal), startedAt }
  }

  #pullFailed({ image, event }: ImageRequest, key: string, error: unknown): StartFailure {
    const why = messageOf(error)
    const now = this.#clock.now()
    this.#failed.set(key, { backoff: nextBackoff(now, this.#failed.get(key)?.backoff), failedAt: now, why })
    event('Warning', 'Failed', `Failed to pull image "${image}": ${why}`)
    return new StartFailure('ErrImagePull', why, showErrorMs, error)
  }

  /** An image that was loaded by hand: a registry that answers soon is asked, as the policy says; otherwise it is used. */
  async #pullOrKeep(request: ImageRequest, name: string, loaded: ImageSeen): Promise<Ensured> {
    try {
      const secrets = await request.pullSecrets()
      const limit = AbortSignal.any([request.signal, AbortSignal.timeout(loadedPullMs)])
      const ref = await pullWithAny(this.#runtime, name, credentialsFor(name, secrets), request.sandbox, limit)
      return { image: (await this.#runtime.image(ref)) ?? loaded, ref }
    } catch (error) {
      request.signal.throwIfAborted()
      this.#log.info('the loaded image is used, since it could not be pulled', { image: name, why: messageOf(error) })
      return present(request, loaded)
    }
  }
}

/** The image's whole name. Throws StartFailure for what is no name. */
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
