// The rights with which a pod and its containers run: users, profiles, and options that exist only on Windows.
// Source: pkg/apis/core/validation (validatePodSpecSecurityContext, ValidateSecurityContext and below).
import { named, type Problems, oneOf, supported } from '../../api/checks.ts'
import { goStruct } from '../../api/go-value.ts'
import { dnsSubdomainErrors, rangeProblem } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import type { PodSpec } from './podspec.ts'

import { descendingPath } from './path-rules.ts'
import {
  AppArmorProfile,
  SeccompProfile,
  SecurityContext,
  type WindowsSecurityContextOptions,
} from './securitycontext.ts'

const maxId = 2 ** 31 - 1

function* validateId(id: number | undefined, at: Path): Problems {
  if (id !== undefined && (id < 0 || id > maxId)) yield at.invalid(id, rangeProblem(0, maxId))
}

/** What all containers of a pod share. */
export function* validatePodSecurity(spec: PodSpec, at: Path): Problems {
  const context = spec.securityContext
  yield* validateId(context.fsGroup, at.field('fsGroup'))
  yield* validateId(context.runAsUser, at.field('runAsUser'))
  yield* validateId(context.runAsGroup, at.field('runAsGroup'))
  for (const [i, group] of (context.supplementalGroups ?? []).entries())
    yield* validateId(group, at.field('supplementalGroups').index(i))
  if (spec.shareProcessNamespace && spec.hostPID)
    yield at.field('shareProcessNamespace').invalid(true, 'ShareProcessNamespace and HostPID cannot both be enabled')
  yield* validateSysctls(spec, at.field('sysctls'))
  if (context.fsGroupChangePolicy !== undefined)
    yield* supported(context.fsGroupChangePolicy, ['Always', 'OnRootMismatch'], at.field('fsGroupChangePolicy'))
  yield* validateProfiles(context, at)
  if (context.supplementalGroupsPolicy !== undefined)
    yield* supported(context.supplementalGroupsPolicy, ['Merge', 'Strict'], at.field('supplementalGroupsPolicy'))
  if (context.seLinuxChangePolicy !== undefined)
    yield* supported(context.seLinuxChangePolicy, ['MountOption', 'Recursive'], at.field('seLinuxChangePolicy'))
}

const sysctlSegment = '[a-z0-9]([-_a-z0-9]*[a-z0-9])?'
const sysctlPattern = `^(${sysctlSegment}[\\./])*${sysctlSegment}$`
const sysctlName = new RegExp(sysctlPattern)
const maxSysctlLength = 253
const namespaceOfSysctl: readonly (readonly [RegExp, 'hostNetwork' | 'hostIPC'])[] = [
  [/^net[./]/, 'hostNetwork'],
  [/^(kernel[./](shm|msg|sem)|fs[./]mqueue[./])/, 'hostIPC'],
]

function* validateSysctls(spec: PodSpec, at: Path): Problems {
  const names = new Set<string>()
  for (const [i, { name }] of (spec.securityContext.sysctls ?? []).entries()) {
    const path = at.index(i).field('name')
    if (!name) yield path.required()
    else if (name.length > maxSysctlLength || !sysctlName.test(name))
      yield path.invalid(name, `must have at most ${maxSysctlLength} characters and match regex ${sysctlPattern}`)
    else if (names.has(name)) yield path.duplicate(name)
    names.add(name)
    const shared = namespaceOfSysctl.find(([pattern]) => pattern.test(name))?.[1]
    if (shared && spec[shared]) yield path.invalid(name, `may not be specified when '${shared}' is true`)
  }
}

/** One container's own. */
export function* validateContainerSecurity(context: SecurityContext, sharesUsers: boolean, at: Path): Problems {
  yield* validateId(context.runAsUser, at.field('runAsUser'))
  yield* validateId(context.runAsGroup, at.field('runAsGroup'))
  if (context.procMount !== undefined) {
    yield* supported(context.procMount, ['Default', 'Unmasked'], at.field('procMount'))
    if (sharesUsers && context.procMount === 'Unmasked')
      yield at.field('procMount').invalid(context.procMount, '`hostUsers` must be false to use `Unmasked`')
  }
  if (context.allowPrivilegeEscalation === false) {
    const shown = goStruct(SecurityContext, context)
    if (context.privileged)
      yield at.invalid(shown, 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true')
    if (context.capabilities?.add?.includes('CAP_SYS_ADMIN'))
      yield at.invalid(shown, 'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN')
  }
  yield* validateProfiles(context, at)
}

interface Profiles {
  readonly seccompProfile?: SeccompProfile
  readonly appArmorProfile?: AppArmorProfile
  readonly windowsOptions?: WindowsSecurityContextOptions
}

function* validateProfiles({ seccompProfile, appArmorProfile, windowsOptions }: Profiles, at: Path): Problems {
  if (seccompProfile) yield* validateSeccomp(seccompProfile, at.field('seccompProfile'))
  if (windowsOptions) yield* validateWindowsOptions(windowsOptions, at.field('windowsOptions'))
  if (appArmorProfile) yield* validateAppArmor(appArmorProfile, at.field('appArmorProfile'))
}

const profileTypes = ['Localhost', 'RuntimeDefault', 'Unconfined']

function* validateSeccomp(profile: SeccompProfile, at: Path): Problems {
  const { type, localhostProfile } = profile
  yield* oneOf(type, profileTypes, at.field('type'), 'type is required when seccompProfile is set')
  const path = at.field('localhostProfile')
  if (type !== 'Localhost') {
    if (localhostProfile !== undefined)
      yield path.invalid(goStruct(SeccompProfile, profile), 'can only be set when seccomp type is Localhost')
  } else if (localhostProfile === undefined) yield path.required('must be set when seccomp type is Localhost')
  else yield* descendingPath(localhostProfile, path)
}

const maxProfileLength = 4095

export function* validateAppArmor({ type, localhostProfile }: AppArmorProfile, at: Path): Problems {
  const path = at.field('localhostProfile')
  yield* oneOf(type, profileTypes, at.field('type'), 'type is required when appArmorProfile is set')
  if (type === 'Localhost') {
    const trimmed = localhostProfile?.trim()
    if (localhostProfile !== undefined && trimmed !== localhostProfile)
      yield path.invalid(localhostProfile, 'must not be padded with whitespace')
    else if (!trimmed) yield path.required('must be set when AppArmor type is Localhost')
    if ((localhostProfile ?? '').length > maxProfileLength) yield path.tooLong(maxProfileLength)
  } else if (profileTypes.includes(type) && localhostProfile !== undefined)
    yield path.invalid(localhostProfile, 'can only be set when AppArmor type is Localhost')
}

const maxCredentialKiB = 64
const maxDomainLength = 256
const maxUserLength = 104
const netBios = /^[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}$/
const dnsLabel = '[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?'
const dnsDomain = new RegExp(`^${dnsLabel}(?:\\.${dnsLabel})*$`)

function* validateWindowsOptions(options: WindowsSecurityContextOptions, at: Path): Problems {
  const { gmsaCredentialSpecName, gmsaCredentialSpec, runAsUserName } = options
  if (gmsaCredentialSpecName !== undefined)
    yield* named(dnsSubdomainErrors, gmsaCredentialSpecName, at.field('gmsaCredentialSpecName'))
  const path = at.field('gmsaCredentialSpec')
  if (gmsaCredentialSpec === '') yield path.invalid('', 'gmsaCredentialSpec cannot be an empty string')
  else if ((gmsaCredentialSpec ?? '').length > maxCredentialKiB * 1024)
    yield path.invalid(gmsaCredentialSpec, `gmsaCredentialSpec size must be under ${maxCredentialKiB} KiB`)
  if (runAsUserName !== undefined)
    for (const error of windowsUserErrors(runAsUserName)) yield at.field('runAsUserName').invalid(runAsUserName, error)
}

/** `DOMAIN\user`, of which the domain may be missing. */
function windowsUserErrors(name: string): string[] {
  if (!name) return ['runAsUserName cannot be an empty string']
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(name)) return ['runAsUserName cannot contain control characters']
  const parts = name.split('\\')
  if (parts.length > 2) return ['runAsUserName cannot contain more than one backslash']
  const errors: string[] = []
  const domain = parts.length === 2 ? parts[0]! : undefined
  const user = parts.at(-1)!
  if ((domain ?? '').length >= maxDomainLength)
    errors.push(`runAsUserName's Domain length must be under ${maxDomainLength} characters`)
  if (domain !== undefined && !netBios.test(domain) && !dnsDomain.test(domain))
    errors.push("runAsUserName's Domain doesn't match the NetBios nor the DNS format")
  if (!user) errors.push("runAsUserName's User cannot be empty")
  else if (user.length > maxUserLength)
    errors.push(`runAsUserName's User length must not be longer than ${maxUserLength} characters`)
  if (/^[. ]+$/.test(user)) errors.push("runAsUserName's User cannot contain only periods or spaces")
  if (/["/\\:;|=,+*?<>@[\]]/.test(user))
    errors.push('runAsUserName\'s User cannot contain the following characters: "/\\:;|=,+*?<>@[]')
  return errors
}
