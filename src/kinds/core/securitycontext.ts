// With what rights a container runs.
import type { Of } from '../../api/kind.ts'
import { bool, int64, list, string, struct } from '../../api/schema/build.ts'

export const Capabilities = struct('core.v1.Capabilities', '', {
  add: list(string({}), { proto: 1 }),
  drop: list(string({}), { proto: 2 }),
})
export type Capabilities = Of<typeof Capabilities>

export const SELinuxOptions = struct('core.v1.SELinuxOptions', '', {
  user: string({ proto: 1 }),
  role: string({ proto: 2 }),
  type: string({ proto: 3 }),
  level: string({ proto: 4 }),
})
export type SELinuxOptions = Of<typeof SELinuxOptions>

export const WindowsSecurityContextOptions = struct('core.v1.WindowsSecurityContextOptions', '', {
  gmsaCredentialSpecName: string({ proto: 1, optional: true }),
  gmsaCredentialSpec: string({ proto: 2, optional: true }),
  runAsUserName: string({ proto: 3, optional: true }),
  hostProcess: bool({ proto: 4, optional: true }),
})
export type WindowsSecurityContextOptions = Of<typeof WindowsSecurityContextOptions>

export const SeccompProfile = struct('core.v1.SeccompProfile', '', {
  type: string({ proto: 1, always: true, enum: ['Unconfined', 'RuntimeDefault', 'Localhost'] }),
  localhostProfile: string({ proto: 2, optional: true }),
})
export type SeccompProfile = Of<typeof SeccompProfile>

export const AppArmorProfile = struct('core.v1.AppArmorProfile', '', {
  type: string({ proto: 1, always: true, enum: ['Unconfined', 'RuntimeDefault', 'Localhost'] }),
  localhostProfile: string({ proto: 2, optional: true }),
})
export type AppArmorProfile = Of<typeof AppArmorProfile>

export const SecurityContext = struct('core.v1.SecurityContext', '', {
  capabilities: Capabilities.field({ proto: 1 }),
  privileged: bool({ proto: 2, optional: true }),
  seLinuxOptions: SELinuxOptions.field({ proto: 3 }),
  windowsOptions: WindowsSecurityContextOptions.field({ proto: 10 }),
  runAsUser: int64({ proto: 4, optional: true }),
  runAsGroup: int64({ proto: 8, optional: true }),
  runAsNonRoot: bool({ proto: 5, optional: true }),
  readOnlyRootFilesystem: bool({ proto: 6, optional: true }),
  allowPrivilegeEscalation: bool({ proto: 7, optional: true }),
  procMount: string({ proto: 9, optional: true, enum: ['Default', 'Unmasked'] }),
  seccompProfile: SeccompProfile.field({ proto: 11 }),
  appArmorProfile: AppArmorProfile.field({ proto: 12 }),
})
export type SecurityContext = Of<typeof SecurityContext>
