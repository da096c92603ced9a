// The allocation of a claim, as it is written into its status: the devices, the settings for their drivers, and the
// nodes that can reach all of them.
// Source: dynamic-resource-allocation structured/internal/incubating/allocator_incubating.go (Allocate, createNodeSelector).
import { sameJson } from '../../api/equal.ts'
import type { NodeSelector, NodeSelectorRequirement } from '../../kinds/core/affinity.ts'
import type {
  AllocationResult,
  DeviceAllocationConfiguration,
  DeviceRequestAllocationResult,
} from '../../kinds/resource/resourceclaimstatus.ts'
import type { Choice } from './allocate.ts'
import { type Unallocated, wantName } from './requests.ts'

interface Made {
  /** The node for which the devices were chosen. */
  node: string
  /** Makes the name of a share of a device. */
  makeId(): string
}

export function allocationOf(claim: Unallocated, choices: readonly Choice[], made: Made): AllocationResult {
  const config = configOf(claim, choices)
  const nodeSelector = nodesOf(choices, made.node)
  return {
    devices: { results: choices.map(choice => resultOf(choice, made)), ...(config.length && { config }) },
    ...(nodeSelector && { nodeSelector }),
  }
}

function resultOf({ want, entry: { id, device }, amounts }: Choice, { makeId }: Made): DeviceRequestAllocationResult {
  const { tolerations } = want.asked
  const { bindingConditions, bindingFailureConditions } = device
  return {
    request: wantName(want),
    ...id,
    ...(want.admin && { adminAccess: true }),
    ...(tolerations?.length && { tolerations }),
    ...(bindingConditions?.length && { bindingConditions }),
    ...(bindingFailureConditions?.length && { bindingFailureConditions }),
    ...(device.allowMultipleAllocations && {
      shareID: makeId(),
      ...(Object.keys(amounts).length && { consumedCapacity: amounts }),
    }),
  }
}

/** The settings of the classes, each once with the requests that it is for, and then those of the claim. */
function configOf({ spec }: Unallocated, choices: readonly Choice[]): DeviceAllocationConfiguration[] {
  const byClass = new Map<string, { wants: Set<string>; choice: Choice }>()
  for (const choice of choices) {
    const name = choice.want.deviceClass.metadata.name ?? ''
    const known = byClass.get(name)
    if (known) known.wants.add(wantName(choice.want))
    else byClass.set(name, { wants: new Set([wantName(choice.want)]), choice })
  }
  const fromClasses = [...byClass.values()].flatMap(({ wants, choice }) =>
    (choice.want.deviceClass.spec.config ?? []).map(config => ({
      source: 'FromClass' as const,
      requests: [...wants],
      ...config,
    })),
  )
  const wanted = new Set(choices.flatMap(({ want }) => [want.request, wantName(want)]))
  const fromClaim = (spec.devices.config ?? [])
    .filter(({ requests = [] }) => !requests.length || requests.some(request => wanted.has(request)))
    .map(config => ({ source: 'FromClaim' as const, ...config }))
  return [...fromClasses, ...fromClaim]
}

/** Undefined if every node can reach the devices. */
function nodesOf(choices: readonly Choice[], node: string): NodeSelector | undefined {
  const matchFields: NodeSelectorRequirement[] = []
  const matchExpressions: NodeSelectorRequirement[] = []
  for (const { entry } of choices) {
    const { spec } = entry.slice
    const { nodeName, nodeSelector } = spec.perDeviceNodeSelection ? entry.device : spec
    if (nodeName || entry.device.bindsToNode)
      return {
        nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }] }],
      }
    const terms = nodeSelector?.nodeSelectorTerms ?? []
    if (terms.length > 1) throw new Error(`unsupported ResourceSlice.NodeSelector with ${terms.length} terms`)
    addNew(matchFields, terms[0]?.matchFields)
    addNew(matchExpressions, terms[0]?.matchExpressions)
  }
  if (!matchFields.length && !matchExpressions.length) return undefined
  const term = {
    ...(matchExpressions.length && { matchExpressions }),
    ...(matchFields.length && { matchFields }),
  }
  return { nodeSelectorTerms: [term] }
}

function addNew(to: NodeSelectorRequirement[], more: readonly NodeSelectorRequirement[] | undefined): void {
  for (const requirement of more ?? []) if (!to.some(one => sameJson(one, requirement))) to.push(requirement)
}
