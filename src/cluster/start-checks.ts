// What is wrong with the choices of a start, so that it fails on the terminal rather than later in a log. What reads a
// configuration file is loaded only where there is one.
import type { ClusterConfig } from './config.ts'
import { poolOf } from './load-balancing.ts'
import { etcdTls } from './store-location.ts'

/** Throws an error that states what is wrong. */
export async function refuseBadChoices(
  chosen: Parameters<typeof poolOf>[0] & Partial<Omit<ClusterConfig, 'nodes'>>,
): Promise<void> {
  if (chosen.schedulerConfig) await (await import('../scheduler/index.ts')).loadSchedulerConfig(chosen.schedulerConfig)
  if (chosen.kubeletConfig) await (await import('../kubelet/index.ts')).loadKubeletConfig(chosen.kubeletConfig)
  if (chosen.enableAdmissionPlugins?.length || chosen.admissionConfig)
    await (await import('./plugin-switches.ts')).pluginSwitches(chosen)
  poolOf(chosen)
  etcdTls(chosen)
  await refuseEncryption(chosen)
}

/** Throws where `--encrypt` is not possible. */
export async function refuseEncryption({
  encrypt,
  disable,
}: Pick<Partial<ClusterConfig>, 'encrypt' | 'disable'>): Promise<void> {
  if (!encrypt) return
  if (disable?.includes('network'))
    throw new Error('--encrypt is about the pod network, which --disable network leaves to a CNI plugin')
  const { wireguardProblem } = await import('../network/index.ts')
  const problem = await wireguardProblem()
  if (problem) throw new Error(problem)
}
