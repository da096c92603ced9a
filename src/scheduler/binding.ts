// The steps from the chosen node to the binding. `reserve` and `permit` run before the next pod is decided on; the rest
// runs in the background. After a failure at any step, everything reserved is given back.
// Source: pkg/scheduler/schedule_one.go (bindingCycle).
import type { Extender } from './extender.ts'
import { type Permission, type Plugin, PluginError } from './framework.ts'
import type { NodeInfo, PodInfo } from './info.ts'
import type { Profile } from './profile.ts'
import type { WaitingRoom } from './waiting.ts'
import type { Prepared } from './answers.ts'

export interface Placement {
  pod: PodInfo
  node: NodeInfo
  profile: Profile
  prepared: readonly Prepared[]
  /** Is called with errors of plugins at points whose failure changes nothing: unreserve and postBind. */
  onFailure(error: PluginError): void
}

/** The refusal of a plugin after the node was chosen. */
export interface Denied {
  plugin: string
  message: string
}

const stateFor = ({ prepared }: Placement, plugin: Plugin): unknown => prepared.find(p => p.plugin === plugin)?.state

/** Calls `reserve` of every plugin. After a refusal or an error, everything is given back. */
export function reserve(placement: Placement): Denied | undefined {
  const { profile } = placement
  for (const plugin of profile.reserves) {
    const answer = reserveWith(plugin, placement)
    if (answer === true) continue
    unreserve(placement)
    return { plugin: plugin.name, message: answer }
  }
  return undefined
}

function reserveWith(plugin: Plugin, placement: Placement): true | string {
  try {
    return plugin.reserve?.(placement.pod, placement.node, stateFor(placement, plugin)) ?? true
  } catch (cause) {
    unreserve(placement)
    throw new PluginError('Reserve', plugin.name, cause)
  }
}

/** Calls `unreserve` of every plugin, in the reverse order of `reserve`. */
export function unreserve(placement: Placement): void {
  const { pod, node, profile } = placement
  for (let i = profile.reserves.length - 1; i >= 0; i--) {
    const plugin = profile.reserves[i]!
    try {
      plugin.unreserve?.(pod, node, stateFor(placement, plugin))
    } catch (cause) {
      placement.onFailure(new PluginError('Unreserve', plugin.name, cause))
    }
  }
}

/** The plugins that make the pod wait, with the longest time in ms for each, or the refusal of one. */
export function permit(placement: Placement): Denied | ReadonlyMap<string, number> {
  const { profile } = placement
  const waits = new Map<string, number>()
  for (const plugin of profile.permits) {
    const answer = permitWith(plugin, placement)
    if (answer === 'allow') continue
    if ('deny' in answer) return { plugin: plugin.name, message: answer.deny }
    waits.set(plugin.name, answer.waitMs)
  }
  return waits
}

function permitWith(plugin: Plugin, placement: Placement): Permission {
  try {
    return plugin.permit!(placement.pod, placement.node, stateFor(placement, plugin))
  } catch (cause) {
    unreserve(placement)
    throw new PluginError('Permit', plugin.name, cause)
  }
}

interface BindingOptions {
  waiting: WaitingRoom
  extenders: readonly Extender[]
  signal: AbortSignal
}

/**
 * Waits for permissions, runs `preBind`, and writes the binding. Returns the refusal of a plugin that did not permit
 * the pod. Throws when the binding fails.
 */
export async function bind(
  placement: Placement,
  waits: ReadonlyMap<string, number>,
  { waiting, extenders, signal }: BindingOptions,
): Promise<Denied | undefined> {
  const { pod, node, profile } = placement
  if (waits.size) {
    const verdict = await waiting.wait(pod, node.name, waits, signal)
    if (!verdict.allowed) return verdict
  }
  for (const plugin of profile.preBinds) {
    try {
      await plugin.preBind!(pod, node, stateFor(placement, plugin))
    } catch (cause) {
      throw new BindingError(`running PreBind plugin ${JSON.stringify(plugin.name)}`, cause)
    }
  }
  await write(placement, extenders)
  for (const plugin of profile.postBinds) {
    try {
      plugin.postBind!(pod, node, stateFor(placement, plugin))
    } catch (cause) {
      placement.onFailure(new PluginError('PostBind', plugin.name, cause))
    }
  }
  return undefined
}

async function write(placement: Placement, extenders: readonly Extender[]): Promise<void> {
  const { pod, node, profile } = placement
  for (const extender of extenders) {
    if (!extender.config.bindVerb || !extender.wants(pod)) continue
    try {
      return await extender.bind(pod, node.name)
    } catch (cause) {
      if (!extender.config.ignorable) throw new BindingError(`binding by extender ${extender.config.urlPrefix}`, cause)
    }
  }
  for (const plugin of profile.binds) {
    try {
      if (await plugin.bind!(pod, node, stateFor(placement, plugin))) return
    } catch (cause) {
      throw new BindingError(`running Bind plugin ${JSON.stringify(plugin.name)}`, cause)
    }
  }
  throw new Error('no plugin has bound the pod')
}

/** A failed binding. The message names the point, and the cause is the error. */
class BindingError extends Error {
  constructor(where: string, cause: unknown) {
    super(`${where}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}
