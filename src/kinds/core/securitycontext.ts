// With what rights a container runs.
import type { Of } from '../../api/kind.ts'
import { bool, int64, list, string, struct } from '../../api/schema/build.ts'

export const Capabilities = struct(
  'core.v1.Capabilities',
  'Linux capabilities added to and taken from the runtime’s usual set.',
  {
    add: list(string({}), { proto: 1, doc: 'Capabilities to add; ALL for all.' }),
    drop: list(string({}), { proto: 2, doc: 'Capabilities to take away; ALL for all.' }),
  },
)
export type Capabilities = Of<typeof Capabilities>

export const SELinuxOptions = struct('core.v1.SELinuxOptions', 'An SELinux label, in its parts.', {
  user: string({ proto: 1, doc: 'User part of the label.' }),
  role: string({ proto: 2, doc: 'Role part of the label.' }),
  type: string({ proto: 3, doc: 'Type part of the label.' }),
  level: string({ proto: 4, doc: 'Level part of the label.' }),
})
export type SELinuxOptions = Of<typeof SELinuxOptions>

export const WindowsSecurityContextOptions = struct(
  'core.v1.WindowsSecurityContextOptions',
  'Security settings that only Windows knows.',
  {
    gmsaCredentialSpecName: string({ proto: 1, optional: true, doc: 'Name of the GMSA credential spec.' }),
    gmsaCredentialSpec: string({
      proto: 2,
      optional: true,
      doc: 'The GMSA credential spec itself; filled in by a webhook.',
    }),
    runAsUserName: string({ proto: 3, optional: true, doc: 'Windows user that the first process runs as.' }),
    hostProcess: bool({
      proto: 4,
      optional: true,
      doc: 'True to run directly on the node; all containers of a pod must agree.',
    }),
  },
)
export type WindowsSecurityContextOptions = Of<typeof WindowsSecurityContextOptions>

export const SeccompProfile = struct('core.v1.SeccompProfile', 'Which system calls are let through.', {
  type: string({
    proto: 1,
    always: true,
    enum: ['Unconfined', 'RuntimeDefault', 'Localhost'],
    doc: 'Unconfined, the runtime’s own profile, or a file on the node.',
  }),
  localhostProfile: string({
    proto: 2,
    optional: true,
    doc: 'Path of the file below the kubelet’s seccomp directory, for Localhost.',
  }),
})
export type SeccompProfile = Of<typeof SeccompProfile>

export const AppArmorProfile = struct('core.v1.AppArmorProfile', 'The AppArmor profile to run under.', {
  type: string({
    proto: 1,
    always: true,
    enum: ['Unconfined', 'RuntimeDefault', 'Localhost'],
    doc: 'Unconfined, the runtime’s own profile, or one loaded on the node.',
  }),
  localhostProfile: string({ proto: 2, optional: true, doc: 'Name of the loaded profile, for Localhost.' }),
})
export type AppArmorProfile = Of<typeof AppArmorProfile>

export const SecurityContext = struct(
  'core.v1.SecurityContext',
  'Rights and identity of one container; wins over the pod’s.',
  {
    capabilities: Capabilities.field({ proto: 1, doc: 'Linux capabilities to add and take away.' }),
    privileged: bool({ proto: 2, optional: true, doc: 'True for nearly all rights of root on the node.' }),
    seLinuxOptions: SELinuxOptions.field({ proto: 3, doc: 'SELinux label of the container.' }),
    windowsOptions: WindowsSecurityContextOptions.field({ proto: 10, doc: 'Settings that only Windows knows.' }),
    runAsUser: int64({ proto: 4, optional: true, doc: 'User ID that the first process runs as.' }),
    runAsGroup: int64({ proto: 8, optional: true, doc: 'Primary group ID of the first process.' }),
    runAsNonRoot: bool({ proto: 5, optional: true, doc: 'True to refuse starting as user 0.' }),
    readOnlyRootFilesystem: bool({
      proto: 6,
      optional: true,
      doc: 'True to make the container’s own file system read-only.',
    }),
    allowPrivilegeEscalation: bool({
      proto: 7,
      optional: true,
      doc: 'False to keep processes from gaining rights that their parents lack.',
    }),
    procMount: string({
      proto: 9,
      optional: true,
      enum: ['Default', 'Unmasked'],
      doc: 'Default hides parts of /proc; Unmasked shows all of it.',
    }),
    seccompProfile: SeccompProfile.field({ proto: 11, doc: 'System calls that the container may make.' }),
    appArmorProfile: AppArmorProfile.field({ proto: 12, doc: 'AppArmor profile of the container.' }),
  },
)
export type SecurityContext = Of<typeof SecurityContext>
