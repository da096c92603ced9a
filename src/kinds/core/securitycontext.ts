// With what rights a container runs.
import type { Of } from '../../api/kind.ts'
import { bool, int64, list, string, struct } from '../../api/schema/build.ts'

export const Capabilities = struct(
  'core.v1.Capabilities',
  'Linux capabilities that are added to and dropped from the default set of the container runtime.',
  {
    add: list(string({}), { proto: 1, doc: 'Capabilities to add, such as NET_ADMIN. ALL adds all.' }),
    drop: list(string({}), { proto: 2, doc: 'Capabilities to drop. ALL drops all.' }),
  },
)
export type Capabilities = Of<typeof Capabilities>

export const SELinuxOptions = struct('core.v1.SELinuxOptions', 'SELinux label, in its parts.', {
  user: string({ proto: 1, doc: 'User part of the label.' }),
  role: string({ proto: 2, doc: 'Role part of the label.' }),
  type: string({ proto: 3, doc: 'Type part of the label.' }),
  level: string({ proto: 4, doc: 'Level part of the label.' }),
})
export type SELinuxOptions = Of<typeof SELinuxOptions>

export const WindowsSecurityContextOptions = struct(
  'core.v1.WindowsSecurityContextOptions',
  'Security settings for Windows containers.',
  {
    gmsaCredentialSpecName: string({
      proto: 1,
      optional: true,
      doc: 'Name of the credential spec of the group-managed service account (GMSA) to use.',
    }),
    gmsaCredentialSpec: string({
      proto: 2,
      optional: true,
      doc: 'Content of the GMSA credential spec named by gmsaCredentialSpecName. Usually filled in by an admission webhook.',
    }),
    runAsUserName: string({
      proto: 3,
      optional: true,
      doc: 'Windows user that the entry point of the container runs as. Defaults to the user of the image.',
    }),
    hostProcess: bool({
      proto: 4,
      optional: true,
      doc: 'If true, the container runs as a host process. All containers of a pod must have the same value, and hostNetwork must then be true.',
    }),
  },
)
export type WindowsSecurityContextOptions = Of<typeof WindowsSecurityContextOptions>

export const SeccompProfile = struct(
  'core.v1.SeccompProfile',
  'Seccomp profile, which restricts the system calls of a container.',
  {
    type: string({
      proto: 1,
      always: true,
      enum: ['Unconfined', 'RuntimeDefault', 'Localhost'],
      doc: 'Kind of profile: Localhost for a file on the node, RuntimeDefault for the default of the container runtime, or Unconfined for no restriction.',
    }),
    localhostProfile: string({
      proto: 2,
      optional: true,
      doc: 'Path of the profile, relative to the seccomp directory of the kubelet. Must be set if type is Localhost, and only then.',
    }),
  },
)
export type SeccompProfile = Of<typeof SeccompProfile>

export const AppArmorProfile = struct('core.v1.AppArmorProfile', 'AppArmor profile, which confines a container.', {
  type: string({
    proto: 1,
    always: true,
    enum: ['Unconfined', 'RuntimeDefault', 'Localhost'],
    doc: 'Kind of profile: Localhost for one that is loaded on the node, RuntimeDefault for the default of the container runtime, or Unconfined for no restriction.',
  }),
  localhostProfile: string({
    proto: 2,
    optional: true,
    doc: 'Name of the profile that is loaded on the node. Must be set if type is Localhost, and only then.',
  }),
})
export type AppArmorProfile = Of<typeof AppArmorProfile>

export const SecurityContext = struct(
  'core.v1.SecurityContext',
  'Security settings of a container. They take precedence over those of the pod.',
  {
    capabilities: Capabilities.field({ proto: 1, doc: 'Linux capabilities to add and drop when the container runs.' }),
    privileged: bool({
      proto: 2,
      optional: true,
      doc: 'If true, the container runs privileged, which is essentially root on the node. Defaults to false.',
    }),
    seLinuxOptions: SELinuxOptions.field({
      proto: 3,
      doc: 'SELinux label of the container. Defaults to that of the pod, or else to a random one.',
    }),
    windowsOptions: WindowsSecurityContextOptions.field({
      proto: 10,
      doc: 'Windows-specific settings of the container. Must not be set if os.name is linux.',
    }),
    runAsUser: int64({
      proto: 4,
      optional: true,
      doc: 'User ID that the entry point of the container runs as. Defaults to that of the pod, or else of the image.',
    }),
    runAsGroup: int64({
      proto: 8,
      optional: true,
      doc: 'Primary group ID that the entry point of the container runs as. Defaults to that of the pod, or else to the group that the image assigns to the user.',
    }),
    runAsNonRoot: bool({
      proto: 5,
      optional: true,
      doc: 'If true, the kubelet refuses to start the container if it would run as user ID 0.',
    }),
    readOnlyRootFilesystem: bool({
      proto: 6,
      optional: true,
      doc: 'If true, the root file system of the container is read-only. Defaults to false.',
    }),
    allowPrivilegeEscalation: bool({
      proto: 7,
      optional: true,
      doc: 'Whether a process can gain more privileges than its parent. False sets the no_new_privs flag. Always true for containers that are privileged or have CAP_SYS_ADMIN.',
    }),
    procMount: string({
      proto: 9,
      optional: true,
      enum: ['Default', 'Unmasked'],
      doc: 'How /proc is mounted: Default masks parts of it, Unmasked does not and requires hostUsers to be false. Defaults to Default.',
    }),
    seccompProfile: SeccompProfile.field({
      proto: 11,
      doc: 'Seccomp profile of the container. Defaults to that of the pod, or else to RuntimeDefault, if privileged to Unconfined.',
    }),
    appArmorProfile: AppArmorProfile.field({
      proto: 12,
      doc: 'AppArmor profile of the container. It takes precedence over that of the pod.',
    }),
  },
)
export type SecurityContext = Of<typeof SecurityContext>
