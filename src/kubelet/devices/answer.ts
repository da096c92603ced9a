// What a plugin wants a container with its devices to have: environment, mounts, device files, annotations. Answers are
// read with limits, whether they come from a plugin or from the checkpoint, and merged into one. Pure.
// Source: pkg/kubelet/cm/devicemanager/pod_devices.go (deviceRunContainerOptions).

export interface Answer {
  readonly envs: Readonly<Record<string, string>>
  readonly mounts: readonly { containerPath: string; hostPath: string; readOnly: boolean }[]
  readonly devices: readonly { containerPath: string; hostPath: string; permissions: string }[]
  readonly annotations: Readonly<Record<string, string>>
  readonly cdiDevices: readonly { name: string }[]
}

/** The most bytes of an answer as JSON, since it is kept as long as its pod. */
const maxBytes = 256 * 1024

/** Reads an answer. What is missing is empty. Throws an error when it is too large or no answer at all. */
export function readAnswer(value: unknown): Answer {
  if (typeof value !== 'object' || value === null) throw new Error('the answer is empty')
  const size = JSON.stringify(value).length
  if (size > maxBytes) throw new Error(`the answer has ${size} characters, and may have ${maxBytes}`)
  const fields = new Map<string, unknown>(Object.entries(value))
  return {
    envs: textsOf(fields.get('envs')),
    mounts: listOf(fields.get('mounts')).map(mount => ({
      containerPath: textOf(mount.get('containerPath')),
      hostPath: textOf(mount.get('hostPath')),
      readOnly: mount.get('readOnly') === true,
    })),
    devices: listOf(fields.get('devices')).map(device => ({
      containerPath: textOf(device.get('containerPath')),
      hostPath: textOf(device.get('hostPath')),
      permissions: textOf(device.get('permissions')),
    })),
    annotations: textsOf(fields.get('annotations')),
    cdiDevices: listOf(fields.get('cdiDevices')).map(device => ({ name: textOf(device.get('name')) })),
  }
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

function textsOf(value: unknown): Record<string, string> {
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : []
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}

function listOf(value: unknown): ReadonlyMap<string, unknown>[] {
  const items: unknown[] = Array.isArray(value) ? value : []
  return items.flatMap(item => (typeof item === 'object' && item !== null ? [new Map(Object.entries(item))] : []))
}

/** The answers for all resources of a container as one. Of two that name the same thing, the first one counts. */
export function mergeAnswers(answers: readonly Answer[]): Answer {
  const first = <T>(lists: readonly (readonly T[])[], keyOf: (item: T) => string): T[] => {
    const found = new Map<string, T>()
    for (const item of lists.flat()) if (!found.has(keyOf(item))) found.set(keyOf(item), item)
    return [...found.values()]
  }
  const texts = (maps: readonly Readonly<Record<string, string>>[]) =>
    Object.fromEntries(first(maps.map(Object.entries<string>), ([key]) => key))
  return {
    envs: texts(answers.map(answer => answer.envs)),
    mounts: first(
      answers.map(answer => answer.mounts),
      mount => mount.containerPath,
    ),
    devices: first(
      answers.map(answer => answer.devices),
      device => device.containerPath,
    ),
    annotations: texts(answers.map(answer => answer.annotations)),
    cdiDevices: first(
      answers.map(answer => answer.cdiDevices),
      device => device.name,
    ),
  }
}
