// A node's own containerd: its configuration, its life as a process, and taking everything down.
export { type ContainerdPlace, containerdConfig, containerdPaths, criNamespace } from './config.ts'
export { type ContainerdOptions, ensureContainerd, keepContainerd, type Running, runningPid } from './daemon.ts'
export { stopEverything, type TeardownOptions } from './teardown.ts'
