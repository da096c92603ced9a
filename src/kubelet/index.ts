// The kubelet: one node's agent. It registers the node, takes the pods that are bound to it and makes the container
// runtime run them, probes and restarts their containers, mounts their volumes, reports how they are, and takes them
// down in order when they are deleted. `pod/plan.ts` is the heart: what to do next, as a pure function.
//
//   pods of this node (mirror) ─▶ a worker per pod ─▶ plan ─▶ jobs: sandbox, start, kill, settle ─▶ runtime (CRI)
//                                   ▲    └─▶ status ─▶ API                                            │
//                                   └───────────── events: created, exited, oom ◀─────────────────────┘
//
// runtime/ what runs containers (containerd, or simulated)   pod/    plan, status, worker, start, kill
// config/  from a spec to what the runtime is told            volumes/, probes/, logs/, node/, server/
// containerd/ a containerd of the node's own                  cri/    CRI and containerd's events
export { type Kubelet, startKubelet } from './kubelet.ts'
export { type Runtime } from './runtime/runtime.ts'
export { CriRuntime } from './runtime/cri.ts'
export { type Behaviour, behaviourAnnotation, SimulatedRuntime, type SimulatedOptions } from './runtime/simulated.ts'
