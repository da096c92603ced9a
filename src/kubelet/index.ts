// The kubelet runs the pods of one node. It registers the node, lets the container runtime run the pods that are bound
// to it, mounts their volumes, probes and restarts their containers, reports their status, and ends them in order when
// they are deleted. `pod/plan.ts` is the heart: it decides what happens next to a pod, such as why it is not restarted
// yet.
//
//   pods of this node (mirror) ─▶ a worker per pod ─▶ plan ─▶ jobs: sandbox, start, kill, settle ─▶ runtime (CRI)
//                                   ▲    └─▶ status ─▶ API                                            │
//                                   └───────────── events: created, exited, oom ◀─────────────────────┘
//
// runtime/    the interface to containerd, real or simulated   pod/    plan, status, worker, start, kill
// config/     from a pod's spec to the runtime's configuration  volumes/, probes/, logs/, node/, server/
// containerd/ the node's own containerd as a process            cri/    calls and events of containerd
export { loadKubeletConfig } from './kubelet-config.ts'
export { type Kubelet, startKubelet } from './kubelet.ts'
export { certificateInUse } from './metrics.ts'
export { type Runtime } from './runtime/runtime.ts'
export { CriRuntime } from './runtime/cri.ts'
export { type Behaviour, behaviourAnnotation, SimulatedRuntime, type SimulatedOptions } from './runtime/simulated.ts'
