// What a pod's phase means. Succeeded and Failed are the end: the phase stays, and no container is started any more.
// Source: kubernetes pkg/api/v1/pod/util.go (IsPodTerminal).
import type { PodStatus } from './podstatus.ts'

/** Whether a pod has ended for good, as the API has it. Its last containers may still be reported by its kubelet. */
export const isTerminal = ({ status }: { readonly status: Pick<PodStatus, 'phase'> }): boolean =>
  isTerminalPhase(status.phase)

export const isTerminalPhase = (phase: PodStatus['phase']): phase is 'Succeeded' | 'Failed' =>
  phase === 'Succeeded' || phase === 'Failed'
