// Starts one container: image, environment, mounts, create, start, postStart hook. A failure at any step becomes an
// event and a StartFailure, which the container's status shows.
// Source: kubernetes pkg/kubelet/kuberuntime/kuberuntime_container.go (startContainer).
import { messageOf } from '../../base/errors.ts'
import { CdiFailure } from '../cdi/index.ts'
import { containerConfig, sandboxConfig } from '../config/configs.ts'
import { environmentOf } from '../config/env.ts'
import { checkNonRoot } from '../config/security.ts'
import { grpcOf } from '../cri/index.ts'
import { ImageMountFailure } from '../host.ts'
import { dockerConfigOf } from '../credentials.ts'
import type { PodSeen, SandboxSeen } from '../runtime/runtime.ts'
import { type NodeContext, podEvent } from './context.ts'
import { StartFailure } from './start-failure.ts'
import { runHook } from './hooks.ts'
import type { ContainerKills } from './kill.ts'
import { mountImages } from './image-volumes.ts'
import type { Step } from './plan.ts'
import { findContainer, graceSecondsOf, namespaceOf, newest, onHostNetwork, type ReadContainer, uidOf } from './spec.ts'
import type { Pod } from '../../kinds/core/pod.ts'

const retryMs = 10_000

interface StartRequest {
  pod: Pod
  seen: PodSeen
  sandbox: SandboxSeen
  step: Extract<Step, { do: 'start' }>
  signal: AbortSignal
}

/** Throws StartFailure, or the signal's reason. */
export async function startContainer(
  context: NodeContext,
  request: StartRequest,
  kills: Pick<ContainerKills, 'kill'>,
): Promise<void> {
  const { pod, sandbox, step, signal } = request
  const container = findContainer(pod, step.name)?.container
  if (!container) return
  const event = (type: 'Normal' | 'Warning', reason: string, message: string) =>
    podEvent(context, pod, type, reason, message, step.name)
  const fail = (reason: string, error: unknown) => {
    signal.throwIfAborted()
    // The description alone, without the prefix of gRPC.
    const words = grpcOf(error)?.desc ?? messageOf(error)
    event('Warning', 'Failed', `Error: ${words}`)
    return new StartFailure(reason, words, retryMs, error)
  }
  const config = sandboxConfig(pod, sandbox.attempt, context.settings)
  const pulling = { pod, sandbox: config, pullSecrets: () => pullSecretsOf(context, pod), signal }
  let found: Awaited<ReturnType<NodeContext['images']['ensure']>>
  try {
    await mountImages(context, container, pulling)
    found = await context.images.ensure({
      ...pulling,
      image: container.image ?? '',
      pullPolicy: container.imagePullPolicy,
      event,
    })
  } catch (error) {
    if (error instanceof ImageMountFailure) throw fail('CreateContainerError', error)
    if (error instanceof StartFailure) event('Warning', 'Failed', `Error: ${error.reason}`)
    throw error
  }
  let made: Awaited<ReturnType<typeof configure>>
  try {
    made = await configure(context, request, container, found)
  } catch (error) {
    const isRuntimes = error instanceof ImageMountFailure || error instanceof CdiFailure
    throw fail(isRuntimes ? 'CreateContainerError' : 'CreateContainerConfigError', error)
  }
  let id: string
  try {
    if (!onHostNetwork(pod)) await context.isolate(pod, sandbox.ips)
    signal.throwIfAborted()
    id = await context.runtime.createContainer(sandbox.id, made.config, config)
  } catch (error) {
    throw fail('CreateContainerError', error)
  } finally {
    await made.close()
  }
  event('Normal', 'Created', 'Container created')
  try {
    signal.throwIfAborted()
    await context.runtime.startContainer(id)
  } catch (error) {
    throw fail('RunContainerError', error)
  }
  event('Normal', 'Started', 'Container started')
  await postStart(context, request, container, id, kills)
}

async function configure(
  context: NodeContext,
  { pod, seen, sandbox, step, signal }: StartRequest,
  container: ReadContainer,
  found: Awaited<ReturnType<NodeContext['images']['ensure']>>,
) {
  const { objects } = context
  const holder = uidOf(pod)
  checkNonRoot(pod, container, found.image)
  const sources = {
    configMap: (namespace: string, name: string) => objects.configMap(holder, namespace, name),
    secret: (namespace: string, name: string) => objects.secret(holder, namespace, name),
    services: context.services,
    facts: context.facts,
  }
  const { values: env, warnings } = await environmentOf(pod, container, sources, sandbox.ips)
  for (const warning of warnings) podEvent(context, pod, 'Warning', 'InvalidEnvironmentVariableNames', warning)
  const granted = await context.devices?.optionsOf(pod, container.name, signal)
  const claimed = await context.dra?.manager.devicesOf(pod, container, signal)
  const cdi = await cdiOf(context, [...(granted?.cdiDevices.map(({ name }) => name) ?? []), ...(claimed ?? [])])
  const className = pod.spec.runtimeClassName
  const abilities = context.abilities(className ? await context.runtimeHandler(className) : '')
  const { mounts, devices, close } = await context.host.mounts(pod, container, {
    attempt: step.attempt,
    podIPs: sandbox.ips,
    env,
    canBeRecursive: abilities.recursiveReadOnlyMounts,
  })
  const target =
    'targetContainerName' in container && container.targetContainerName
      ? newest(seen, container.targetContainerName)?.id
      : undefined
  const config = containerConfig(
    pod,
    container,
    {
      attempt: step.attempt,
      image: found.image,
      imageRef: found.ref,
      env,
      mounts,
      devices,
      granted,
      ...cdi,
      cpuset: context.cpusetOf(pod, container),
      targetId: target,
    },
    context.settings,
  )
  return { config, close }
}

/** What stands for CDI devices in a container's configuration: their names, if the runtime applies them. */
async function cdiOf({ runtime, cdiParts }: NodeContext, devices: readonly string[]) {
  if (!devices.length) return {}
  return (await runtime.appliesCdi()) ? { cdiDevices: [...new Set(devices)] } : { cdi: await cdiParts(devices) }
}

async function postStart(
  context: NodeContext,
  { pod, seen, sandbox, step, signal }: StartRequest,
  container: ReadContainer,
  id: string,
  kills: Pick<ContainerKills, 'kill'>,
): Promise<void> {
  const hook = container.lifecycle?.postStart
  if (!hook) return
  try {
    await runHook(context, { pod, container, id, hook, podIP: sandbox.ips[0] ?? seen.sandboxes[0]?.ips[0], signal })
  } catch (error) {
    signal.throwIfAborted()
    podEvent(context, pod, 'Warning', 'FailedPostStartHook', 'PostStartHook failed', step.name)
    const graceSeconds = graceSecondsOf(pod)
    const message = 'FailedPostStartHook'
    await kills.kill(pod, seen, { do: 'kill', id, name: step.name, message, graceSeconds, preStop: true }, signal)
    throw new StartFailure('PostStartHookError', messageOf(error), 0, error)
  }
}

async function pullSecretsOf(context: NodeContext, pod: Pod): Promise<string[]> {
  const texts: string[] = []
  for (const { name = '' } of pod.spec.imagePullSecrets ?? []) {
    const secret = await context.objects.secret(uidOf(pod), namespaceOf(pod), name)
    const text = secret && dockerConfigOf(secret)
    if (text) texts.push(text)
    else
      podEvent(
        context,
        pod,
        'Warning',
        'FailedToRetrieveImagePullSecret',
        `Unable to retrieve some image pull secrets (${name}); attempting to pull the image may not succeed.`,
      )
  }
  return texts
}
