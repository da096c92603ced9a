// The address families of a Service: which it has, by its policy, its addresses and the families of the cluster.
//
// - A Service gets a second family, or gives it up, only by an update that says so: never because the cluster changed.
// - With no policy it has one family, or on an update the policy from before.
// Source: pkg/registry/core/service/storage/alloc.go, initIPFamilyFields.
import { ipFamily } from '../../api/ip.ts'
import { type Problem, root } from '../../api/path.ts'
import type { Mutable } from '../../api/schema/node.ts'
import type { Service } from '../../kinds/core/service.ts'
import { validateClusterIPs } from '../../kinds/core/service-rules.ts'

type Spec = Mutable<Service>['spec']
type IPFamily = 'IPv4' | 'IPv6'

const familyName = (address: string): IPFamily => (ipFamily(address) === 6 ? 'IPv6' : 'IPv4')
const otherThan = (family: string): IPFamily => (family === 'IPv6' ? 'IPv4' : 'IPv6')

/** Whether a headless Service has endpoints written by a user, which may be of any family. */
const isManual = ({ clusterIP, selector }: Spec) => clusterIP === 'None' && Object.keys(selector ?? {}).length === 0

/**
 * Sets policy and families of a Service that is not of type ExternalName.
 * @param configured the families of the cluster, the default first
 */
export function* chooseFamilies(
  spec: Spec,
  old: Service['spec'] | undefined,
  configured: readonly IPFamily[],
): Iterable<Problem> {
  if (old && keepsPreference(spec, old)) return
  spec.ipFamilyPolicy ??= old?.ipFamilyPolicy ?? (isManual(spec) ? 'RequireDualStack' : 'SingleStack')
  const malformed = [...validateClusterIPs(spec, root.field('spec'))]
  if (malformed.length) return yield* malformed
  const problems = [
    ...(old ? giveUpSecond(spec, old) : []),
    ...tooManyForPolicy(spec),
    ...inferFromAddresses(spec, configured),
  ]
  if (problems.length) return yield* problems
  if (isManual(spec)) {
    spec.ipFamilies = spec.ipFamilies?.length ? spec.ipFamilies : [configured[0]!]
    if (spec.ipFamilies.length < 2 && spec.ipFamilyPolicy !== 'SingleStack')
      spec.ipFamilies.push(otherThan(spec.ipFamilies[0]!))
    return
  }
  const missing = [...notConfigured(spec, configured)]
  if (missing.length) return yield* missing
  spec.ipFamilies = spec.ipFamilies?.length ? spec.ipFamilies : [configured[0]!]
  if (spec.ipFamilyPolicy !== 'SingleStack' && spec.ipFamilies.length === 1 && configured.length === 2)
    spec.ipFamilies.push(otherThan(spec.ipFamilies[0]!))
}

/** Whether an update leaves a Service that prefers both families as it is. */
const keepsPreference = (spec: Spec, old: Service['spec']) =>
  old.type !== 'ExternalName' &&
  spec.ipFamilyPolicy === 'PreferDualStack' &&
  old.ipFamilyPolicy === 'PreferDualStack' &&
  same(spec.clusterIPs, old.clusterIPs) &&
  same(spec.ipFamilies, old.ipFamilies)

const same = (a: readonly string[] = [], b: readonly string[] = []) => a.join() === b.join()

/** The second address and family go with the policy SingleStack, and with no other. */
function* giveUpSecond(spec: Spec, old: Service['spec']): Iterable<Problem> {
  if (spec.ipFamilyPolicy === 'SingleStack') {
    if (same(spec.clusterIPs, old.clusterIPs) && spec.clusterIPs) spec.clusterIPs = spec.clusterIPs.slice(0, 1)
    if (same(spec.ipFamilies, old.ipFamilies) && spec.ipFamilies) spec.ipFamilies = spec.ipFamilies.slice(0, 1)
    return
  }
  const at = root.field('spec', 'ipFamilyPolicy')
  const isReduced = (now: readonly string[] = [], before: readonly string[] = []) =>
    now.length === 1 && before.length === 2 && now[0] === before[0]
  if (isReduced(spec.clusterIPs, old.clusterIPs))
    yield at.invalid(spec.ipFamilyPolicy, "must be 'SingleStack' to release the secondary cluster IP")
  if (isReduced(spec.ipFamilies, old.ipFamilies))
    yield at.invalid(spec.ipFamilyPolicy, "must be 'SingleStack' to release the secondary IP family")
}

function* tooManyForPolicy({ ipFamilyPolicy, clusterIPs = [], ipFamilies = [] }: Spec): Iterable<Problem> {
  if (ipFamilyPolicy !== 'SingleStack') return
  const must = "must be 'RequireDualStack' or 'PreferDualStack' when multiple"
  const at = root.field('spec', 'ipFamilyPolicy')
  if (clusterIPs.length === 2) yield at.invalid(ipFamilyPolicy, `${must} cluster IPs are specified`)
  if (ipFamilies.length === 2) yield at.invalid(ipFamilyPolicy, `${must} IP families are specified`)
}

/** A requested address names its family. */
function* inferFromAddresses(spec: Spec, configured: readonly IPFamily[]): Iterable<Problem> {
  const { clusterIPs = [] } = spec
  if (clusterIPs[0] === 'None') return
  const families = [...(spec.ipFamilies ?? [])]
  for (const [i, ip] of clusterIPs.entries()) {
    if (i < families.length) continue
    const family = familyName(ip)
    if (configured.includes(family)) families.push(family)
    else
      yield root.field('spec', 'clusterIPs').index(i).invalid(clusterIPs, `${family} is not configured on this cluster`)
  }
  if (families.length) spec.ipFamilies = families
}

function* notConfigured({ ipFamilyPolicy, ipFamilies = [] }: Spec, configured: readonly IPFamily[]): Iterable<Problem> {
  const at = root.field('spec')
  if (ipFamilyPolicy === 'RequireDualStack' && configured.length < 2)
    yield at.field('ipFamilyPolicy').invalid(ipFamilyPolicy, 'this cluster is not configured for dual-stack services')
  for (const [i, family] of ipFamilies.entries())
    if (!configured.some(one => one === family))
      yield at.field('ipFamilies').index(i).invalid(family, 'not configured on this cluster')
}
