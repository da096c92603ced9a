// What a node may say of itself, and what stays once it is set. Source: pkg/apis/core/validation (ValidateNode…).
import { sameJson } from '../../api/equal.ts'
import { named, type Problems, validateCIDR } from '../../api/checks.ts'
import { goStruct } from '../../api/go-value.ts'
import { parseCidr } from '../../api/ip.ts'
import type { KubeObject } from '../../api/kind.ts'
import { labelValueErrors, qualifiedNameErrors } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import type { Mutable } from '../../api/schema/node.ts'
import { validateEffect } from './affinity-rules.ts'
import { type NodeSpec, Taint } from './nodespec.ts'
import type { NodeStatus } from './nodestatus.ts'
import { validateAmount } from './resource-rules.ts'

type Node = KubeObject & { spec: NodeSpec; status: NodeStatus }

/** What a node has can be asked for, all of it. The first of its ranges has a field of its own, which counts where they differ. */
export function defaultNode({ spec, status }: Mutable<{ spec: NodeSpec; status: NodeStatus }>): void {
  if (status.capacity) status.allocatable ??= { ...status.capacity }
  if (spec.podCIDR && spec.podCIDRs?.[0] !== spec.podCIDR) spec.podCIDRs = [spec.podCIDR]
  else if (spec.podCIDRs?.[0]) spec.podCIDR = spec.podCIDRs[0]
}

export function* validateNode({ spec, status }: Node, at: Path, old: Node | undefined): Problems {
  // Kubernetes names this place so, though taints are part of the spec.
  yield* validateTaints(spec.taints ?? [], at.field('metadata', 'taints'))
  for (const field of ['capacity', 'allocatable'] as const)
    for (const [name, amount] of Object.entries(status[field] ?? {}))
      yield* validateAmount(name, amount, at.field('status', field, name))
  if (!old) yield* validateRanges(spec.podCIDRs ?? [], at.field('spec', 'podCIDRs'))
}

function* validateTaints(taints: readonly Taint[], at: Path): Problems {
  const seen = new Set<string>()
  for (const [i, taint] of taints.entries()) {
    const { key, value = '', effect } = taint
    yield* named(qualifiedNameErrors, key, at.index(i).field('key'))
    const errors = labelValueErrors(value)
    if (errors.length) yield at.index(i).field('value').invalid(value, errors.join(';'))
    yield* validateEffect(effect, false, at.index(i).field('effect'))
    const pair = `${effect}/${key}`
    if (seen.has(pair))
      yield at.index(i).duplicate(goStruct(Taint, taint), 'taints must be unique by key and effect pair')
    seen.add(pair)
  }
}

function* validateRanges(ranges: readonly string[], at: Path): Problems {
  for (const [i, range] of ranges.entries()) yield* validateCIDR(range, at.index(i))
  if (ranges.length < 2) return
  const families = new Set(ranges.map(range => parseCidr(range)?.family))
  if (families.size < 2 || ranges.length > 2)
    yield at.invalid(ranges, 'may specify no more than one CIDR for each IP family')
}

export function* validateNodeUpdate(next: Node, old: Node, at: Path): Problems {
  const { addresses = [] } = next.status
  for (const [i, address] of addresses.entries())
    if (addresses.slice(0, i).some(before => sameJson(before, address)))
      yield at.field('status', 'addresses').index(i).duplicate({ Type: address.type, Address: address.address })
  const once = (field: string) => `node updates may not change ${field} except from "" to valid`
  if (old.spec.podCIDRs?.length && !sameJson(old.spec.podCIDRs, next.spec.podCIDRs))
    yield at.field('spec', 'podCIDRs').forbidden(once('podCIDR'))
  if (old.spec.providerID && old.spec.providerID !== next.spec.providerID)
    yield at.field('spec', 'providerID').forbidden(once('providerID'))
  if (next.spec.externalID !== old.spec.externalID) yield at.field('spec', 'externalID').forbidden('may not be updated')
}
